//! A story of packets, time and edits, told by bytes, through control and a whole worker. After each step every packet
//! has ended once, every buffer is where it should be, and every server counts the connections that name it; in the
//! end, when time has run out for all of them, nothing is left.
//!
//! ```text
//! a step is four bytes: what, who, which, how
//! what % 8   0 to 3 a client speaks, 4 and 5 a server answers, 6 control edits, 7 time passes
//! ```

#![no_main]

#[path = "../lab.rs"]
mod lab;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use control::api::{
    Client, Forward, IpProtocol, MarkSpec, Ports, Request, ServerSpec, ServiceSpec, TunnelChecksum, TunnelKind,
    TunnelSpec,
};
use dataplane::flow::{Family, Protocol, ServiceKey};
use lab::{Lab, SECOND, frame};
use libfuzzer_sys::fuzz_target;

const FLAGS: [u8; 8] = [2, 16, 17, 4, 18, 20, 0, 24];
const SCHEDULERS: [&str; 14] =
    ["rr", "wrr", "lc", "wlc", "sed", "nq", "dh", "sh", "mh", "fo", "ovf", "lblc", "lblcr", "twos"];
const METHODS: [Forward; 4] = [Forward::Nat, Forward::Dr, Forward::Nat, Forward::Tun];
const TUNNELS: [Option<TunnelSpec>; 3] = [
    None,
    Some(TunnelSpec { kind: TunnelKind::Gue, port: 6080, checksum: TunnelChecksum::Full }),
    Some(TunnelSpec { kind: TunnelKind::Gre, port: 0, checksum: TunnelChecksum::None }),
];
const TIMES: [u64; 6] = [SECOND / 100, SECOND / 2, 3 * SECOND, 11 * SECOND, 61 * SECOND, 400 * SECOND];

fuzz_target!(|bytes: &[u8]| {
    let mut lab = Lab::new();
    for step in bytes.chunks_exact(4).take(300) {
        let [what, who, which, how] = *step else { return };
        match what % 8 {
            0..=3 => speak(&mut lab, what, who, which, how),
            4 | 5 => answer(&mut lab, what, who, which, how),
            6 => {
                // Refusals are part of the story.
                let _ = lab.ask(edit(who, which, how));
            }
            _ => lab.pass(TIMES[usize::from(how) % TIMES.len()]),
        }
        lab.check();
    }
    let _ = lab.ask(Request::Flush);
    (0..4).for_each(|_| lab.pass(900 * SECOND));
    lab.check();
    assert_eq!(lab.connections(), 0);
    assert!(lab.servers_are_free(), "nothing refers to servers that are gone");
});

fn client(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(172, 16, 0, 1 + n % 4)
}

/// Server 4 is one that nobody knows.
fn server(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 1, 0, 11 + n % 5)
}

fn vip(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, 100 + n % 2)
}

/// Somebody behind the default route, whose packets are marked.
const FAR: Ipv4Addr = Ipv4Addr::new(10, 3, 0, 9);

fn protocol(n: u8) -> Protocol {
    if n & 0x80 == 0 { Protocol::Tcp } else { Protocol::Udp }
}

fn speak(lab: &mut Lab, what: u8, who: u8, which: u8, how: u8) {
    let to = match (what & 0x40, which & 0x40) {
        (0, 0) => vip(which),
        (0, _) => FAR,
        _ => server(which),
    };
    let ports = (4000 + u16::from(who >> 4) % 4, 80 + u16::from(which >> 1) % 3);
    let ttl = if what & 0x30 == 0x30 { 1 } else { 64 };
    let fragment = if what & 0x38 == 0x28 { 0x2000 } else { 0 };
    let flags = FLAGS[usize::from(how) % FLAGS.len()];
    lab.feed(0, &frame(client(who), to, ports, protocol(which), flags, ttl, fragment));
}

fn answer(lab: &mut Lab, what: u8, who: u8, which: u8, how: u8) {
    let ports = (80 + u16::from(which >> 1) % 3, 4000 + u16::from(who >> 4) % 4);
    let ttl = if what & 0x30 == 0x30 { 1 } else { 64 };
    let flags = FLAGS[usize::from(how) % FLAGS.len()];
    lab.feed(1, &frame(server(which & 3), client(who), ports, protocol(which), flags, ttl, 0));
}

fn edit(who: u8, which: u8, how: u8) -> Request {
    let port = 80 + u16::from(which >> 1) % 3;
    let key = match which & 0x40 {
        0 => ServiceKey::Address { protocol: protocol(which), address: vip(which).into(), port },
        _ => ServiceKey::Mark { fwmark: 7 + u32::from(which % 2), family: Family::Ipv4 },
    };
    let service = ServiceSpec {
        key,
        scheduler: SCHEDULERS[usize::from(how) % SCHEDULERS.len()].to_owned(),
        sched_flags: who >> 4 & 7,
        ops: false,
        persistence: None,
        granularity: None,
        engine: None,
    };
    let address = SocketAddr::new(server(how).into(), 80 + u16::from(how >> 6) % 3);
    let upper = u32::from(who >> 5);
    let forward = METHODS[usize::from(how >> 5) % METHODS.len()];
    let server = ServerSpec {
        address,
        forward,
        weight: u32::from(how >> 3) % 4,
        upper,
        lower: upper.saturating_sub(1),
        tunnel: TUNNELS[usize::from(how) % TUNNELS.len()].filter(|_| forward == Forward::Tun),
    };
    let rule = MarkSpec {
        mark: [0, 7, 8][usize::from(how) % 3],
        local: how & 0x40 == 0,
        interface: None,
        source_mac: None,
        not_source_mac: None,
        source: None,
        destination: Some(IpAddr::from(if which & 0x40 == 0 { vip(which) } else { FAR }).into()),
        protocol: Some(IpProtocol(protocol(which).number())),
        source_port: None,
        destination_port: Some(Ports { first: port, last: port }),
    };
    match who % 12 {
        0 => Request::AddService { service },
        1 => Request::EditService { service },
        2 => Request::DeleteService { key },
        3..=5 => Request::AddServer { key, server },
        6 => Request::EditServer { key, server },
        7 => Request::DeleteServer { key, address },
        8 => Request::Connections { cursor: None, limit: Some(u32::from(how)) },
        9 => Request::AddMark { rule },
        10 => Request::DeleteMark { rule },
        _ => Request::Zero { key: None },
    }
}

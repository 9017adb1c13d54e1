//! FTP through NAT: what control connections announce comes, from either side and on any worker.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use dataplane::flow::Protocol;
use dataplane::method::ForwardMethod::Nat;
use dataplane::port::mem::MemPort;
use dataplane::sched::Scheduler::Rr;
use dataplane::service::{Manner, Persistent};
use dataplane::steering::Steering;
use dataplane::wire::tcp::{ACK, FIN, SYN};
use dataplane::wire::{be32, put};
use dataplane::worker::Worker;

use crate::crew::{Device, crew, plan_of, settle};
use crate::frames::{Body, ends, packet, say};
use crate::lab::{LAN, Lab, SECOND, VIP, VIP6, WAN, client, client6, server, server6};
use dataplane::tables::Interface;

const PASSIVE: &str = "227 Entering Passive Mode (10,1,0,11,100,10).\r\n";

/// A segment with its numbers and its text.
pub(crate) fn segment(from: SocketAddr, to: SocketAddr, flags: u8, numbers: [u32; 2], text: &str) -> Vec<u8> {
    let body = Body::Tcp(from.port(), to.port(), flags, text.len());
    let mut frame = packet(from.ip(), to.ip(), body).frame();
    let l4 = if from.is_ipv4() { 34 } else { 54 };
    put(&mut frame, l4 + 4, &numbers[0].to_be_bytes());
    put(&mut frame, l4 + 8, &numbers[1].to_be_bytes());
    say(&mut frame, text);
    frame
}

/// What is to be seen of a segment: source, destination, numbers, text. Its lengths and checksums must be right.
fn seen(frame: &[u8]) -> (SocketAddr, SocketAddr, [u32; 2], String) {
    let [source, destination] = ends(frame);
    let l4 = if source.is_ipv4() { 34 } else { 54 };
    let text = String::from_utf8_lossy(&frame[l4 + 20..]).into_owned();
    (source, destination, [be32(frame, l4 + 4), be32(frame, l4 + 8)], text)
}

/// Has a client be known behind a link whose packets may be as large as buffers are.
pub(crate) fn wide_link_to(lab: &mut Lab, n: u8) {
    lab.net(|net| {
        let wide = net.interfaces.iter().map(|interface| Interface { mtu: u16::MAX, ..interface.clone() });
        net.interfaces = wide.collect::<Vec<_>>().into();
    });
    lab.neighbor(WAN, client(n).into());
}

/// A lab with a service of FTP, and the ends of a control connection.
struct Stage {
    lab: Lab,
    client: SocketAddr,
    vip: SocketAddr,
    server: SocketAddr,
}

impl Stage {
    fn of(mut lab: Lab, six: bool) -> Self {
        lab.know_servers(11..=12);
        let (client, vip, server): (IpAddr, IpAddr, IpAddr) = match six {
            true => (client6(2).into(), VIP6.into(), server6(11).into()),
            false => (client(2).into(), VIP.into(), server(11).into()),
        };
        lab.service(Protocol::Tcp, vip, 21, Rr, &[(server, 21, Nat, 1)]);
        settle(&mut lab);
        let at = |ip, port| SocketAddr::new(ip, port);
        Self { lab, client: at(client, 4000), vip: at(vip, 21), server: at(server, 21) }
    }

    fn new() -> Self {
        Self::of(Lab::new(100), false)
    }

    /// A packet arrives; what left because of it.
    fn arrives(&mut self, port: u16, frame: &[u8]) -> Vec<Vec<u8>> {
        self.lab.inject(port, frame);
        settle(&mut self.lab);
        let sent =
            |worker: &mut Worker<MemPort>| worker.ports_mut().iter_mut().flat_map(MemPort::drain).collect::<Vec<_>>();
        self.lab.crew_mut().flat_map(sent).collect()
    }

    fn one(&mut self, port: u16, frame: &[u8]) -> (SocketAddr, SocketAddr, [u32; 2], String) {
        let sent = self.arrives(port, frame);
        assert_eq!(sent.len(), 1, "{:?}", self.lab.counters().iter().filter(|(_, n)| *n > 0).collect::<Vec<_>>());
        seen(&sent[0])
    }

    fn says(&mut self, numbers: [u32; 2], text: &str) -> ([u32; 2], String) {
        let frame = segment(self.client, self.vip, ACK, numbers, text);
        let (from, to, numbers, text) = self.one(WAN, &frame);
        assert_eq!((from, to), (self.client, self.server));
        (numbers, text)
    }

    fn answers(&mut self, numbers: [u32; 2], text: &str) -> ([u32; 2], String) {
        let frame = segment(self.server, self.client, ACK, numbers, text);
        let (from, to, numbers, text) = self.one(LAN, &frame);
        assert_eq!((from, to), (self.vip, self.client));
        (numbers, text)
    }

    fn open(&mut self) {
        let syn = segment(self.client, self.vip, SYN, [100, 0], "");
        let answer = segment(self.server, self.client, SYN | ACK, [500, 101], "");
        self.one(WAN, &syn);
        self.one(LAN, &answer);
        self.says([101, 501], "");
    }

    fn at(&self, of: SocketAddr, port: u16) -> SocketAddr {
        SocketAddr::new(of.ip(), port)
    }
}

#[test]
fn a_passive_transfer_goes_through_and_numbers_stay_in_step() {
    let mut stage = Stage::new();
    stage.open();
    stage.says([101, 501], "PASV\r\n");
    let said = stage.answers([501, 107], PASSIVE);
    assert_eq!(said, ([501, 107], "227 Entering Passive Mode (10,0,0,100,100,10).\r\n".to_owned()));
    assert_eq!(stage.lab.state(0).inactive(), 1, "the data connection is expected");
    // One byte longer: the client acknowledges one more, what follows has a number one higher.
    assert_eq!(stage.says([107, 549], "").0, [107, 548]);
    assert_eq!(stage.answers([548, 107], "150 ok\r\n").0, [549, 107]);

    let (data, listens) = (stage.at(stage.client, 4001), stage.at(stage.vip, 25_610));
    let served = stage.at(stage.server, 25_610);
    let (from, to, ..) = stage.one(WAN, &segment(data, listens, SYN, [1, 0], ""));
    assert_eq!((from, to), (data, served));
    let (from, to, ..) = stage.one(LAN, &segment(served, data, SYN | ACK, [7, 2], ""));
    assert_eq!((from, to), (listens, data));
    assert_eq!((stage.lab.state(0).active(), stage.lab.state(0).inactive()), (2, 0));
    // It was expected once.
    let other = segment(stage.at(stage.client, 4002), listens, SYN, [1, 0], "");
    stage.arrives(WAN, &other);
    assert_eq!(stage.lab.count("answer_tcp_reset"), 1);
    stage.lab.check_accounts();
}

#[test]
fn an_active_transfer_comes_from_the_virtual_address() {
    let mut stage = Stage::new();
    stage.open();
    assert_eq!(stage.says([101, 501], "PORT 172,16,0,2,200,10\r\n").1, "PORT 172,16,0,2,200,10\r\n");
    let (data, here, served) = (stage.at(stage.client, 51_210), stage.at(stage.vip, 20), stage.at(stage.server, 20));
    let (from, to, ..) = stage.one(LAN, &segment(served, data, SYN, [1, 0], ""));
    assert_eq!((from, to), (here, data));
    let (from, to, ..) = stage.one(WAN, &segment(data, here, SYN | ACK, [9, 2], ""));
    assert_eq!((from, to), (data, served));
    // The same port again: the connection that is there waits anew.
    stage.says([125, 501], "PORT 172,16,0,2,200,10\r\n");
    assert_eq!(stage.lab.connections().len(), 2);
    assert!(stage.lab.expected.is_empty());
}

#[test]
fn many_announcements_of_one_leave_room_for_others() {
    let mut stage = Stage::new();
    stage.open();
    let mut other = stage.client;
    other.set_port(4001);
    let mine = std::mem::replace(&mut stage.client, other);
    stage.open();
    stage.says([101, 501], "PASV\r\n");
    stage.answers([501, 107], PASSIVE);
    stage.client = mine;
    for port in 0..100 {
        stage.says([101, 501], &format!("PORT 172,16,0,2,200,{port}\r\n"));
    }
    assert_eq!(stage.lab.count("announcements_evicted"), 84);
    // Two control connections, one announcement, sixteen more.
    assert_eq!(stage.lab.state(0).connections(), 2 + 1 + 16);
    let (data, listens) = (stage.at(other, 5000), stage.at(stage.vip, 25_610));
    assert_eq!(stage.one(WAN, &segment(data, listens, SYN, [1, 0], "")).1, stage.at(stage.server, 25_610));
    let (first, last) = (stage.at(mine, 51_200), stage.at(mine, 51_299));
    let served = stage.at(stage.server, 20);
    assert_eq!(stage.one(LAN, &segment(served, last, SYN, [1, 0], "")).0, stage.at(stage.vip, 20));
    let own = stage.arrives(LAN, &segment(served, first, SYN, [1, 0], ""));
    assert_eq!(own.iter().map(|frame| seen(frame).0).collect::<Vec<_>>(), [served], "it gave way long ago");
    stage.lab.check_accounts();
}

#[test]
fn nobody_announces_a_third_party() {
    let mut stage = Stage::new();
    stage.open();
    for text in ["PORT 172,16,0,3,200,10\r\n", "EPRT |1|172.16.0.3|5555|\r\n"] {
        assert_eq!(stage.says([101, 501], text).1, text, "the server may see to it");
    }
    stage.says([101, 501], "PASV\r\n");
    let elsewhere = PASSIVE.replace("10,1,0,11", "10,1,0,12");
    assert_eq!(stage.answers([501, 107], &elsewhere).1, elsewhere);
    assert_eq!((stage.lab.count("announcements_refused"), stage.lab.state(0).connections()), (3, 1));
    stage.lab.tables.options.strict_parity = true;
    stage.lab.publish();
    stage.says([101, 501], "PORT 172,16,0,3,200,10\r\n");
    assert_eq!((stage.lab.count("announcements_refused"), stage.lab.state(0).connections()), (3, 2));
}

#[test]
fn ipv6_has_the_extended_commands() {
    let mut stage = Stage::of(Lab::new(100), true);
    stage.open();
    stage.says([101, 501], "EPSV 2\r\n");
    let (numbers, text) = stage.answers([501, 109], "229 Entering (|2|fd00:2::b|25610|)\r\n");
    assert_eq!((numbers, &text[..]), ([501, 109], "229 Entering (|||25610|)\r\n"));
    let shorter = "229 Entering (|2|fd00:2::b|25610|)\r\n".len() as u32 - text.len() as u32;
    assert_eq!(stage.says([109, 501 + text.len() as u32], "").0[1], 501 + text.len() as u32 + shorter);
    let (data, listens, served) = (
        stage.at(stage.client, 4001),
        stage.at(stage.vip, 25_610),
        SocketAddr::new("fd00:2::b".parse().expect("one"), 25_610),
    );
    let (from, to, ..) = stage.one(WAN, &segment(data, listens, SYN, [1, 0], ""));
    assert_eq!((from, to), (data, served));
    stage.says([109, 600], &format!("EPRT |2|{}|5555|\r\n", stage.client.ip()));
    let (data, served) = (stage.at(stage.client, 5555), stage.at(stage.server, 20));
    let (from, to, ..) = stage.one(LAN, &segment(served, data, SYN, [1, 0], ""));
    assert_eq!((from, to), (stage.at(stage.vip, 20), data));
}

#[test]
fn selective_acknowledgements_are_shifted_with_the_others() {
    let mut stage = Stage::new();
    stage.open();
    stage.says([101, 501], "PASV\r\n");
    stage.answers([501, 107], PASSIVE);
    // SACK 549 to 560, in front of it two of nothing; the text is the option.
    let mut frame = segment(stage.client, stage.vip, ACK, [107, 549], "\u{1}\u{1}\u{5}\n__________"[..12].as_ref());
    put(&mut frame, 34 + 24, &549_u32.to_be_bytes());
    put(&mut frame, 34 + 28, &560_u32.to_be_bytes());
    frame[34 + 12] = 0x80;
    say(&mut frame, "");
    let sent = stage.arrives(WAN, &frame);
    assert_eq!([be32(&sent[0], 34 + 24), be32(&sent[0], 34 + 28), be32(&sent[0], 34 + 8)], [548, 559, 548]);
    ends(&sent[0]);
}

#[test]
fn what_does_not_come_ends_and_the_control_connection_outlives_it() {
    let mut stage = Stage::new();
    stage.open();
    stage.says([101, 501], "PASV\r\n");
    stage.answers([501, 107], PASSIVE);
    let expected = |stage: &Stage| !stage.lab.expected.is_empty();
    let fin = segment(stage.client, stage.vip, FIN | ACK, [107, 549], "");
    let answer = segment(stage.server, stage.client, FIN | ACK, [548, 108], "");
    stage.one(WAN, &fin);
    stage.one(LAN, &answer);
    stage.lab.pass(115 * SECOND);
    assert!(expected(&stage), "for two minutes");
    // The control connection is due, but what it announced may still come.
    stage.lab.pass(6 * SECOND);
    stage.lab.pass(SECOND);
    assert!(!expected(&stage));
    stage.lab.pass(70 * SECOND);
    assert_eq!((stage.lab.connections().len(), stage.lab.state(0).connections()), (0, 0));
    assert_eq!(stage.lab.expected.helped(), 0);
}

#[test]
fn what_is_not_right_or_has_no_room_is_dropped_with_its_reason() {
    let mut stage = Stage::new();
    stage.open();
    let mut bent = segment(stage.client, stage.vip, ACK, [101, 501], "PASV\r\n");
    *bent.last_mut().expect("a byte") ^= 1;
    assert!(stage.arrives(WAN, &bent).is_empty());
    assert_eq!(stage.lab.count("drop_transport_checksum"), 1);

    // A byte longer than the client's link takes.
    stage.says([101, 501], "PASV\r\n");
    let full = format!("{PASSIVE}{}", ".".repeat(1460 - PASSIVE.len()));
    assert!(stage.arrives(LAN, &segment(stage.server, stage.client, ACK, [501, 107], &full)).is_empty());
    assert_eq!(stage.lab.count("drop_needs_fragmenting"), 1);

    // A link that takes whatever there is, and no room behind the packet.
    let mut stage = Stage::new();
    stage.client = SocketAddr::new(client(20).into(), 4000);
    wide_link_to(&mut stage.lab, 20);
    stage.open();
    stage.says([107, 501], "PASV\r\n");
    let full = format!("{PASSIVE}{}", ".".repeat(9728 - 54 - PASSIVE.len()));
    assert!(stage.arrives(LAN, &segment(stage.server, stage.client, ACK, [501, 113], &full)).is_empty());
    assert_eq!(stage.lab.count("drop_no_tailroom"), 1);
}

#[test]
fn announced_connections_find_home_on_any_worker() {
    for (device, steering) in
        [(Device::Single, Steering::Tuple), (Device::Many, Steering::Tuple), (Device::Single, Steering::Client)]
    {
        for six in [false, true] {
            for sport in 4000..4006 {
                let mut stage = Stage::of(crew(&plan_of(device, 3, steering), 100), six);
                stage.client.set_port(sport);
                passive_and_active(&mut stage);
                stage.lab.check_accounts();
            }
        }
    }
}

fn passive_and_active(stage: &mut Stage) {
    stage.open();
    stage.says([101, 501], "EPSV\r\n");
    stage.answers([501, 107], "229 Entering (|||25610|)\r\n");
    let (data, listens, served) =
        (stage.at(stage.client, 4001), stage.at(stage.vip, 25_610), stage.at(stage.server, 25_610));
    assert_eq!(stage.one(WAN, &segment(data, listens, SYN, [1, 0], "")).1, served);
    assert_eq!(stage.one(LAN, &segment(served, data, SYN | ACK, [7, 2], "")).0, listens);
    let family = if stage.client.is_ipv4() { 1 } else { 2 };
    stage.says([107, 527], &format!("EPRT |{family}|{}|5555|\r\n", stage.client.ip()));
    let (data, here, served) = (stage.at(stage.client, 5555), stage.at(stage.vip, 20), stage.at(stage.server, 20));
    assert_eq!(stage.one(LAN, &segment(served, data, SYN, [1, 0], "")).0, here);
    assert_eq!(stage.one(WAN, &segment(data, here, SYN | ACK, [7, 2], "")).1, served);
    assert_eq!(stage.one(LAN, &segment(served, data, ACK, [2, 8], "x")).0, here);
    assert_eq!(stage.lab.state(0).active(), 3);
    assert_eq!(stage.lab.connections().len(), 3);
}

#[test]
fn ports_that_nobody_serves_are_those_of_persistent_ftp() {
    let mut stage = Stage::new();
    let to =
        |port| segment(SocketAddr::new(client(2).into(), 4001), SocketAddr::new(VIP.into(), port), SYN, [1, 0], "");
    stage.arrives(WAN, &to(25_610));
    assert_eq!(stage.lab.count("answer_tcp_reset"), 1, "nobody can tell which server's");
    let key = *stage.lab.tables.services.keys().next().expect("a service");
    let persistent = Persistent { timeout: 30 << 10, mask4: u32::MAX, mask6: u128::MAX, engine: None };
    let manner = Manner { one_packet: false, persistent: Some(persistent) };
    stage.lab.manner(key, manner);
    assert_eq!(stage.one(WAN, &to(25_610)).1, SocketAddr::new(Ipv4Addr::new(10, 1, 0, 11).into(), 25_610));
    stage.arrives(WAN, &to(1023));
    assert_eq!(stage.lab.count("answer_tcp_reset"), 2, "privileged ports are no data's");
    stage.lab.list(key, Vec::clear);
    let other = segment(SocketAddr::new(client(3).into(), 4001), SocketAddr::new(VIP.into(), 25_610), SYN, [1, 0], "");
    stage.arrives(WAN, &other);
    assert_eq!((stage.lab.count("answer_tcp_reset"), stage.lab.count("answer_no_server")), (3, 0));
}

//! A story that moves every counter there is, and says of each packet exactly which ones it moves.

mod routing;

use dataplane::flow::Protocol;
use dataplane::mailbox::Command;
use dataplane::mark::Marks;
use dataplane::method::ForwardMethod::{Dr, Nat, Tun};
use dataplane::parking::MAX_PARKED_PER_HOP;
use dataplane::port::PacketBuf;
use dataplane::port::mem::MemBuf;
use dataplane::sched::Scheduler::Rr;
use dataplane::service::{Engine, Listener, Manner, Persistent};
use dataplane::template::Templates;
use dataplane::wire::ethernet::{self, BROADCAST, MacAddr};
use dataplane::wire::ndisc::ALL_NODES;
use dataplane::wire::put;
use dataplane::wire::tcp::{ACK, RST, SYN};
use dataplane::wire::vlan::tagged;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::discovery;
use crate::frames::{Body, DIRECTOR, Packet, arp, error, ether, packet, patched, pieces};
use crate::ftp::{segment, wide_link_to};
use crate::full;
use crate::lab::{FAR6, LAN, Lab, NONE, OTHER_VIP, SECOND, THIN, VIP, VIP6, WAN, client, client6, server};
use crate::marks::{REMOTE, by_mark, to};
use crate::options;

/// Counters that nothing moves here, with the reason. With several workers, `handoff.rs` moves them.
const UNMOVED: [(&str, &str); 8] = [
    ("taken", "one worker"),
    ("signposts_lost", "one worker"),
    ("handoff_landing", "one worker"),
    ("handoff_signpost", "one worker"),
    ("handoff_transmit", "one worker"),
    ("drop_handoff_full", "one worker"),
    ("drop_signpost_full", "one worker"),
    ("drop_signpost_stale", "one worker"),
];

const DF: u16 = 0x4000;
/// The director's address on the servers' link.
const OWN: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 254);

/// The lab and what has moved in it.
pub(crate) struct Story {
    pub(crate) lab: Lab,
    moved: BTreeSet<&'static str>,
}

impl Story {
    fn new() -> Self {
        let mut lab = Lab::new(3);
        lab.know_servers(11..=12);
        lab.service(Protocol::Tcp, VIP, 80, Rr, &[(server(11), 80, Nat, 1)]);
        lab.service(Protocol::Tcp, OTHER_VIP, 80, Rr, &[(server(12), 0, Dr, 1)]);
        lab.service(Protocol::Tcp, VIP, 81, Rr, NONE);
        lab.service(Protocol::Tcp, OTHER_VIP, 81, Rr, &[(server(12), 81, Tun, 1)]);
        lab.service(Protocol::Tcp, VIP6, 81, Rr, &[(FAR6, 81, Tun, 1)]);
        lab.turn();
        Self { lab, moved: BTreeSet::new() }
    }

    /// Exactly these counters move, by so much, when something happens.
    pub(crate) fn moves(&mut self, expected: &[(&'static str, i64)], what: &str, happens: impl FnOnce(&mut Lab)) {
        let moved = self.lab.moved(happens);
        assert_eq!(moved, expected, "{what}");
        self.moved.extend(moved.iter().map(|(name, _)| *name));
    }

    /// A frame by the client's port is received and moves these too.
    pub(crate) fn frame(&mut self, what: &str, frame: &[u8], expected: &[&'static str]) {
        self.frame_by(WAN, what, frame, expected);
    }

    fn frame_by(&mut self, port: u16, what: &str, frame: &[u8], expected: &[&'static str]) {
        let expected: Vec<_> = ["received"].iter().chain(expected).map(|name| (*name, 1)).collect();
        self.moves(&expected, what, |lab| lab.feed(port, frame));
    }
}

fn syn(vip: Ipv4Addr, sport: u16, port: u16) -> Packet {
    packet(client(2), vip, Body::Tcp(sport, port, SYN, 0))
}

/// Any datagram to somebody.
pub(crate) fn datagram(to: impl Into<IpAddr>) -> Packet {
    packet(client(2), to, Body::Udp(5000, 9, 10))
}

/// A frame with its last byte changed.
fn bent(packet: &Packet) -> Vec<u8> {
    let mut frame = packet.frame();
    *frame.last_mut().expect("a byte") ^= 1;
    frame
}

fn balanced(story: &mut Story) {
    let made = ["connections_made", "forward_nat_request"];
    story.frame("a SYN to a NAT service", &syn(VIP, 1, 80).frame(), &made);
    let answer = packet(server(11), client(2), Body::Tcp(80, 1, SYN | ACK, 0));
    story.frame_by(LAN, "its answer", &answer.frame(), &["forward_nat_reply"]);
    let quoted = |src: Ipv4Addr, dst: Ipv4Addr, ports: (u16, u16)| {
        packet(src, dst, Body::Tcp(ports.0, ports.1, ACK, 0)).frame()[14..].to_vec()
    };
    let about_reply = error(client(2), VIP, (3, 3, 0), &quoted(VIP, client(2), (80, 1)));
    story.frame("an error about that answer", &about_reply, &["forward_icmp_request"]);
    let about_request = error(server(11), client(2), (3, 3, 0), &quoted(client(2), server(11), (1, 80)));
    story.frame_by(LAN, "an error about the SYN", &about_request, &["forward_icmp_reply"]);
    story.frame("one to a DR service", &syn(OTHER_VIP, 1, 80).frame(), &["connections_made", "forward_dr"]);
    story.frame("one to a service without servers", &syn(VIP, 1, 81).frame(), &["answer_no_server", "sent_icmp_error"]);
    story.frame("the third and last connection", &syn(VIP, 2, 80).frame(), &made);
    story.frame("one too many", &syn(VIP, 3, 80).frame(), &["drop_connections_full"]);
    displaced(story);
    story.lab.state(0).available.store(false, Relaxed);
    story.frame("a packet to a removed server", &syn(VIP, 3, 80).frame(), &["drop_server_gone"]);
    story.lab.state(0).available.store(true, Relaxed);
    story.moves(&[("connections_ended", 3)], "time", |lab| lab.pass(901 * SECOND));
}

/// Two half-open connections make room for a new one, and it and another fill the table again.
fn displaced(story: &mut Story) {
    let defend = |lab: &mut Lab, value: &str| {
        std::sync::Arc::make_mut(&mut lab.tables.sysctls).set("drop_entry", value).expect("it takes that value");
        lab.publish();
        lab.turn();
    };
    defend(&mut story.lab, "1");
    let displaces =
        [("received", 1), ("connections_made", 1), ("connections_ended", 2), ("connections_dropped_early", 2)];
    let happens = |lab: &mut Lab| lab.feed(WAN, &syn(VIP, 3, 80).frame());
    story.moves(&[&displaces[..], &[("forward_nat_request", 1)]].concat(), "one that displaces others", happens);
    defend(&mut story.lab, "0");
    story.frame("one that fits", &syn(VIP, 4, 80).frame(), &["connections_made", "forward_nat_request"]);
}

fn said(story: &mut Story) {
    let persistent = Persistent { timeout: 1 << 10, mask4: u32::MAX, mask6: u128::MAX, engine: Some(Engine::Sip) };
    let calls = story.lab.service(Protocol::Udp, VIP, 5060, Rr, &[(server(11), 5060, Nat, 1)]);
    story.lab.manner(calls, Manner { one_packet: false, persistent: Some(persistent) });
    let noise = packet(client(2), VIP, Body::Udp(5000, 5060, 10));
    story.frame("no message of SIP", &noise.frame(), &["drop_no_call_id"]);
    story.lab.service(Protocol::Tcp, VIP, 21, Rr, &[(server(11), 21, Nat, 1)]);
    story.lab.publish();
    wide_link_to(&mut story.lab, 20);
    let (client, vip) = (SocketAddr::new(client(20).into(), 4000), SocketAddr::new(VIP.into(), 21));
    let server = SocketAddr::new(server(11).into(), 21);
    let made = ["connections_made", "forward_nat_request"];
    story.frame("FTP opens", &segment(client, vip, SYN, [1, 0], ""), &made);
    story.frame_by(LAN, "and is open", &segment(server, client, SYN | ACK, [1, 2], ""), &["forward_nat_reply"]);
    story.frame("it will be passive", &segment(client, vip, ACK, [2, 2], "PASV\r\n"), &["forward_nat_request"]);
    let answer = format!("227 (10,1,0,11,4,5).{}\r\n", " ".repeat(9728 - 54 - 22));
    story.frame_by(LAN, "no room", &segment(server, client, ACK, [2, 8], &answer), &["drop_no_tailroom"]);
    let forwarded = ["announcements_refused", "forward_nat_request"];
    story.frame("a third party", &segment(client, vip, ACK, [2, 2], "PORT 172,16,0,3,4,5\r\n"), &forwarded);
    let many = [("received", 16), ("announcements_evicted", 1), ("forward_nat_request", 16)];
    story.moves(&many, "one announcement too many", |lab| {
        let ports = (0..16).map(|port| format!("PORT 172,16,0,20,200,{port}\r\n"));
        ports.for_each(|text| lab.feed(WAN, &segment(client, vip, ACK, [2, 2], &text)));
    });
    story.moves(&[("connections_ended", 1)], "time", |lab| (0..3).for_each(|_| lab.pass(901 * SECOND)));
}

/// Each packet is a client's first and last, so that no connection is in the way.
fn together(story: &mut Story) {
    let lab = std::mem::replace(&mut story.lab, Lab::with_templates(10_000, Templates::shards()));
    story.lab.know_servers(11..=11);
    let persistent = Persistent { timeout: 1 << 10, mask4: u32::MAX, mask6: u128::MAX, engine: None };
    let key = story.lab.service(Protocol::Udp, VIP, 54, Rr, &[(server(11), 54, Nat, 1)]);
    story.lab.manner(key, Manner { one_packet: true, persistent: Some(persistent) });
    let from = |n: u32| packet(Ipv4Addr::from_bits(0x2d00_0000 + n), VIP, Body::Udp(4000, 54, 4)).frame();
    (0..2000).for_each(|n| story.lab.feed(WAN, &from(n)));
    let moved = ["connections_made", "connections_ended", "templates_evicted", "forward_nat_request"];
    story.frame("a client more than templates", &from(2000), &moved);
    story.lab = lab;
}

fn marked(story: &mut Story) {
    story.lab.service_by(by_mark(7), Rr, NONE);
    story.lab.tables.marks = Marks::new(vec![to(REMOTE, 7, true)]);
    let sysctls = Arc::make_mut(&mut story.lab.tables.sysctls);
    sysctls.set("cache_bypass", "1").expect("a value that it takes");
    story.lab.publish();
    story.frame("one past a service by mark", &syn(REMOTE, 1, 80).frame(), &["connections_made", "forward_bypass"]);
    story.moves(&[("connections_ended", 1)], "time", |lab| lab.pass(901 * SECOND));
}

/// A frame in a buffer that has 16 bytes in front of it.
fn tight(frame: &[u8]) -> MemBuf {
    let mut buffer = MemBuf::empty();
    assert!(buffer.prepend(112) && buffer.set_len(frame.len()));
    buffer.data_mut().copy_from_slice(frame);
    buffer
}

fn tunnelled(story: &mut Story) {
    let frame = syn(OTHER_VIP, 1, 81).frame();
    story.frame("one to a TUN service", &frame, &["connections_made", "forward_tun"]);
    let outer = packet(OWN, server(12), Body::Other(4, frame.len() - 14)).frame();
    let wrapped = [&outer[14..34], &frame[14..]].concat();
    let told = ["answer_tunnel_error", "sent_icmp_error"];
    story.frame_by(LAN, "an error about it", &error(server(12), OWN, (3, 1, 0), &wrapped), &told);
    story.moves(&[("received", 1), ("drop_no_headroom", 1)], "no room for the tunnel's header", |lab| {
        lab.worker.ports_mut()[usize::from(WAN)].rx.push_back(tight(&frame));
        lab.turn();
    });
    let narrow = packet(client6(2), VIP6, Body::Tcp(4000, 81, SYN, 0)).frame();
    story.frame("one by a thin link", &narrow, &["connections_made", "drop_tunnel_too_narrow"]);
    story.moves(&[("connections_ended", 2)], "time", |lab| lab.pass(901 * SECOND));
}

fn in_pieces(story: &mut Story) {
    let cut = |id: u16| pieces(&packet(client(2), VIP, Body::Udp(1, 9, 100)).frame(), id, &[48, 48, 12]);
    let [a, b, c] = &cut(1)[..] else { panic!("three pieces") };
    story.frame("a piece", a, &["gathering"]);
    story.frame("the same", a, &["drop_fragment_duplicate"]);
    story.frame("another", b, &["gathering"]);
    let whole = [("received", 1), ("gathered", 3), ("reassembled", 1), ("gathering", -2)];
    let answered = [("answer_port_unreachable", 1), ("sent_icmp_error", 1)];
    story.moves(&[&whole[..], &answered].concat(), "the last", |lab| lab.feed(WAN, c));
    story.frame("a piece", a, &["gathering"]);
    let over = &pieces(&packet(client(2), VIP, Body::Udp(1, 9, 100)).frame(), 1, &[40, 16])[1];
    let lost = |reason| [("received", 1), ("gathering", -1), (reason, 2)];
    story.moves(&lost("drop_fragment_overlap"), "one over another", |lab| lab.feed(WAN, over));
    story.frame("a last piece", c, &["gathering"]);
    let last = &pieces(&packet(client(2), VIP, Body::Udp(1, 9, 108)).frame(), 1, &[48, 48, 20])[2];
    story.moves(&lost("drop_fragment_invalid"), "another last piece", |lab| lab.feed(WAN, last));
    let six = |sizes: &[usize]| pieces(&packet(client6(2), VIP6, Body::Udp(1, 9, 100)).frame(), 1, sizes)[0].clone();
    let mut far = six(&[48]);
    put(&mut far, 56, &[0xff, 0xf9]);
    story.frame("beyond all ends", &far, &["drop_fragment_oversize"]);
    story.frame("a length of 50", &six(&[50]), &["answer_parameter_problem", "sent_icmp_error"]);
    (0..64).for_each(|id| story.lab.feed(WAN, &cut(id)[0]));
    story.frame("one too many of a source", &cut(64)[0], &["drop_fragment_evicted"]);
    (0..64).for_each(|id| story.lab.feed(WAN, &cut(id + 1)[1]));
    let over =
        [("gathering", -128), ("answer_reassembly_time", 64), ("drop_fragment_timeout", 64), ("sent_icmp_error", 64)];
    story.moves(&over, "time", |lab| lab.pass(31 * SECOND));
    let tiny = pieces(&packet(client(2), VIP, Body::Udp(1, 9, 11_000)).frame(), 1, &[8; 1367]);
    (0..1366).for_each(|n| story.lab.feed(WAN, &tiny[n]));
    let ended = [("received", 1), ("gathering", -1366), ("drop_fragment_too_many", 1367)];
    story.moves(&ended, "one too many of a datagram", |lab| lab.feed(WAN, &tiny[1366]));
    story.lab.service(Protocol::Udp, VIP, 81, Rr, &[(server(12), 81, Dr, 1)]);
    let many = pieces(&packet(client(2), VIP, Body::Udp(1, 81, 40_000)).frame(), 1, &[64; 626]);
    story.moves(
        &[
            ("received", 626),
            ("gathered", 626),
            ("reassembled", 1),
            ("connections_made", 1),
            ("drop_needs_fragmenting", 1),
        ],
        "too many",
        |lab| {
            many.iter().for_each(|piece| lab.feed(WAN, piece));
        },
    );
    story.moves(&[("connections_ended", 1)], "time", |lab| lab.pass(901 * SECOND));
}

fn for_the_director(story: &mut Story) {
    let echo = packet(client(2), VIP, Body::Icmp(8));
    story.frame("ARP", &arp(), &["punt_arp"]);
    story.frame("the same of IPv6", &discovery::question(VIP6), &["punt_neighbor6"]);
    story.frame("a switch's question", &discovery::query([0; 16].into(), ALL_NODES, 1), &["punt_group_query"]);
    story.frame("one that a router passed on", &discovery::stale(VIP6), &["drop_invalid_discovery"]);
    story.frame("a router's advertisement", &discovery::router(), &["drop_router_discovery"]);
    story.frame("a ping", &echo.frame(), &["answer_echo", "sent_echo_reply"]);
    story.frame("a bent ping", &bent(&echo), &["drop_transport_checksum"]);
    story.frame("an echo reply", &packet(client(2), VIP, Body::Icmp(0)).frame(), &["drop_icmp"]);
    let stray = |flags| packet(client(2), VIP, Body::Tcp(9, 99, flags, 0)).frame();
    story.frame("a stray segment", &stray(ACK), &["answer_tcp_reset", "sent_tcp_reset"]);
    story.frame("a stray reset", &stray(RST), &["drop_stray_reset"]);
    story.frame("a stray datagram", &datagram(VIP).frame(), &["answer_port_unreachable", "sent_icmp_error"]);
    let data = packet(client(2), VIP, Body::Sctp(4000, 80, &[0, 0, 0, 4])).frame();
    story.frame("SCTP that nobody expects", &data, &["answer_sctp", "sent_sctp"]);
    let gre = packet(client(2), VIP, Body::Other(47, 8)).frame();
    story.frame("GRE", &gre, &["answer_protocol_unreachable", "sent_icmp_error"]);
    let unchecked = packet(client6(2), VIP6, Body::UdpBare(4000, 80, 4)).frame();
    story.frame("IPv6 without a checksum", &unchecked, &["drop_transport_checksum"]);
    limited(story);
}

/// Of each kind of answer one more than may be given at once.
fn limited(story: &mut Story) {
    story.lab.limit(1);
    let stray = packet(client(2), VIP, Body::Tcp(9, 99, ACK, 0)).frame();
    let large = packet(client(2), Ipv4Addr::new(10, 2, 0, 9), Body::Udp(1, 1, 800)).fragment(DF).frame();
    let kinds = [
        (packet(client(2), VIP, Body::Icmp(8)).frame(), ["answer_echo", "drop_echo_limited", "sent_echo_reply"]),
        (stray, ["answer_tcp_reset", "drop_reset_limited", "sent_tcp_reset"]),
        (datagram(VIP).frame(), ["answer_port_unreachable", "drop_icmp_limited", "sent_icmp_error"]),
        (large, ["answer_too_big", "drop_path_mtu_limited", "sent_icmp_error"]),
    ];
    for (frame, [answered, held_back, sent]) in kinds {
        let moved = [("received", 2), (answered, 1), (held_back, 1), (sent, 1)];
        story.moves(&moved, "one too many", |lab| {
            lab.pass(2 * SECOND);
            (0..2).for_each(|_| lab.inject(WAN, &frame));
            lab.turn();
        });
    }
    story.lab.limit(0);
}

/// Datagrams and a tagged one that the device takes whole, and a byte more than that: its end is lost.
fn cut(story: &mut Story) {
    let datagram = |bytes| packet(client(2), VIP, Body::Udp(5000, 9, bytes));
    let most = datagram(100).frame().len();
    let six = packet(client6(2), VIP6, Body::Udp(5000, 9, 81)).frame();
    let lie = patched(&datagram(50), 2, &[9, 9]);
    story.lab.worker.ports_mut()[usize::from(WAN)].cuts_at = Some(most);
    story.frame("a byte too long", &datagram(101).frame(), &["drop_cut_by_device"]);
    story.frame("the same of IPv6", &six, &["drop_cut_by_device"]);
    story.frame("a short frame that says to be longer", &lie, &["drop_malformed"]);
    story.frame("what just fits", &datagram(100).frame(), &["answer_port_unreachable", "sent_icmp_error"]);
    story.lab.worker.ports_mut()[usize::from(WAN)].cuts_at = None;
}

fn malformed(story: &mut Story) {
    let good = datagram(VIP);
    story.frame("a runt", &[0; 13], &["drop_runt"]);
    story.frame("to another MAC", &ether(MacAddr([2; 6]), ethernet::IPV4, &[0; 40]), &["drop_other_mac"]);
    story.frame("of a VLAN that nobody is on", &tagged(good.frame(), 5), &["drop_unknown_vlan"]);
    story.frame("with two tags", &tagged(tagged(good.frame(), 5), 6), &["drop_stacked_tags"]);
    story.frame("of another kind", &ether(DIRECTOR, 0x88cc, &[0; 40]), &["drop_ethertype"]);
    story.frame("IPv4 of version 5", &patched(&good, 0, &[0x55]), &["drop_malformed"]);
    cut(story);
    story.frame(
        "a bent header",
        &{ [&good.frame()[..22], &[1], &good.frame()[23..]].concat() },
        &["drop_header_checksum"],
    );
    story.frame("a broadcast", &ether(BROADCAST, ethernet::IPV4, &[0; 40]), &["drop_group"]);
    story.frame("from a loopback", &packet([127, 0, 0, 1], VIP, good.body).frame(), &["drop_martian"]);
    story.frame("half a UDP header", &packet(client(2), VIP, Body::Other(17, 4)).frame(), &["drop_transport"]);
}

fn defended(story: &mut Story) {
    let sysctls = |lab: &mut Lab, value: &str| {
        let set = Arc::make_mut(&mut lab.tables.sysctls).set("drop_packet", value);
        set.expect("it takes that value");
        lab.publish();
        lab.turn();
    };
    sysctls(&mut story.lab, "3");
    story.frame("under defence", &syn(OTHER_VIP, 4999, 80).frame(), &["drop_defence"]);
    sysctls(&mut story.lab, "0");
}

fn orphaned(story: &mut Story) {
    let listener = Listener { address: server(11).into(), port: 80, protocol: Some(Protocol::Tcp) };
    story.lab.tables.listeners.insert(listener, ());
    let set = Arc::make_mut(&mut story.lab.tables.sysctls).set("nat_icmp_send", "1");
    set.expect("it takes that value");
    story.lab.publish();
    story.lab.turn();
    let stray = |flags| packet(server(11), client(2), Body::Tcp(80, 9, flags, 0)).frame();
    let told = ["answer_no_connection", "sent_icmp_error"];
    story.frame_by(LAN, "a server's segment of no connection", &stray(ACK), &told);
    story.frame_by(LAN, "its reset", &stray(RST), &["forward_routed"]);
}

fn waiting(story: &mut Story) {
    let room = MAX_PARKED_PER_HOP as i64;
    story.moves(&[("received", room), ("parked", room)], "for an unknown server", |lab| {
        (0..room).for_each(|_| lab.feed(WAN, &datagram(server(13)).frame()));
    });
    story.frame("one more displaces the oldest", &datagram(server(13)).frame(), &["drop_park_full"]);
    let failed = [("parked", -room), ("answer_host_unreachable", room), ("sent_icmp_error", room)];
    story.moves(&failed, "nobody there", |lab| {
        let command = Command::NeighborFailed { interface: LAN, address: server(13).into() };
        lab.link.commands.push(command).expect("room for a command");
        lab.turn();
    });
}

fn queues(story: &mut Story) {
    story.lab.reports();
    while !story.lab.link.reports.is_full() {
        story.lab.feed(WAN, &arp());
    }
    story.frame("ARP that control has no room for", &arp(), &["drop_punt_full"]);
    let send = |port| Command::Send { port, frame: vec![0; 60] };
    story.moves(&[("sent_control", 1), ("sent_lost", 1)], "frames of control, one by no port", |lab| {
        [WAN, 9].map(send).into_iter().for_each(|command| lab.link.commands.push(command).expect("room for a command"));
        lab.turn();
    });
    story.lab.worker.ports_mut()[usize::from(THIN)].tx_limit = Some(0);
    let host = Ipv4Addr::new(10, 2, 0, 9);
    (0..512).for_each(|_| story.lab.feed(WAN, &datagram(host).frame()));
    story.frame("to a device that takes no more", &datagram(host).frame(), &["drop_transmit_full"]);
    // An ICMP error that ran out of time is not answered with another one.
    let error = packet(client(2), server(11), Body::Icmp(3)).ttl(1);
    story.frame("what may not be answered", &error.frame(), &["drop_unanswerable"]);
    story.lab.worker.ports_mut()[usize::from(WAN)].exhausted = true;
    story.frame("no buffer for the answer", &datagram(server(11)).ttl(1).frame(), &["drop_no_buffer"]);
}

#[test]
fn every_counter_is_moved_by_something() {
    let mut story = Story::new();
    [
        balanced,
        marked,
        tunnelled,
        in_pieces,
        for_the_director,
        routing::for_others,
        routing::unwrapped,
        malformed,
        options::counted,
        defended,
        orphaned,
        waiting,
        queues,
        said,
        together,
        full::of_ftp,
        full::of_templates,
    ]
    .iter()
    .for_each(|part| part(&mut story));
    let names = story.lab.link.counters.read().into_iter().map(|(name, _)| name);
    let unmoved: Vec<_> = names.filter(|name| !story.moved.contains(name)).collect();
    assert_eq!(unmoved, UNMOVED.map(|(name, _)| name), "move it in the story, or say why nothing does");
}

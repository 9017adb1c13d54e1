//! Watches over a director and a worker turned by hand.

use dataplane::conn::ConnMemory;
use dataplane::handoff::Mesh;
use dataplane::port::mem::MemPort;
use dataplane::steering::Station;
use dataplane::wire::ethernet::{self, Header, MacAddr};
use dataplane::wire::{arp, ipv4, put};
use dataplane::worker::{Parts, Worker};

use super::*;
use crate::api::{Observe, PacketInfo, WatchEnd};
use crate::director::{Director, lab};

const CONFIG: &str = r#"
schema = 1
[dataplane]
workers = [1]
[[interface]]
name = "wan"
device = "tap:wan"
addresses = ["10.0.0.1/24"]
[[interface]]
name = "lan"
device = "tap:lan"
addresses = ["10.1.0.1/24"]
[[neighbor]]
address = "10.1.0.11"
interface = "lan"
mac = "02:00:00:00:00:11"
[[neighbor]]
address = "10.0.0.9"
interface = "wan"
mac = "02:00:00:00:00:09"
[[service]]
protocol = "tcp"
address = "10.0.0.100:80"
scheduler = "rr"
[[service.server]]
address = "10.1.0.11:8080"
forward = "nat"
[[service]]
protocol = "tcp"
address = "10.0.0.100:81"
scheduler = "wlc"
[[service.server]]
address = "10.1.0.12:8080"
forward = "nat"
[[service]]
protocol = "tcp"
address = "10.0.0.100:82"
scheduler = "rr"
persistence = 300
[[service.server]]
address = "10.1.0.11:8080"
forward = "nat"
[[service]]
protocol = "udp"
address = "10.0.0.100:53"
scheduler = "rr"
ops = true
[[service.server]]
address = "10.1.0.11:53"
forward = "nat"
"#;

const MACS: [MacAddr; 2] = [MacAddr([2, 0, 0, 0, 1, 0]), MacAddr([2, 0, 0, 0, 1, 1])];

struct Lab {
    director: Director,
    worker: Worker<MemPort>,
    now: Nanos,
}

impl Lab {
    fn new() -> Self {
        let now = Nanos(100 * SECOND);
        let (director, mut seats) = lab::start(CONFIG, now);
        let seat = seats.remove(0);
        let parts = Parts {
            ports: vec![MemPort::default(), MemPort::default()],
            memory: ConnMemory::new(100, false),
            seeds: seat.seeds,
            reader: seat.reader,
            servers: seat.servers,
            templates: seat.templates,
            expected: seat.expected,
            link: seat.link,
            station: Station::alone(),
            mesh: Mesh::alone(),
        };
        let mut lab = Self { director, worker: Worker::new(parts, now), now };
        lab.turn(0);
        lab
    }

    fn turn(&mut self, nanoseconds: u64) {
        self.now.0 += nanoseconds;
        for _ in 0..3 {
            self.worker.turn(self.now);
            self.director.turn(self.now);
        }
    }

    fn ask(&mut self, request: Observe) -> Result<Answer, ApiError> {
        let Self { director, worker, now } = self;
        let answer = director.handle(request.into(), *now, &mut || worker.turn(*now) < 1000);
        self.turn(0);
        answer
    }

    fn trace(&mut self, filter: &str, count: u64) -> Result<WatchInfo, ApiError> {
        let request = Observe::TraceStart { filter: filter.to_owned(), count: Some(count), seconds: Some(20) };
        self.start(request)
    }

    fn start(&mut self, request: Observe) -> Result<WatchInfo, ApiError> {
        self.ask(request).map(|answer| match answer {
            Answer::Watching(info) => info,
            other => panic!("{other:?}"),
        })
    }

    fn next(&mut self, watch: u64) -> WatchPage {
        match self.ask(Observe::WatchNext { watch }) {
            Ok(Answer::Watched(page)) => *page,
            other => panic!("{other:?}"),
        }
    }

    fn feed(&mut self, port: usize, frame: &[u8]) {
        self.worker.ports_mut()[port].inject(frame);
        self.turn(0);
    }
}

/// A TCP segment from client 10.0.0.9, port 4000, to the virtual address.
fn segment(port: u16, flags: u8) -> Vec<u8> {
    tcp((0x0a00_0009, 4000), (0x0a00_0064, port), flags, MACS[0])
}

fn tcp(from: (u32, u16), to: (u32, u16), flags: u8, mac: MacAddr) -> Vec<u8> {
    let header = Header { dst: mac, src: MacAddr([2; 6]), ethertype: ethernet::IPV4 };
    let ip = ipv4::Build { tos: 0, payload: 20, id: 1, df: true, ttl: 64, protocol: 6, src: from.0, dst: to.0 };
    let mut segment = [0; 20];
    put(&mut segment, 0, &from.1.to_be_bytes());
    put(&mut segment, 2, &to.1.to_be_bytes());
    put(&mut segment, 12, &[0x50, flags]);
    [&header.bytes()[..], &ip.bytes(), &segment].concat()
}

fn stages(packet: &PacketInfo) -> Vec<String> {
    packet.stages.iter().map(|stage| format!("{}: {}", stage.stage, stage.text)).collect()
}

#[test]
fn a_trace_tells_of_a_connection_in_words() {
    let mut lab = Lab::new();
    let watch = lab.trace("tcp port 4000", 3).unwrap();
    assert_eq!((watch.now, watch.count, watch.seconds), (lab.now.0, 3, 20));
    lab.feed(0, &segment(80, 2));
    lab.feed(1, &tcp((0x0a01_000b, 8080), (0x0a00_0009, 4000), 0x12, MACS[1]));
    let page = lab.next(watch.watch);
    assert_eq!((page.seen, page.lost, page.over, page.packets.len()), (2, 0, None, 2));
    let [first, reply] = &page.packets[..] else { panic!("two packets") };
    assert_eq!(first.packet, "TCP 10.0.0.9:4000 > 10.0.0.100:80 SYN");
    assert_eq!((first.interface.as_deref(), first.verdict.as_str()), (Some("wan"), "forward_nat_request"));
    assert_eq!(
        stages(first),
        [
            "parse: IPv4, 40 bytes, time to live 64",
            "lookup: no entry",
            "decide: new connection to service TCP 10.0.0.100:80: rr chose 10.1.0.11:8080 (usable servers: \
             1 of 1); NONE -> SYN_RECV, inactive -> active (its server has 1 active, 0 inactive); idle timeout 60 s",
            "rewrite: nat: destination 10.0.0.100:80 -> 10.1.0.11:8080, time to live 64 -> 63",
            "resolve: next hop 10.1.0.11 on lan; sent by lan to 02:00:00:00:00:11, 54 bytes",
            "verdict: forward_nat_request: Client to server, destination rewritten.",
        ]
    );
    let said = stages(reply);
    assert_eq!((reply.interface.as_deref(), reply.verdict.as_str()), (Some("lan"), "forward_nat_reply"));
    assert!(
        said[2].starts_with("decide: connection found by its reply key: client 10.0.0.9:4000, virtual"),
        "{said:?}"
    );
    assert!(said[3].starts_with("rewrite: nat: source 10.1.0.11:8080 -> 10.0.0.100:80"), "{said:?}");
    lab.feed(0, &segment(80, 16));
    let page = lab.next(watch.watch);
    assert_eq!((page.packets.len(), page.over), (1, Some(WatchEnd::Count)));
    let said = stages(&page.packets[0]);
    assert!(said[2].contains("request key") && said[2].contains("SYN_RECV -> ESTABLISHED, active"), "{said:?}");
    assert!(said[4].contains("from the cache of the connection"), "{said:?}");
    let gone = lab.ask(Observe::WatchNext { watch: watch.watch }).unwrap_err();
    assert_eq!(gone.code, Code::NoEntry);
}

#[test]
fn a_trace_tells_of_templates_and_of_connections_of_one_packet() {
    let mut lab = Lab::new();
    let watch = lab.trace("", 2).unwrap().watch;
    lab.feed(0, &segment(82, 2));
    let mut datagram = segment(53, 0)[..ethernet::HEADER + 28].to_vec();
    put(&mut datagram, ethernet::HEADER + 2, &[0, 28]);
    datagram[ethernet::HEADER + 9] = 17;
    put(&mut datagram, ethernet::HEADER + 10, &[0, 0]);
    let sum = dataplane::wire::checksum::of(&datagram[ethernet::HEADER..ethernet::HEADER + 20]);
    put(&mut datagram, ethernet::HEADER + 10, &sum.to_be_bytes());
    put(&mut datagram, ethernet::HEADER + 24, &[0, 8, 0, 0]);
    lab.feed(0, &datagram);
    let page = lab.next(watch);
    let [persistent, single] = &page.packets[..] else { panic!("{page:?}") };
    let said = &stages(persistent)[2];
    let wanted = "decide: new connection to service TCP 10.0.0.100:82: 10.1.0.11:8080 by the client's persistence \
                  template, or by rr if the template is new (usable servers: 1 of 1); NONE -> SYN_RECV";
    assert!(said.starts_with(wanted), "{said}");
    let said = stages(single);
    assert!(
        said[2].starts_with("decide: new connection to service UDP 10.0.0.100:53: rr chose 10.1.0.11:53"),
        "{said:?}"
    );
    assert!(said[3].starts_with("rewrite: nat: destination 10.0.0.100:53 -> 10.1.0.11:53"), "{said:?}");
    assert_eq!(single.verdict, "forward_nat_request");
}

#[test]
fn a_trace_tells_who_waits_who_is_answered_and_who_is_malformed() {
    let mut lab = Lab::new();
    let watch = lab.trace("", 100).unwrap().watch;
    lab.feed(0, &segment(81, 2));
    let page = lab.next(watch);
    let said = stages(&page.packets[0]);
    assert_eq!(page.packets[0].verdict, "parked");
    assert_eq!(said[3], "resolve: 10.1.0.12 on lan is not known yet");
    let answer = arp::Packet {
        operation: arp::Operation::Reply,
        sender_mac: MacAddr([2, 0, 0, 0, 0, 0x12]),
        sender: [10, 1, 0, 12].into(),
        target_mac: MACS[1],
        target: [10, 1, 0, 1].into(),
    };
    lab.now.0 += SECOND / 2;
    lab.feed(1, &answer.frame(MACS[1]));
    let page = lab.next(watch);
    let released = page.packets.iter().find(|packet| packet.interface.is_none()).expect("it is released");
    assert_eq!(released.packet, "TCP 10.0.0.9:4000 > 10.0.0.100:81 SYN");
    assert_eq!(stages(released)[0], "released: waited 0.50 s for 10.1.0.12 on lan");
    assert_eq!(released.verdict, "forward_nat_request");

    lab.feed(0, &tcp((0x0a00_0009, 4000), (0x0a00_0001, 99), 2, MACS[0]));
    let mut bent = segment(80, 2);
    bent[ethernet::HEADER + 8] = 9;
    lab.feed(0, &bent);
    let page = lab.next(watch);
    let [unwanted, bent] = &page.packets[..] else { panic!("{page:?}") };
    assert_eq!(unwanted.verdict, "drop_transport_checksum", "it has none, and nobody answers what may be damaged");
    assert_eq!(stages(unwanted)[2], "decide: no connection, no service; drop_transport_checksum");
    assert_eq!(stages(bent)[0], "parse: drop_header_checksum: it ends here");
    assert_eq!(bent.verdict, "drop_header_checksum");
    assert_eq!(lab.ask(Observe::WatchStop { watch }), Ok(Answer::Done));
    assert_eq!(lab.next(watch).over, Some(WatchEnd::Stopped));
}

#[test]
fn a_capture_has_both_forms_of_a_packet() {
    let mut lab = Lab::new();
    let (filter, count, seconds) = ("dst port 80 and interface wan".to_owned(), None, None);
    let watch = lab.start(Observe::CaptureStart { filter, count, seconds, snaplen: Some(38) }).unwrap();
    assert_eq!((watch.interfaces, watch.count, watch.seconds), (vec!["wan".into(), "lan".into()], 100_000, 30));
    let frame = segment(80, 2);
    lab.feed(0, &frame);
    let sent = lab.worker.ports_mut()[1].drain().pop().expect("it was sent");
    let page = lab.next(watch.watch);
    let seen: Vec<_> =
        page.frames.iter().map(|f| (f.interface.as_str(), f.direction, f.length, f.bytes.clone())).collect();
    let digits = |frame: &[u8]| frame[..38].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let expected = [("wan", Direction::In, 54, digits(&frame)), ("lan", Direction::Out, 54, digits(&sent))];
    assert_eq!(seen, expected);
    lab.turn(30 * SECOND);
    assert!(matches!(lab.ask(Observe::WatchNext { watch: watch.watch }), Err(error) if error.code == Code::NoEntry));
}

#[test]
fn a_watch_ends_with_its_time_and_when_nobody_asks() {
    let mut lab = Lab::new();
    let watch = lab.trace("", 5).unwrap().watch;
    for _ in 0..19 {
        lab.turn(SECOND);
        assert_eq!(lab.next(watch).over, None);
    }
    lab.turn(SECOND);
    assert_eq!(lab.next(watch).over, Some(WatchEnd::Time));
    let watch = lab.trace("", 5).unwrap().watch;
    lab.turn(16 * SECOND);
    lab.turn(0);
    assert!(!lab.worker.is_observed(), "nobody looks for whom is gone");
    assert!(lab.ask(Observe::WatchNext { watch }).is_err());
}

#[test]
fn bounds_and_wrong_words_are_refused() {
    let mut lab = Lab::new();
    let place = |answer: Result<WatchInfo, ApiError>| answer.map_err(|error| (error.code, error.place)).unwrap_err();
    assert_eq!(place(lab.trace("tpc", 1)), (Code::Invalid, "filter".to_owned()));
    assert_eq!(place(lab.trace("", 0)), (Code::Invalid, "count".to_owned()));
    assert_eq!(place(lab.trace("", 100_001)), (Code::Invalid, "count".to_owned()));
    let long = Observe::TraceStart { filter: String::new(), count: None, seconds: Some(3601) };
    assert_eq!(place(lab.start(long)), (Code::Invalid, "seconds".to_owned()));
    let watches: Vec<u64> = (0..MAX_WATCHES).map(|_| lab.trace("", 1).unwrap().watch).collect();
    assert_eq!(place(lab.trace("", 1)).0, Code::Full);
    lab.feed(0, &segment(80, 2));
    assert!(watches.iter().all(|watch| lab.next(*watch).over == Some(WatchEnd::Count)), "each sees the packet");
    assert!(lab.trace("", 1).is_ok(), "and there is room again");
}

#[test]
fn a_long_story_is_told_page_by_page_and_what_is_lost_is_counted() {
    let mut lab = Lab::new();
    let watch = lab.trace("", 100_000).unwrap().watch;
    let over = 100;
    for _ in 0..dataplane::trace::TRAY_RECORDS + over {
        lab.worker.ports_mut()[0].inject(&segment(80, 2));
    }
    while lab.worker.turn(lab.now) > 0 {}
    let pages: Vec<usize> = (0..9).map(|_| lab.next(watch).packets.len()).collect();
    assert_eq!(pages, [&[PAGE_RECORDS; 8][..], &[0]].concat());
    let last = lab.next(watch);
    assert_eq!((last.seen, last.lost), ((dataplane::trace::TRAY_RECORDS + over) as u64, over as u64));
}

//! Statistics in strict parity, step by step as a kernel told them (Linux 6.1.176, ipvsadm 1.31).

use dataplane::clock::Nanos;
use dataplane::flow::Direction;

use super::{Director, WorkerSeat, lab};
use crate::api::{Answer, Edit, ServiceInfo};
use crate::ipvsadm::names::Names;
use crate::ipvsadm::rules;

const SERVICE: &str = "-A -u 10.0.0.100:53 -s rr";
const SERVER: &str = "-a -u 10.0.0.100:53 -r 10.1.0.11:53 -m";
/// Bytes of the datagrams.
const BYTES: usize = 29;

/// A director without workers that turn: what they would count is counted by hand.
struct Story {
    director: Director,
    seat: WorkerSeat,
    now: u64,
}

impl Story {
    fn new() -> Self {
        let text = "schema = 1\n[dataplane]\nworkers = [3]\n[ipvs]\nstrict_parity = true\n[[interface]]\n\
                    name = \"wan\"\ndevice = \"tap:wan\"\naddresses = [\"10.0.0.1/24\"]\n";
        let (director, mut seats) = lab::start(text, Nanos(0));
        let mut story = Self { director, seat: seats.pop().expect("a worker"), now: 0 };
        story.ipvsadm(&[SERVICE, SERVER]);
        story
    }

    fn ipvsadm(&mut self, lines: &[&str]) {
        let changes = rules::read(&lines.join("\n"), "test", &Names::from_text("", "")).expect("good lines");
        for (_, edit) in changes {
            self.director.edit(edit, &mut || true).expect("it is done");
        }
    }

    fn sysctl(&mut self, value: &str) {
        let edit = Edit::SetSysctl { name: "run_estimation".to_owned(), value: value.to_owned() };
        self.director.apply(edit, true, &mut || false).expect("it takes that value");
    }

    /// A datagram for the only server there has ever been.
    fn datagram(&mut self) {
        self.seat.link.totals.get(0).expect("its slot").packet(Direction::Request, BYTES);
    }

    fn sleep(&mut self, milliseconds: u64) {
        for _ in 0..milliseconds / 20 {
            self.now += 20_000_000;
            self.director.turn(Nanos(self.now));
        }
    }

    fn service(&self) -> ServiceInfo {
        match self.director.list_services(None, None, None) {
            Ok(Answer::Services { mut services, .. }) => services.pop().expect("a service"),
            other => panic!("{other:?}"),
        }
    }

    /// Packets and bytes of the service and of its server, and the bytes per second.
    fn told(&self) -> [(u64, u64, u64); 2] {
        let service = self.service();
        let server = &service.servers[0];
        [(service.totals, service.rates), (server.totals, server.rates)]
            .map(|(totals, rates)| (totals.in_packets, totals.in_bytes, rates.in_bytes))
    }
}

#[test]
fn a_server_that_comes_back_keeps_its_statistics_in_the_same_service() {
    let mut story = Story::new();
    story.datagram();
    assert_eq!(story.told(), [(0, 0, 0); 2], "not yet estimated");
    story.sleep(2300);
    assert_eq!(story.told(), [(1, 29, 4); 2]);
    story.ipvsadm(&["-d -u 10.0.0.100:53 -r 10.1.0.11:53", SERVER]);
    assert_eq!(story.told(), [(1, 29, 4); 2]);
    story.datagram();
    story.ipvsadm(&["-D -u 10.0.0.100:53", SERVICE, SERVER]);
    assert_eq!(story.told(), [(0, 0, 0); 2], "another service");
    story.sleep(2300);
    assert_eq!(story.told(), [(0, 0, 0), (1, 29, 4)], "counted before, and estimated after it was zeroed");
}

#[test]
fn zeroing_takes_off_what_was_estimated() {
    let mut story = Story::new();
    story.sleep(2300);
    story.datagram();
    story.ipvsadm(&["-Z -u 10.0.0.100:53"]);
    assert_eq!(story.told(), [(0, 0, 0); 2]);
    story.sleep(2300);
    assert_eq!(story.told(), [(1, 29, 4); 2]);
}

#[test]
fn without_estimation_everything_stands_still() {
    let mut story = Story::new();
    story.datagram();
    story.sleep(2300);
    story.sysctl("0");
    story.datagram();
    story.sleep(4300);
    assert_eq!(story.told(), [(1, 29, 4); 2]);
    story.ipvsadm(&["-Z"]);
    assert_eq!(story.told(), [(0, 0, 0); 2]);
    story.sysctl("1");
    story.sleep(2300);
    assert_eq!(story.told().map(|(packets, bytes, _)| (packets, bytes)), [(1, 29); 2], "what came meanwhile");
}

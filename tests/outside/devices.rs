//! What each kind of device that a lab can have carries: datagrams of 100 to 60,000 bytes there and back, as UDP by NAT, as
//! echo requests to the director and past it. What docs/lab-devices.md says of each is what must be seen here. Whatever
//! does not come back is counted, with its reason.

use std::time::Duration;

use crate::config::{self, Shape};
use crate::lab::{Lab, Load};
use crate::pair::Joint;
use crate::process::until;
use crate::wire::Wire;

/// Bytes of the datagrams: around what fits one frame, what af_packet takes unless told, and the largest of applications.
const SIZES: [u32; 11] = [100, 1400, 1472, 1473, 2000, 4000, 8000, 9108, 9109, 20_000, 60_000];
/// Bytes of IPv4 and UDP, or ICMP, in front of them.
const HEADERS: u32 = 28;

/// Joins the director's taps, which are there while it runs, to the cables. The kernel's end gets another MAC: what is for
/// the MAC of a bridge's port goes no further.
fn bridge(lab: &Lab) {
    for (cable, tap, bridge) in [("wan", "tap0", "br0"), ("lan", "tap1", "br1")] {
        lab.ip("director", &["link", "set", tap, "address", "02:00:00:00:0f:01"]);
        lab.ip("director", &["link", "add", bridge, "type", "bridge", "mcast_snooping", "0"]);
        for port in [cable, tap] {
            lab.ip("director", &["link", "set", port, "master", bridge, "up"]);
        }
        lab.ip("director", &["link", "set", bridge, "up"]);
    }
}

/// Sends them through a lab whose devices carry packets of `most` bytes. What is larger has to be lost at one place, each
/// once, for the reason that is named.
fn carries(lab: &mut Lab, most: u32, reason: &str) {
    let service = config::service("udp", 7, "rr", &["10.1.0.11:7"]);
    lab.start_director(&service);
    if lab.devices[0].starts_with("tap:") {
        bridge(lab);
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/outside/sizes.py");
    let server = lab.start("rs1", "sizes", &["python3", script, "serve", "10.1.0.11", "7"]);
    until(Duration::from_secs(10), || server.said().contains("ready").then_some(())).expect("it is ready");
    let fits = |size: &u32| size + HEADERS <= most;
    let sizes: Vec<String> =
        SIZES.iter().map(|size| if fits(size) { size.to_string() } else { format!("-{size}") }).collect();
    let sizes: Vec<&str> = sizes.iter().map(String::as_str).collect();
    let answers = lab.run("client", &[&["python3", script, "ask", config::VIP, "7"], &sizes[..]].concat()).good().out;
    let expected = SIZES.iter().map(|size| format!("{size} {}\n", if fits(size) { "came" } else { "lost" }));
    assert_eq!(answers, expected.collect::<String>());
    for (address, size) in ["10.0.0.1", "10.1.0.11"].into_iter().flat_map(|to| SIZES.map(|size| (to, size))) {
        let patience = if fits(&size) { "10" } else { "1" };
        let bytes = size.to_string();
        let ran = lab.run("client", &["ping", "-c", "1", "-W", patience, "-s", &bytes, address]);
        assert_eq!(ran.code == Some(0), fits(&size), "{size} bytes to {address}: {}", ran.out);
    }
    let lost = 3 * SIZES.iter().filter(|size| !fits(size)).count();
    assert_eq!(lab.counter(reason), lost as u64, "{reason}");
    lab.assert_only_dropped(&[reason]);
}

#[test]
fn af_packet_carries_joined_datagrams_of_nine_kilobytes_and_counts_what_it_cuts() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    carries(&mut lab, 9136, "drop_cut_by_device");
    let said = lab.process("sluiced").said();
    assert_eq!(said.matches("framesz").count(), 1, "one warning says what would help: {said}");
}

#[test]
fn af_packet_carries_the_largest_datagrams_where_its_slots_are_large() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    lab.devices = ["wan", "lan"].map(|name| format!("af_packet:{name},framesz=64512,framecnt=256"));
    carries(&mut lab, 64_432, "drop_cut_by_device");
}

/// Frames that the director's wan got, by the driver: received, and lost for want of a slot.
fn got(lab: &Lab) -> [u64; 2] {
    let wan = lab.status().interfaces.remove(0);
    let counter = |name: &str| wan.counters.iter().find(|counter| counter.name == name).map(|counter| counter.value);
    ["rx_packets", "rx_missed"].map(|name| counter(name).unwrap_or_else(|| panic!("no {name}: {wan:?}")))
}

/// Frames that the kernel has delivered there.
fn delivered(lab: &Lab) -> u64 {
    let shown = lab.run("director", &["cat", "/sys/class/net/wan/statistics/rx_packets"]).good().out;
    shown.trim().parse().expect("a number")
}

#[test]
fn what_af_packet_has_no_slot_for_is_counted() {
    const SENT: u64 = 500;
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    lab.devices = ["wan", "lan"].map(|name| format!("af_packet:{name},framecnt=56"));
    lab.start_director("");
    lab.run("client", &["ping", "-c", "1", "-W", "10", "10.0.0.1"]).good();
    let (before, shown) = (delivered(&lab), got(&lab));
    assert_eq!(shown[1], 0, "nothing is missed");
    lab.process("sluiced").signal("STOP");
    let sends = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
                 for n in range(500): s.sendto(b'x', ('10.0.0.1', 9))";
    lab.run("client", &["python3", "-c", sends]).good();
    lab.process("sluiced").signal("CONT");
    let all = || {
        let [received, missed] = got(&lab);
        let came = delivered(&lab) - before;
        (came >= SENT && received - shown[0] + missed == came).then_some(missed)
    };
    let missed = until(Duration::from_secs(10), all).unwrap_or_else(|| panic!("{before} {shown:?}; {:?}", got(&lab)));
    // While it stood still there were 56 slots.
    assert!((SENT - 56..=SENT).contains(&missed), "{missed} of {SENT}");
}

#[test]
fn af_xdp_carries_fragments_as_they_are() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    lab.devices = ["wan", "lan"].map(|name| format!("af_xdp:{name}"));
    carries(&mut lab, u32::MAX, "drop_cut_by_device");
    // The driver keeps packets when it closes; nobody needs them any more.
    let director = lab.process("sluiced");
    director.signal("TERM");
    let said = director.wait_good(Duration::from_secs(10));
    assert!(said.contains("stopped") && !said.contains("WARN"), "{said}");
}

#[test]
fn tap_carries_fragments_as_they_are() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    lab.devices = [0, 1].map(|number| format!("tap:tap{number}"));
    carries(&mut lab, u32::MAX, "drop_cut_by_device");
}

/// By scripts and rings in memory: what arrives is looked at where it arrives.
fn carries_by(joint: Joint) {
    let Some(wire) = Wire::joined_by(joint, Load::Light, Shape::default()) else { return };
    let _stage = wire.play("sizes/every");
    wire.assert_nothing_dropped();
}

#[test]
fn vhost_carries_fragments_as_they_are() {
    carries_by(Joint::Vhost);
}

#[test]
fn memif_carries_fragments_as_they_are() {
    carries_by(Joint::Memif);
}

#[test]
fn af_packet_has_a_queue_for_each_worker_where_that_is_said_and_says_so_where_not() {
    for (options, hints) in [("", 2), (",qpairs=2", 0)] {
        let Some(mut lab) = Lab::new(Load::Heavy) else { return };
        lab.workers = config::workers(2);
        lab.devices = ["wan", "lan"].map(|name| format!("af_packet:{name}{options}"));
        (1..=3).for_each(|number| lab.start_web(number));
        lab.start_director(&config::service("tcp", 80, "rr", &config::WEB));
        assert_eq!(lab.process("sluiced").said().matches("write device = ").count(), hints);
        assert_eq!(lab.fetch(300, 20).into_values().collect::<Vec<_>>(), [100, 100, 100]);
        let received = lab.by_worker("received");
        assert_eq!(received[1] > 0, hints == 0, "the second queue is read: {received:?}");
        lab.assert_nothing_dropped();
    }
}

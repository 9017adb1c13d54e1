//! Several workers, turned by hand: devices of every kind, and packets that arrive on whatever worker chance names.
//! A crew that is fed one packet at a time does what one worker does.

use std::collections::BTreeMap;

use dataplane::clock::Nanos;
use dataplane::conn::HashKey;
use dataplane::steering::{DeviceCaps, Keys, Plan, PortCaps, Side, Station, Steering, plan};
use dataplane::trace::{Tray, Wanted};
use dataplane::wire::ethernet;
use dataplane::wire::vlan::Lan;
use proptest::prelude::*;

use crate::events::{Event, stream};
use crate::lab::{LAN, Lab, SECOND, THIN, WAN};
use crate::stream::{Player, populated};
use crate::vlan;

pub(crate) const KEYS: Keys = Keys { hash: HashKey([0x1357_9bdf, 0x2468_ace0]), toeplitz: [0x5b; 52] };

/// Devices by what matters here: receive and transmit queues, and whether they land packets by a hash that we set.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Device {
    /// One queue pair.
    Single,
    /// A queue pair for each worker, filled anyhow.
    Many,
    /// A queue pair for each worker, filled by the landing function.
    Hashing,
}

const DEVICES: [Device; 3] = [Device::Single, Device::Many, Device::Hashing];

/// The plan of a lab whose three ports are alike.
pub(crate) fn plan_of(device: Device, workers: u16, steering: Steering) -> Plan {
    const RSS: u64 = 0x3ffc | 0xf << 60;
    let caps = match device {
        Device::Single => DeviceCaps::new("net_af_packet", (1, 1), 0, 0, 0),
        Device::Many => DeviceCaps::new("net_memif", (256, 256), 0, 0, 0),
        Device::Hashing => DeviceCaps::new("mlx5_pci", (1024, 1024), RSS, 40, 512),
    };
    let sides = [("wan", Side::Client), ("lan", Side::Server), ("thin", Side::Server)];
    let ports = sides.map(|(name, side)| PortCaps { name: name.to_owned(), side, caps: caps.clone() });
    plan(&ports, workers, steering)
}

/// A crew with the plan's stations.
pub(crate) fn crew(plan: &Plan, capacity: u32) -> Lab {
    Lab::with_arms(capacity, PLAIN, plan.stations(&KEYS))
}

/// Arms without tags.
const PLAIN: [Lan; 3] = [Lan::untagged(WAN), Lan::untagged(LAN), Lan::untagged(THIN)];
/// Arms of which some are VLANs; on each port, those of one side.
const TAGGED: [Lan; 3] = [Lan::new(WAN, 100), Lan::untagged(LAN), Lan::new(LAN, 300)];

/// Turns everybody until nobody has anything left to do.
pub(crate) fn settle(lab: &mut Lab) {
    while lab.turn() > 0 {}
}

/// What anyone outside could see of a step, whoever did it: frames by arm, without tags, in no order, without what is different in
/// every worker (the identification of ICMP messages, of what the director wraps, and of IPv6 that it cuts).
fn seen(lab: &mut Lab, arms: [Lan; 3]) -> Vec<Vec<Vec<u8>>> {
    let drain = |port: u16| lab.crew_mut().flat_map(|worker| worker.ports_mut()[usize::from(port)].drain()).collect();
    let sent: [Vec<Vec<u8>>; 3] = [WAN, LAN, THIN].map(drain);
    let by_arm = |mut frames: Vec<Vec<u8>>| {
        frames.iter_mut().for_each(|frame| without_identification(frame));
        frames.sort();
        frames
    };
    vlan::by_arm(&sent, arms).map(by_arm).into()
}

fn without_identification(frame: &mut [u8]) {
    let own = |frame: &[u8]| frame[23] == 1 || frame[26..30] == [10, 1, 0, 254];
    if frame.len() > 34 && frame[12..14] == ethernet::IPV4.to_be_bytes() && own(frame) {
        [18, 19, 24, 25].into_iter().for_each(|at| frame[at] = 0);
    }
    if frame.len() > 62 && frame[12..14] == ethernet::IPV6.to_be_bytes() && frame[20] == 44 {
        frame[58..62].fill(0);
    }
}

/// By step, by port: frames.
type Steps = Vec<Vec<Vec<Vec<u8>>>>;

/// Plays a stream one step at a time; what was to be seen after each, and the ends of all packets.
fn play(
    lab: Lab,
    arms: [Lan; 3],
    events: &[Event],
    arrive_at: impl Fn(usize) -> usize,
) -> (Steps, BTreeMap<String, u64>) {
    let mut player = Player::of(populated(lab, 0), false, 1);
    let mut steps = Vec::new();
    for (at, event) in events.iter().enumerate() {
        match &event.on(arms) {
            Event::Frame(port, frame) => {
                let lab = &mut player.lab;
                let worker = lab.crew_mut().nth(arrive_at(at)).expect("there is such a worker");
                worker.ports_mut()[usize::from(*port)].inject(frame);
            }
            other => player.happen(other),
        }
        settle(&mut player.lab);
        steps.push(seen(&mut player.lab, arms));
    }
    let lab = &mut player.lab;
    lab.check_accounts();
    lab.check_counts();
    let ends = lab.counters().into_iter().filter(|(name, _)| !name.starts_with("handoff_") && *name != "taken");
    let ends = ends.map(|(name, value)| (name.to_owned(), value)).collect();
    (0..3).for_each(|_| lab.pass(3600 * SECOND));
    lab.check_counts();
    let left: Vec<_> = lab.crew().map(|w| (w.shard().table.len(), w.shard().table.signposts())).collect();
    assert!(left.iter().all(|left| *left == (0, 0)), "connections and signposts that stay for ever: {left:?}");
    (steps, ends)
}

proptest! {
    #[test]
    fn a_crew_does_what_one_worker_does(
        events in stream(),
        workers in 2u16..5,
        device in prop::sample::select(DEVICES.to_vec()),
        client_steering: bool,
        watched: bool,
        tagged: bool,
        chance: u64,
    ) {
        let steering = if client_steering { Steering::Client } else { Steering::Tuple };
        let plan = plan_of(device, workers, steering);
        let queues = u64::from(plan.ports[0].rx_queues);
        let arrive_at = |at: usize| ((chance ^ at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % queues;
        let events: Vec<_> = events.into_iter().filter(|event| !tagged || !event.is_tagged()).collect();
        let one = play(Lab::with_arms(4000, PLAIN, vec![Station::alone()]), PLAIN, &events, |_| 0);
        let arms = if tagged { TAGGED } else { PLAIN };
        let mut many = Lab::with_arms(4000, arms, plan.stations(&KEYS));
        if watched {
            many.watch(Tray::new(u64::MAX), &[], Wanted::Trace, Nanos(u64::MAX));
        }
        let many = play(many, arms, &events, |at| arrive_at(at) as usize);
        for (at, (one, many)) in one.0.iter().zip(&many.0).enumerate() {
            prop_assert_eq!(one, many, "step {} of {:?}: {:?}", at, device, &events[at]);
        }
        prop_assert_eq!(one.1, many.1);
    }
}

//! New clients of a persistent service where as many templates are there as can be, all of clients that sent one packet. As
//! usual there is one client with as many connections.

use dataplane::sched::Scheduler;

use super::clients::{TRAFFIC, come, keep_together, syn};
use super::measured;
use crate::stage::Stage;

/// Most templates here, so that it does not take minutes to make them.
const MOST: u32 = 1 << 15;
/// Packets of the attack: enough for every shard to be full.
const SENT: u32 = MOST + MOST / 4;
const NEW: u32 = 2000;

pub(super) fn run(attacked: bool) -> u64 {
    let room = (SENT + NEW, MOST as usize);
    let mut stage = Stage::with_templates(TRAFFIC, room, Scheduler::Rr, 1, |tables, _, _| {
        keep_together(tables, |_| ());
    });
    match attacked {
        true => come(&mut stage, 0..SENT, 4000),
        false => stage.take(0, (0..SENT).map(|flow| syn(0, 1024 + flow as u16))),
    }
    let before = stage.connections();
    measured(&mut || come(&mut stage, SENT..SENT + NEW, 4000));
    assert_eq!(stage.connections(), before + NEW, "nobody is refused");
    let evicted = stage.link().counters.value("templates_evicted");
    assert_eq!(evicted >= u64::from(NEW), attacked, "{evicted} gave way");
    NEW.into()
}

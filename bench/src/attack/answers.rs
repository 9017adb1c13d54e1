//! Segments that nobody expects, of one address: as usual each is answered with a reset. Under attack it has used its share
//! of resets up, and each answer is held back: a refusal must not cost what an answer does.

use dataplane::sched::Scheduler;
use dataplane::wire::tcp;

use super::measured;
use crate::stage::Stage;

/// Fewer than one address may be answered at once.
const SEGMENTS: u32 = 4000;

pub(super) fn run(attacked: bool) -> u64 {
    let mut stage = Stage::new(SEGMENTS, Scheduler::Rr, 1);
    if attacked {
        for _ in 0..2 {
            stage.arrive(0, tcp::ACK);
            stage.drain();
        }
    }
    let held_back = stage.link().counters.value("drop_reset_limited");
    stage.arrive(0, tcp::ACK);
    measured(&mut || stage.drain());
    let held_back = stage.link().counters.value("drop_reset_limited") - held_back;
    assert_eq!(held_back, if attacked { u64::from(SEGMENTS) } else { 0 });
    SEGMENTS.into()
}

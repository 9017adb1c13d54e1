//! A story of packets, time and edits, told by bytes, through control and a whole worker. Both families, tagged or not,
//! whole or in pieces, bare or in tunnels, with the errors about them. After each step every packet has ended once,
//! every buffer is where it should be, and every server counts the connections that name it; whatever leaves is right,
//! as what comes is; in the end, when time has run out for all of them, nothing is left.
//!
//! ```text
//! a step is five bytes: what, who, which, how, where
//! what & 7   0 to 3 a client speaks, 4 and 5 a server answers, 6 control edits, 7 time passes, who & 1 in scarcity
//! ```

#![no_main]

mod edits;
mod packets;

use control::api::Client;
use lab::{Lab, SECOND};
use libfuzzer_sys::fuzz_target;

const TIMES: [u64; 6] = [SECOND / 100, SECOND / 2, 3 * SECOND, 11 * SECOND, 61 * SECOND, 400 * SECOND];

/// A step's bytes, behind its first three bits.
#[derive(Clone, Copy)]
struct Step {
    what: u8,
    who: u8,
    which: u8,
    how: u8,
    place: u8,
}

fuzz_target!(|bytes: &[u8]| {
    let mut lab = Lab::new().fed_right();
    for step in bytes.chunks_exact(5).take(300) {
        let [what, who, which, how, place] = *step else { return };
        let step = Step { what, who, which, how, place };
        match what & 7 {
            0..=3 => packets::speak(&mut lab, step),
            4 | 5 => packets::answer(&mut lab, step),
            6 => {
                // Refusals are part of the story.
                let _ = lab.ask(edits::request(step));
            }
            _ => {
                lab.scarce(who & 1 != 0);
                lab.pass(TIMES[usize::from(how) % TIMES.len()]);
            }
        }
        // A burst is looked at when it is over.
        if what & 0x80 == 0 {
            lab.check();
        }
    }
    lab.end();
});

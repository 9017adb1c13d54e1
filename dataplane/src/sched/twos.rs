//! The better of two random choices (`ip_vs_twos.c`; Mitzenmacher 1996).
//!
//! ```text
//! a draw: a number from 0 to the sum of the weights, both included; down the list, less each weight, to 0
//! two draws; the second wins if its load by weight is below that of the first
//! ```

use super::asked::{Asked, Load};

pub(super) fn pick(asked: &Asked<'_>) -> Option<usize> {
    let total: u64 = asked.candidates().map(|(_, server, _)| u64::from(server.weight)).sum();
    let (first, second) = (draw(asked, total)?, draw(asked, total)?);
    Some(if second.1.is_below(first.1) { second.0 } else { first.0 })
}

fn draw(asked: &Asked<'_>, total: u64) -> Option<(usize, Load)> {
    let mut left = asked.chance.below(total + 1);
    let (index, server, state) = asked.candidates().find(|(_, server, _)| {
        left = left.saturating_sub(u64::from(server.weight));
        left == 0
    })?;
    Some((index, Load::overhead(server, state)))
}

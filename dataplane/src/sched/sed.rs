//! Shortest expected delay (`ip_vs_sed.c`; Weinrib and Shenker, INFOCOM 1988): the least of `(active + 1) / weight`,
//! the delay that the new connection itself would see; the first of equals.

use super::asked::{Asked, Load};

pub(super) fn pick(asked: &Asked<'_>) -> Option<usize> {
    asked.least(|server, state| Load { load: u64::from(state.active()) + 1, weight: server.weight })
}

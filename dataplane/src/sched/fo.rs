//! Weighted failover (`ip_vs_fo.c`): the usable server of the largest weight, the first of equals.

use super::asked::{Asked, Load};

pub(super) fn pick(asked: &Asked<'_>) -> Option<usize> {
    asked.least(|server, _| Load { load: 1, weight: server.weight })
}

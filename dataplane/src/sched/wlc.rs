//! Weighted least connections (`ip_vs_wlc.c`): the least of `(active * 256 + inactive) / weight`, the first of equals.

use super::asked::{Asked, Load};

pub(super) fn pick(asked: &Asked<'_>) -> Option<usize> {
    asked.least(Load::overhead)
}

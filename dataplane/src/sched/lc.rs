//! Least connections (`ip_vs_lc.c`): the least of `active * 256 + inactive`, the first of equals.

use super::asked::{Asked, Load};

pub(super) fn pick(asked: &Asked<'_>) -> Option<usize> {
    asked.least(|_, state| Load { load: state.overhead(), weight: 1 })
}

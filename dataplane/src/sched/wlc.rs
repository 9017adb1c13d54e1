//! Weighted least connections (`ip_vs_wlc.c`): the least of `(active * 256 + inactive) / weight`, compared by cross
//! multiplication, the first of equals.

use crate::service::{Servers, VirtualService};

pub(super) fn pick(service: &VirtualService, servers: &Servers) -> Option<usize> {
    super::least(service, servers, |(a, a_weight), (b, b_weight)| {
        u128::from(a.overhead()) * u128::from(b_weight) < u128::from(b.overhead()) * u128::from(a_weight)
    })
}

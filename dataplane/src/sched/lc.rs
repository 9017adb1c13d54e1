//! Least connections (`ip_vs_lc.c`): the least of `active * 256 + inactive`, the first of equals.

use crate::service::{Servers, VirtualService};

pub(super) fn pick(service: &VirtualService, servers: &Servers) -> Option<usize> {
    super::least(service, servers, |(a, _), (b, _)| a.overhead() < b.overhead())
}

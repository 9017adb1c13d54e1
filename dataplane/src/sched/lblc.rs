//! Locality-based least connections (`ip_vs_lblc.c`), for caches: what asks for one destination goes to one server.
//!
//! ```text
//! n = the destination's server; none, or n is not in the list, or its weight is 0, or it is overburdened:
//!     n = as wlc; remember it
//! overburdened: active connections above its weight, while another has less than half of its own weight
//! ```
//! The upper threshold is not looked at where a server is remembered, only where one is chosen.

use super::{Asked, wlc};

pub(super) fn pick(asked: &Asked<'_>) -> Option<usize> {
    let Some(cache) = &asked.service.state.cache else { return wlc::pick(asked) };
    let mut place = cache.place(asked);
    let Some(entry) = place.entry() else {
        let index = wlc::pick(asked)?;
        place.learn(index);
        return Some(index);
    };
    entry.used = asked.now;
    let known = entry.present(asked).next();
    if let Some(index) = known.filter(|&i| asked.list()[i].weight > 0 && !is_overburdened(asked, i)) {
        return Some(index);
    }
    let index = wlc::pick(asked)?;
    entry.leave(asked, |_| true);
    entry.join(asked, index);
    Some(index)
}

/// Whether a server has more active connections than its weight while another has less than half of its own.
pub(super) fn is_overburdened(asked: &Asked<'_>, index: usize) -> bool {
    let active = |slot| asked.servers.get(slot).map_or(0, |state| u64::from(state.active()));
    let server = &asked.list()[index];
    active(server.slot) > u64::from(server.weight)
        && asked.list().iter().any(|other| active(other.slot) * 2 < u64::from(other.weight))
}

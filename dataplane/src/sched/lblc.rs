//! Locality-based least connections (`ip_vs_lblc.c`), for caches: what asks for one destination goes to one server.
//!
//! ```text
//! n = the destination's server; none, or n is not in the list, or its weight is 0, or it is overburdened:
//!     n = as wlc; remember it
//! overburdened: active connections above its weight, while another has less than half of its own weight
//! ```
//! The upper threshold is not looked at where a server is remembered, only where one is chosen.

use super::asked::Asked;
use super::wlc;

pub(super) fn pick(asked: &Asked<'_>) -> Option<usize> {
    let Some(cache) = asked.list.cache else { return wlc::pick(asked) };
    let (list, servers, now) = (asked.list.servers, asked.servers, asked.now);
    let mut place = cache.place(asked.vip);
    let Some(entry) = place.entry() else {
        let index = wlc::pick(asked)?;
        place.learn(index, list, servers, now);
        return Some(index);
    };
    entry.used = now;
    let known = entry.present(list).next();
    if let Some(index) = known.filter(|&i| list[i].weight > 0 && !is_overburdened(asked, i)) {
        return Some(index);
    }
    let index = wlc::pick(asked)?;
    entry.leave(servers, now, |_| true);
    entry.join(index, list, servers, now);
    Some(index)
}

/// Whether a server has more active connections than its weight while another has less than half of its own.
pub(super) fn is_overburdened(asked: &Asked<'_>, index: usize) -> bool {
    let active = |slot| asked.servers.get(slot).map_or(0, |state| u64::from(state.active()));
    let server = &asked.list.servers[index];
    active(server.slot) > u64::from(server.weight)
        && asked.list.servers.iter().any(|other| active(other.slot) * 2 < u64::from(other.weight))
}

//! Locality-based least connections with replication (`ip_vs_lblcr.c`), for caches: what asks for one destination goes
//! to a set of servers, which grows with its load and shrinks with time.
//!
//! ```text
//! n = the usable server of the destination's set with the least load by weight, the last joined of equals
//! the set has several members and has not changed for lblcr_expiration: the one with the most load leaves
//! no n, or n is overburdened (as in lblc): n = as wlc; it joins the set
//! ```

use super::{Asked, Load, lblc, wlc};

pub(super) fn pick(asked: &Asked<'_>) -> Option<usize> {
    let Some(cache) = &asked.service.state.cache else { return wlc::pick(asked) };
    let mut place = cache.place(asked);
    let Some(entry) = place.entry() else {
        let index = wlc::pick(asked)?;
        place.learn(index);
        return Some(index);
    };
    entry.used = asked.now;
    let known = least(asked, entry.present(asked));
    let stable = entry.changed.after(asked.lblcr_expiration).is_before(asked.now);
    if entry.members.len() > 1
        && stable
        && let Some(most) = entry.busiest(asked)
    {
        entry.leave(asked, |member| member.is(&most));
    }
    if let Some(index) = known.filter(|&index| !lblc::is_overburdened(asked, index)) {
        return Some(index);
    }
    let index = wlc::pick(asked)?;
    entry.join(asked, index);
    Some(index)
}

fn least(asked: &Asked<'_>, members: impl Iterator<Item = usize>) -> Option<usize> {
    let list = asked.list();
    let loads = members.filter_map(|index| {
        let server = &list[index];
        asked.usable(server).map(|state| (index, Load::overhead(server, state)))
    });
    let lighter = |least: (usize, Load), next: (usize, Load)| if next.1.is_below(least.1) { next } else { least };
    loads.reduce(lighter).map(|(index, _)| index)
}

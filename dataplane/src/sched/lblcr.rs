//! Locality-based least connections with replication (`ip_vs_lblcr.c`), for caches: what asks for one destination goes
//! to a set of servers, which grows with its load and shrinks with time.
//!
//! ```text
//! n = the usable server of the destination's set with the least load by weight, the last joined of equals
//! the set has several members and has not changed for lblcr_expiration: the one with the most load leaves
//! no n, or n is overburdened (as in lblc): n = as wlc; it joins the set
//! ```

use super::asked::{Asked, Load};
use super::{lblc, wlc};
use crate::service::Entry;

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
    let known = least(asked, entry.present(list));
    let stable = entry.changed.after(asked.lblcr_expiration).is_before(now);
    if entry.members.len() > 1
        && stable
        && let Some(most) = busiest(asked, entry)
    {
        entry.leave(servers, now, |member| member.slot == most);
    }
    if let Some(index) = known.filter(|&index| !lblc::is_overburdened(asked, index)) {
        return Some(index);
    }
    let index = wlc::pick(asked)?;
    entry.join(index, list, servers, now);
    Some(index)
}

fn least(asked: &Asked<'_>, members: impl Iterator<Item = usize>) -> Option<usize> {
    let list = asked.list.servers;
    let loads = members.filter_map(|index| {
        let server = &list[index];
        asked.usable(server).map(|state| (index, Load::overhead(server, state)))
    });
    let lighter = |least: (usize, Load), next: (usize, Load)| if next.1.is_below(least.1) { next } else { least };
    loads.reduce(lighter).map(|(index, _)| index)
}

/// The slot of the member with the most load for its weight, the first of equals; none that was quiesced when last seen.
fn busiest(asked: &Asked<'_>, entry: &Entry) -> Option<u32> {
    let weighed = entry.members.iter().filter(|member| member.weight > 0).map(|member| {
        let load = asked.servers.get(member.slot).map_or(0, |state| state.overhead());
        (member.slot, Load { load, weight: member.weight })
    });
    let heavier = |most: (u32, Load), next: (u32, Load)| if most.1.is_below(next.1) { next } else { most };
    weighed.reduce(heavier).map(|(slot, _)| slot)
}

//! Orphans: with `expire_nodest_conn`, what leads to a server that was removed ends: connections, templates, and what is
//! expected. After `ip_vs_enqueue_expire_nodest_conns` and `ip_vs_expire_nodest_conn_flush` (`ip_vs_conn.c`): a tick after
//! the removal, so that a server which one batch removes and adds keeps its connections.
//!
//! Workers end their connections; what all of them share is gone through here, a bounded number a turn. A template that
//! controls connections goes with the last of them.

use std::sync::atomic::Ordering::Relaxed;

use dataplane::clock::Nanos;
use dataplane::expected::{AllExpected, Expected};
use dataplane::mailbox::Command;
use dataplane::service::Servers;
use dataplane::shard::{Shared, let_go};
use dataplane::template::{Template, Templates};

use super::crew::Crew;

/// Nanoseconds from a removal to the round: the kernel's timer of one tick fires up to two ticks of 10 ms later.
const DELAY: u64 = 20_000_000;
/// Templates and expected connections looked at in one turn, or a shard of the latter.
const BUDGET: usize = 8192;
/// Templates looked at while workers may wait for them.
const AT_ONCE: usize = 256;

/// How far the last round has come.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    /// When the next round begins, if one is wanted.
    begin: Option<Nanos>,
    /// Workers whose mailboxes were full.
    untold: Vec<usize>,
    /// The shard and the place where to go on: first all of the templates, then of what is expected.
    next: Option<(usize, u32)>,
}

impl Orphans {
    /// A server was removed: what leads to it is to be ended.
    pub(super) fn end_soon(&mut self, now: Nanos) {
        self.begin.get_or_insert(Nanos(now.0 + DELAY));
    }

    /// Begins the round that is due, or goes on with the last one.
    pub(super) fn end(&mut self, crew: &Crew, shared: Shared<'_>, now: Nanos) {
        let is_free = self.untold.is_empty() && self.next.is_none();
        if is_free && self.begin.is_some_and(|begin| now >= begin) {
            self.begin = None;
            self.untold.extend(0..crew.len());
            self.next = Some((0, 0));
        }
        self.untold.retain(|worker| crew.tell(*worker, Command::EndOrphans).is_err());
        let mut left = BUDGET;
        while let Some(at) = self.next.filter(|_| left > 0) {
            let (looked, next) = end_shared(shared, at, left.min(AT_ONCE));
            // A shard counts, too.
            left = left.saturating_sub(looked + 1);
            self.next = next;
        }
    }
}

/// A piece of what all workers share. Returns how much it looked at, and where to go on.
fn end_shared(
    Shared { servers: states, templates, expected: all }: Shared<'_>,
    (shard, from): (usize, u32),
    most: usize,
) -> (usize, Option<(usize, u32)>) {
    if let Some(expected) = shard.checked_sub(Templates::shards()) {
        let over = |expected: &Expected| _ = states.get(expected.slot).inspect(|server| server.unbind(true));
        let looked = all.end_orphans(expected, |expected| is_gone(states, expected.slot), over);
        return (looked, (expected + 1 < AllExpected::shards()).then_some((shard + 1, 0)));
    }
    let orphan = |template: &Template| is_gone(states, template.server);
    let (looked, rest) = templates.end_orphans((shard, from), most, orphan, |template| let_go(template, states));
    (looked, Some(rest.map_or((shard + 1, 0), |from| (shard, from))))
}

fn is_gone(states: &Servers, slot: u32) -> bool {
    states.get(slot).is_some_and(|server| !server.available.load(Relaxed))
}

//! Orphans: with `expire_nodest_conn`, what leads to a server that was removed ends: connections, templates, and what is
//! expected. After `ip_vs_enqueue_expire_nodest_conns` and `ip_vs_expire_nodest_conn_flush` (`ip_vs_conn.c`): a tick after
//! the removal, so that a server which one batch removes and adds keeps its connections.
//!
//! Workers end their connections; what all of them share is gone through here, a bounded number a turn. A template that
//! controls connections goes with the last of them.

use std::sync::atomic::Ordering::Relaxed;

use dataplane::clock::Nanos;
use dataplane::expected::AllExpected;
use dataplane::mailbox::Command;
use dataplane::service::Servers;
use dataplane::shard::let_go;
use dataplane::template::Templates;

use super::Director;

/// Nanoseconds of a tick of the kernel, with its HZ of 100.
const TICK: u64 = 10_000_000;
/// Templates looked at in one turn.
const BUDGET: usize = 8192;

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

impl Director {
    /// A server was removed.
    pub(super) fn end_orphans_soon(&mut self) {
        if self.tables.sysctls.expire_nodest_conn != 0 {
            self.orphans.begin.get_or_insert(Nanos(self.now.0 + TICK));
        }
    }

    /// Begins the round that is due, or goes on with the last one.
    pub(super) fn end_orphans(&mut self) {
        let Orphans { begin, untold, next } = &mut self.orphans;
        let is_free = untold.is_empty() && next.is_none();
        if is_free && begin.is_some_and(|begin| self.now >= begin) {
            *begin = None;
            untold.extend(0..self.links.len());
            *next = Some((0, 0));
        }
        untold.retain(|worker| self.links[*worker].commands.push(Command::EndOrphans).is_err());
        self.orphans.next = self.orphans.next.and_then(|at| self.end_shared_orphans(at));
    }

    /// A piece of what all workers share. Returns where to go on.
    fn end_shared_orphans(&self, (shard, from): (usize, u32)) -> Option<(usize, u32)> {
        let (templates, states) = (&self.tables.templates, self.services.states());
        if let Some(shard) = shard.checked_sub(Templates::shards()) {
            let gone = |slot| is_gone(states, slot);
            templates.expected.end_orphans(
                shard,
                |expected| gone(expected.slot),
                |expected| _ = states.get(expected.slot).inspect(|server| server.unbind(true)),
            );
            let last = shard + 1 == AllExpected::shards();
            return (!last).then_some((Templates::shards() + shard + 1, 0));
        }
        let orphan = |template: &dataplane::template::Template| is_gone(states, template.server);
        let rest = templates.end_orphans((shard, from), BUDGET, orphan, |template| let_go(template, states));
        Some(rest.map_or((shard + 1, 0), |from| (shard, from)))
    }
}

fn is_gone(states: &Servers, slot: u32) -> bool {
    states.get(slot).is_some_and(|server| !server.available.load(Relaxed))
}

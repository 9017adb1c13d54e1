//! What all packets of a burst consult: the moment, the tables, what is shared between workers.

use std::sync::atomic::Ordering::Relaxed;

use crate::chance::Chance;
use crate::clock::Tick;
use crate::conn::Conn;
use crate::counters;
use crate::expected::{AllExpected, Expected};
use crate::flow::Direction;
use crate::mailbox::Link;
use crate::proto::tcp::Machine;
use crate::service::Servers;
use crate::shard::Shared;
use crate::tables::Tables;
use crate::template::Templates;

/// The scene of a burst, as functions are handed it.
pub(crate) type Context<'a> = &'a Scene<'a>;

/// One moment, and one version of the tables for everything that a burst consults.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The moment.
    pub now: Tick,
    /// The tables.
    pub tables: &'a Tables,
    /// States of real servers.
    pub servers: &'a Servers,
    /// Which servers clients of persistent services go to.
    pub templates: &'a Templates,
    /// Connections that control connections have announced.
    pub expected: &'a AllExpected,
    /// Counters, totals and the way to control.
    pub link: &'a Link,
    /// Chance.
    pub chance: &'a Chance,
    /// The state machine of TCP in force.
    pub tcp: &'static Machine,
}

impl<'a> Scene<'a> {
    /// What all workers share.
    pub(crate) fn shared(&self) -> Shared<'a> {
        Shared { servers: self.servers, templates: self.templates, expected: self.expected }
    }

    /// Milliseconds since midnight UT, ten at once.
    pub(crate) fn time_of_day(&self) -> u32 {
        self.link.midnight.time_of_day(self.now)
    }

    /// Counts a packet of so many bytes among the totals of its connection's server, if that is still there.
    pub(crate) fn count(&self, conn: &Conn, direction: Direction, len: usize) {
        let server = self.servers.get(conn.server_slot());
        if server.is_some_and(|server| server.available.load(Relaxed))
            && let Some(totals) = self.link.totals.get(conn.server_slot())
        {
            totals.packet(direction, len);
        }
    }

    /// An announced connection gave way: its server has one less.
    pub(crate) fn let_go(&self, gone: &Expected) {
        self.servers.get(gone.slot).inspect(|server| server.unbind(true));
        counters::add(&self.link.counters.announcements_evicted, 1);
    }
}

//! A connection's life: made, moved to another state, refreshed by packets, ended. What is written here, the state, the
//! times, whether it counts as active and so the server's counts, is written nowhere else; and whoever wants to know of it
//! reads the journal.
//!
//! ```text
//! insert, pass   made: it takes a place in the table; its server has counted it before, when it was chosen
//! refresh        a packet came: not noted
//! advance        another state, and timeout; the server's counts follow
//! unlink         no packet finds it any more
//! end            over: the server counts it no longer, its place is free
//! ```

use super::addresses::Addresses;
use super::index::{REPLY, REQUEST};
use super::journal::Changes;
use super::line::{Conn, flag};
use super::new::New;
use super::table::ConnTable;
use crate::clock::Tick;
use crate::service::Server;

/// Where a packet moves a connection.
#[derive(Clone, Copy, Debug)]
pub struct Moved {
    /// The state, in the numbering of its protocol.
    pub state: u8,
    /// Whether the server counts a connection in this state as active.
    pub active: bool,
    /// How long it lives after this packet, ticks.
    pub timeout: u32,
}

/// Made.
impl ConnTable {
    /// Takes a free entry and makes it findable by its keys. `None` when the table is full.
    pub fn insert(&mut self, new: &New) -> Option<u32> {
        let hashes = [self.hash(&new.line.request_key()), self.hash(&new.line.reply_key())];
        let index = self.insert_hashed(new, hashes);
        self.settle();
        index
    }

    /// Takes a free entry and makes it findable by its request key and its reply key, whose hashes the caller knows. The
    /// reply key may be linked later: see [`ConnTable::settle_for`] and [`ConnTable::settle`].
    #[inline]
    pub(crate) fn insert_hashed(&mut self, new: &New, [request, reply]: [u64; 2]) -> Option<u32> {
        let index = self.take()?;
        self.write(index, new, flag::LIVE);
        if !self.link_newest(index, request, REQUEST) {
            self.give(index);
            return None;
        }
        if new.line.has_reply_key() && !self.link_reply_later(index, reply) {
            self.settle();
            if !self.link_newest(index, reply, REPLY) {
                self.unlink_key(index, REQUEST);
                self.give(index);
                return None;
            }
        }
        self.note(index);
        Some(index)
    }

    /// Keeps a connection of one packet while its burst is on its way, in the place of this number, one of
    /// [`crate::port::BURST`] behind the table's own. No key leads to it, and it is not listed.
    pub fn pass(&mut self, place: usize, new: &New) -> u32 {
        let index = self.capacity + place as u32;
        self.write(index, new, 0);
        index
    }

    /// Fills a place. Its links are those of a free one: in no chain.
    #[inline(always)]
    fn write(&mut self, index: u32, new: &New, flags: u16) {
        let line = &mut self.memory.conns[index as usize];
        let flags = flags | line.flags & flag::NOTED;
        *line = new.line;
        line.flags |= flags;
        let cold = self.cold_mut(index);
        (cold.controller, cold.helper) = (new.controller, new.helper);
        if let Some([vip, client, local, server]) = new.addresses6 {
            self.memory.addresses[index as usize] = Addresses { vip, client, local, server };
        }
    }
}

/// Refreshed.
impl Conn {
    /// A packet came.
    #[inline(always)]
    pub fn refresh(&mut self, now: Tick) {
        self.last_seen = now.0;
    }

    /// A packet of its client came.
    #[inline(always)]
    pub fn refresh_by_client(&mut self, now: Tick) {
        self.in_packets = self.in_packets.wrapping_add(1);
        self.last_seen = now.0;
    }

    /// A packet of its client counts, though it prolongs nothing.
    pub fn count_request(&mut self) {
        self.in_packets = self.in_packets.wrapping_add(1);
    }

    /// It lives for so many ticks from now on.
    pub fn renew(&mut self, now: Tick, timeout: u32) {
        (self.last_seen, self.timeout) = (now.0, timeout);
    }
}

/// Moved.
impl ConnTable {
    /// Moves a connection on, and between the counts of its server. Returns whether its life got shorter.
    #[inline]
    pub fn advance(&mut self, index: u32, to: Moved, server: Option<&Server>) -> bool {
        let conn = &mut self[index];
        let before = std::mem::replace(&mut conn.timeout, to.timeout);
        if conn.state != to.state {
            conn.state = to.state;
            if conn.has(flag::INACTIVE) == to.active {
                conn.set_any(flag::INACTIVE, !to.active);
                if let Some(server) = server {
                    server.shift(!to.active);
                }
            }
            self.note(index);
        }
        to.timeout < before
    }

    /// Gives a connection another state; it counts as it did, and lives as long.
    pub fn restate(&mut self, index: u32, state: u8) {
        self[index].state = state;
        self.note(index);
    }
}

/// Ended.
impl ConnTable {
    /// Makes an entry no longer findable; it stays listed until [`ConnTable::end`].
    pub fn unlink(&mut self, index: u32) {
        if self[index].has(flag::UNLINKED) {
            return;
        }
        self.settle();
        self.unlink_key(index, REQUEST);
        if self[index].has_reply_key() {
            self.unlink_key(index, REPLY);
        }
        self[index].set_any(flag::UNLINKED, true);
        self.note(index);
    }

    /// The signpost of an unlinked connection was taken down.
    pub fn forget_signpost(&mut self, index: u32) {
        self[index].set_any(flag::REPLY_AWAY, false);
    }

    /// Ends an entry: its server counts it no longer, no key leads to it, and its place is free.
    pub fn end(&mut self, index: u32, server: Option<&Server>) {
        self.leave(index, server);
        self.unlink(index);
        self.give(index);
    }

    /// A connection's server counts it no longer.
    pub fn leave(&self, index: u32, server: Option<&Server>) {
        if let Some(server) = server {
            server.unbind(self[index].has(flag::INACTIVE));
        }
    }
}

/// Noted.
impl ConnTable {
    /// Notes changes in the journal from now on.
    pub fn open_journal(&mut self) {
        self.journal.open();
    }

    /// Tells the indices of the connections that changed since the last call, and forgets them. An index may be free by
    /// now, or another connection's.
    pub fn drain_journal(&mut self, mut tell: impl FnMut(u32)) -> Changes {
        let Self { journal, memory, .. } = self;
        journal.drain(|index, changes| {
            memory.conns[index as usize].set_any(flag::NOTED, false);
            if changes == Changes::Told {
                tell(index);
            }
        })
    }

    /// A connection changed. One of a single packet is not noted: nobody can ask for it.
    #[inline(always)]
    fn note(&mut self, index: u32) {
        if self.journal.is_open() {
            self.note_at(index);
        }
    }

    #[cold]
    fn note_at(&mut self, index: u32) {
        let conn = &mut self.memory.conns[index as usize];
        if index < self.capacity && !conn.has(flag::NOTED) {
            conn.set_any(flag::NOTED, self.journal.note(index));
        }
    }
}

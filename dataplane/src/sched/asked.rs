//! What schedulers are asked with, and what several of them do with it.

use std::net::{IpAddr, SocketAddr};

use super::hash;
use crate::chance::Chance;
use crate::clock::Tick;
use crate::service::{RealServer, Server, ServerList, Servers};

/// Bits of a service that its scheduler reads (`IP_VS_SVC_F_SCHED1` to `3`). The third means nothing to any.
pub mod flag {
    /// sh and mh: where the server that was hashed to takes nothing, look for another.
    pub const FALLBACK: u8 = 1;
    /// sh and mh: the client's port is hashed too.
    pub const PORT: u8 = 2;
}

/// What a scheduler may look at: a list and its servers, who asks for what, the moment, and chance.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The list, and what belongs to it.
    pub list: ServerList<'a>,
    /// States of servers.
    pub servers: &'a Servers,
    /// The client.
    pub client: SocketAddr,
    /// The address that the client asks for: the packet's, also where the service is one by mark.
    pub vip: IpAddr,
    /// The moment.
    pub now: Tick,
    /// Ticks after which an unchanged set of lblcr loses a member.
    pub lblcr_expiration: u32,
    /// Chance.
    pub chance: &'a Chance,
}

impl<'a> Asked<'a> {
    pub(super) fn has(&self, flag: u8) -> bool {
        self.list.flags & flag != 0
    }

    /// The client as one word, with its port where the service hashes ports.
    pub(super) fn client_word(&self) -> u32 {
        let port = if self.has(flag::PORT) { self.client.port() } else { 0 };
        hash::fold(self.list.family, self.client.ip()).wrapping_add(u32::from(port))
    }

    /// A server's state, if it may take a connection: not overloaded. Weight is the scheduler's to judge.
    pub(super) fn open(&self, server: &RealServer) -> Option<&'a Server> {
        self.servers.get(server.slot).filter(|state| !state.is_overloaded())
    }

    /// A server's state, if it may take a connection: not overloaded, not quiesced.
    pub(super) fn usable(&self, server: &RealServer) -> Option<&'a Server> {
        usable(self.servers, server)
    }

    /// Those that may take a connection, with their place in the list.
    pub(super) fn candidates(&self) -> impl Iterator<Item = (usize, &'a RealServer, &'a Server)> + use<'a> {
        let servers = self.servers;
        let usable = move |(index, server)| usable(servers, server).map(|state| (index, server, state));
        self.list.servers.iter().enumerate().filter_map(usable)
    }

    /// The usable server with the least load; the first of equals.
    pub(super) fn least(&self, load: impl Fn(&RealServer, &Server) -> Load) -> Option<usize> {
        let mut best: Option<(usize, Load)> = None;
        for (index, server, state) in self.candidates() {
            let load = load(server, state);
            if best.is_none_or(|(_, leader)| load.is_below(leader)) {
                best = Some((index, load));
            }
        }
        best.map(|(index, _)| index)
    }

    /// The server of a bucket, usable or not, and whether it is usable.
    pub(super) fn bucket(&self, bucket: usize) -> Option<(usize, bool)> {
        let index = *self.list.plan.buckets.get(bucket)? as usize;
        Some((index, self.usable(self.list.servers.get(index)?).is_some()))
    }

    /// The server of bucket `probe(0)`; with [`flag::FALLBACK`] the first usable one of the buckets that `probe` names
    /// for the offsets from `first` on, once around.
    pub(super) fn hashed(&self, probe: impl Fn(usize) -> usize, first: usize) -> Option<usize> {
        let (index, usable) = self.bucket(probe(0))?;
        if usable || !self.has(flag::FALLBACK) {
            return usable.then_some(index);
        }
        // Outsiders may fill all servers up to their thresholds: nobody goes around for what is not there.
        self.candidates().next()?;
        let size = self.list.plan.buckets.len();
        let offsets = (first..size).chain(0..first);
        offsets.filter_map(|offset| self.bucket(probe(offset))).find(|(_, usable)| *usable).map(|(index, _)| index)
    }
}

/// A load as a fraction of a weight; compared without division.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) load: u64,
    pub(super) weight: u32,
}

impl Load {
    /// What lc, wlc and their relatives weigh: an active connection is 256 inactive ones.
    pub(super) fn overhead(server: &RealServer, state: &Server) -> Self {
        Self { load: state.overhead(), weight: server.weight }
    }

    pub(super) fn is_below(self, other: Self) -> bool {
        u128::from(self.load) * u128::from(other.weight) < u128::from(other.load) * u128::from(self.weight)
    }
}

/// A server's state, if it may take a connection: not overloaded, not quiesced.
pub(crate) fn usable<'a>(servers: &'a Servers, server: &RealServer) -> Option<&'a Server> {
    let state = servers.get(server.slot).filter(|_| server.weight > 0)?;
    (!state.is_overloaded()).then_some(state)
}

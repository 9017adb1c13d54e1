//! The packet's way: `parse -> lookup -> decide (classify, schedule, track) -> rewrite -> resolve`.
//!
//! Every stage runs over the whole burst before the next starts, so that cache misses overlap. Decisions are taken
//! packet by packet in order of arrival, each seeing the effect of the one before: a burst gives what its packets
//! would give one at a time.

mod answer;
mod classify;
mod decide;
mod lookup;
mod parse;
mod resolve;
mod rewrite;
mod schedule;
mod track;

use crate::clock::Tick;
use crate::mailbox::Link;
use crate::packet::Burst;
use crate::port::PacketBuf;
use crate::service::Servers;
use crate::shard::Shard;
use crate::tables::Tables;

/// What all packets of a burst share.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The moment.
    pub now: Tick,
    /// The tables.
    pub tables: &'a Tables,
    /// States of real servers.
    pub servers: &'a Servers,
    /// Counters, totals and the way to control.
    pub link: &'a Link,
}

/// Takes a burst that arrived on `port` through every stage. Afterwards it is empty; what leaves is in the shard's
/// output queues, what is gone in its list of dropped buffers.
pub fn run<B: PacketBuf>(
    burst: &mut Burst<B>,
    port: u16,
    shard: &mut Shard<B>,
    context: Context<'_>,
    alloc: &mut impl FnMut() -> Option<B>,
) {
    parse::run(burst, port, context.tables);
    lookup::run(burst, &shard.table);
    decide::run(burst, shard, context);
    rewrite::run(burst, &shard.table);
    resolve::run(burst, shard, context, alloc);
}

/// Sends what waited for neighbours that the tables know by now. Returns how many packets that were.
pub fn release<B: PacketBuf>(
    shard: &mut Shard<B>,
    context: Context<'_>,
    alloc: &mut impl FnMut() -> Option<B>,
) -> usize {
    resolve::release(shard, context, alloc)
}

/// Ends what waits for a neighbour that does not answer.
pub fn fail<B: PacketBuf>(
    shard: &mut Shard<B>,
    context: Context<'_>,
    neighbor: (u16, std::net::IpAddr),
    alloc: &mut impl FnMut() -> Option<B>,
) {
    resolve::fail(shard, context, neighbor, alloc);
}

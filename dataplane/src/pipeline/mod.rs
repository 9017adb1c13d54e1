//! The packet's way: `parse -> lookup -> decide (classify, schedule, track) -> rewrite -> resolve`.
//!
//! Every stage runs over the whole burst before the next starts, so that cache misses overlap. Decisions are taken
//! packet by packet in order of arrival, each seeing the effect of the one before: a burst gives what its packets
//! would give one at a time.

mod answer;
mod classify;
mod decide;
mod lookup;
mod observe;
mod parse;
mod resolve;
mod rewrite;
mod schedule;
mod track;

use observe::{Blind, Eyes, Releases, Stage};

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
    let Some(observer) = shard.observer.take() else {
        return stages(burst, port, shard, context, alloc, &mut Blind);
    };
    observe::run(&observer, burst, port, shard, context, alloc);
    shard.observer = Some(observer);
}

/// The stages, in order, and whoever looks between them.
#[inline(always)]
fn stages<B: PacketBuf>(
    burst: &mut Burst<B>,
    port: u16,
    shard: &mut Shard<B>,
    context: Context<'_>,
    alloc: &mut impl FnMut() -> Option<B>,
    eyes: &mut impl Eyes<B>,
) {
    parse::run(burst, port, context.tables);
    eyes.after(Stage::Parse, burst, shard, context);
    lookup::run(burst, &shard.table);
    eyes.after(Stage::Lookup, burst, shard, context);
    decide::run(burst, shard, context);
    eyes.after(Stage::Decide, burst, shard, context);
    rewrite::run(burst, &shard.table);
    eyes.after(Stage::Rewrite, burst, shard, context);
    resolve::run(burst, shard, context, alloc);
    eyes.after(Stage::Resolve, burst, shard, context);
}

/// Sends what waited for neighbours that the tables know by now. Returns how many packets that were.
pub fn release<B: PacketBuf>(
    shard: &mut Shard<B>,
    context: Context<'_>,
    alloc: &mut impl FnMut() -> Option<B>,
) -> usize {
    let Some(observer) = shard.observer.take() else { return resolve::release(shard, context, alloc, &mut Blind) };
    let released = resolve::release(shard, context, alloc, &mut Releases::new(&observer));
    shard.observer = Some(observer);
    released
}

/// Ends what waits for a neighbour that does not answer.
pub fn fail<B: PacketBuf>(
    shard: &mut Shard<B>,
    context: Context<'_>,
    neighbor: (u16, std::net::IpAddr),
    alloc: &mut impl FnMut() -> Option<B>,
) {
    let Some(observer) = shard.observer.take() else {
        return resolve::fail(shard, context, neighbor, alloc, &mut Blind);
    };
    resolve::fail(shard, context, neighbor, alloc, &mut Releases::new(&observer));
    shard.observer = Some(observer);
}

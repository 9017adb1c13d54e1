//! The packet's way: `parse -> steer -> lookup -> decide (classify, schedule, track) -> rewrite -> resolve`.
//!
//! The stages up to lookup run over the whole burst before the next starts, so that cache misses overlap. From there on
//! all is at hand, and one packet after the other is decided, rewritten and resolved, each seeing the effect of the one
//! before: a burst gives what its packets would give one at a time.

mod answer;
mod answer4;
mod answer6;
mod calls;
mod classify;
mod cut;
mod decide;
mod discovery;
mod expected;
mod ftp;
mod gather;
mod icmp;
mod icmp_tunnel;
mod local;
mod lookup;
mod observe;
mod options;
mod parse;
mod persist;
mod resolve;
mod rewrite;
mod schedule;
mod shared_route;
mod states;
mod steer;
mod track;
mod unwrap;
mod usual;
mod way;

use observe::{Blind, Eyes, Releases, Stage};
use resolve::Forwarded;

use crate::chance::Chance;
use crate::clock::Tick;
use crate::conn::Confirmed;
use crate::flow::Direction;
use crate::handoff::WholeCrossing;
use crate::mailbox::Link;
use crate::neighbor::NextHop;
use crate::packet::{Arrival, Burst, Kind, Mark, Meta, Step};
use crate::parking::Ending;
use crate::port::PacketBuf;
use crate::proto::tcp::Machine;
use crate::service::{Server, Servers};
use crate::shard::Shard;
use crate::tables::Tables;

/// What all packets of a burst consult.
pub type Context<'a> = &'a Scene<'a>;

/// Where a burst takes place.
pub struct Scene<'a> {
    /// The moment.
    pub now: Tick,
    /// The tables.
    pub tables: &'a Tables,
    /// States of real servers.
    pub servers: &'a Servers,
    /// Counters, totals and the way to control.
    pub link: &'a Link,
    /// Chance.
    pub chance: &'a Chance,
    /// The state machine of TCP in force.
    pub tcp: &'static Machine,
}

impl Scene<'_> {
    /// Milliseconds since midnight UT, ten at once.
    fn time_of_day(&self) -> u32 {
        self.link.midnight.time_of_day(self.now)
    }
}

/// What happens to a packet of a connection.
enum Next<'a> {
    /// It leaves by a next hop that is known. With the server of its connection, where it goes there.
    Leave(&'a NextHop, Option<&'a Server>),
    /// It takes another step.
    Step(Step),
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
    if !shard.station.is_alone() {
        let meta = burst.meta[..burst.packets.len()].iter_mut();
        meta.for_each(|meta| (meta.arrival, meta.mark) = (Arrival::Device, Mark::default()));
    }
    let Some(observer) = shard.observer.take() else {
        return arrived(burst, port, shard, context, alloc, &mut Blind);
    };
    observe::run(&observer, burst, port, shard, context, alloc);
    shard.observer = Some(observer);
}

/// Takes a burst that other workers handed over through the same stages. How each packet came is noted in its
/// [`crate::packet::Meta`]: arrival, port and mark.
pub fn run_handed<B: PacketBuf>(
    burst: &mut Burst<B>,
    shard: &mut Shard<B>,
    context: Context<'_>,
    alloc: &mut impl FnMut() -> Option<B>,
) {
    let Some(observer) = shard.observer.take() else {
        return handed(burst, shard, context, alloc, &mut Blind);
    };
    observe::run_handed(&observer, burst, shard, context, alloc);
    shard.observer = Some(observer);
}

/// The stages of a burst that a device delivered, and whoever looks between them.
fn arrived<B: PacketBuf, E: Eyes<B>>(
    burst: &mut Burst<B>,
    port: u16,
    shard: &mut Shard<B>,
    context: Context<'_>,
    alloc: &mut impl FnMut() -> Option<B>,
    eyes: &mut E,
) {
    let all = 0..burst.packets.len();
    burst.six = false;
    parse::run(burst, all, port, context.tables, &shard.table);
    eyes.after(Stage::Parse, burst, shard, context);
    if !shard.station.is_alone() {
        steer::run(burst, port, shard, context);
    }
    finish(burst, shard, context, alloc, eyes);
}

/// The stages of a burst that other workers handed over.
fn handed<B: PacketBuf, E: Eyes<B>>(
    burst: &mut Burst<B>,
    shard: &mut Shard<B>,
    context: Context<'_>,
    alloc: &mut impl FnMut() -> Option<B>,
    eyes: &mut E,
) {
    let mut from = 0;
    burst.six = false;
    while from < burst.packets.len() {
        let port = burst.meta[from].lan.port();
        let same = burst.meta[from..burst.packets.len()].iter().take_while(|meta| meta.lan.port() == port).count();
        parse::run(burst, from..from + same, port, context.tables, &shard.table);
        from += same;
    }
    eyes.after(Stage::Parse, burst, shard, context);
    finish(burst, shard, context, alloc, eyes);
}

/// What follows when it is known where packets belong.
fn finish<B: PacketBuf, E: Eyes<B>>(
    burst: &mut Burst<B>,
    shard: &mut Shard<B>,
    context: Context<'_>,
    alloc: &mut impl FnMut() -> Option<B>,
    eyes: &mut E,
) {
    lookup::run(burst, &shard.table, context.tables.unhooked);
    eyes.after(Stage::Lookup, burst, shard, context);
    let mut forwarded = Forwarded::default();
    if E::OPEN {
        stop_at_stages(burst, &mut forwarded, shard, context, alloc, eyes);
    } else if burst.six {
        go_through::<B, true>(burst, &mut forwarded, shard, context, alloc);
    } else {
        go_through::<B, false>(burst, &mut forwarded, shard, context, alloc);
    }
    forwarded.count(context);
    end_burst(shard, context);
}

fn end_burst<B>(shard: &mut Shard<B>, context: Context<'_>) {
    shard.table.settle();
    if !shard.passing.is_empty() {
        shard.end_passing(context.servers, &context.tables.templates, context.link);
    }
}

/// One packet after the other to its end. `SIX`: there may be IPv6 among those of connections.
#[inline(always)]
fn go_through<B: PacketBuf, const SIX: bool>(
    burst: &mut Burst<B>,
    forwarded: &mut Forwarded,
    shard: &mut Shard<B>,
    context: Context<'_>,
    alloc: &mut impl FnMut() -> Option<B>,
) {
    let Burst { packets, meta, changes, .. } = burst;
    let watch_servers = track::ends_without_server(context);
    for (packet, meta) in packets.drain(..).zip(meta) {
        let mut confirmed = shard.table.confirm(meta.candidate, *changes, &meta.tuple);
        if SIX && meta.kind == Kind::Transport6 {
            confirmed = lookup::confirm_addresses(confirmed, packet.data(), meta, &shard.table);
        }
        let packet = match confirmed {
            Confirmed::Reply(conn) => {
                usual::run::<B, SIX>(packet, meta, (conn, Direction::Reply), forwarded, shard, context, alloc)
            }
            Confirmed::Request(conn) if !watch_servers && !track::may_take_the_tuple(meta) => {
                usual::run::<B, SIX>(packet, meta, (conn, Direction::Request), forwarded, shard, context, alloc)
            }
            Confirmed::Request(_) | Confirmed::Unknown => {
                decide(&packet, meta, shard, context);
                usual::at_once::<B, SIX>(packet, meta, forwarded, shard, context)
            }
        };
        if let Some(mut packet) = packet {
            rewrite::run(&mut packet, meta, shard, context);
            resolve::run(packet, meta, forwarded, shard, context, alloc);
        }
    }
}

/// Any other.
fn decide<B: PacketBuf>(packet: &B, meta: &mut Meta, shard: &mut Shard<B>, context: Context<'_>) {
    if meta.step == Step::Undecided {
        meta.step = decide::run(packet.data(), meta, shard, context);
    }
}

/// The same, stage by stage, so that eyes can look between them.
fn stop_at_stages<B: PacketBuf>(
    burst: &mut Burst<B>,
    forwarded: &mut Forwarded,
    shard: &mut Shard<B>,
    context: Context<'_>,
    alloc: &mut impl FnMut() -> Option<B>,
    eyes: &mut impl Eyes<B>,
) {
    for (packet, meta) in burst.packets.iter().zip(&mut burst.meta) {
        decide(packet, meta, shard, context);
    }
    shard.table.settle();
    eyes.after(Stage::Decide, burst, shard, context);
    for (packet, meta) in burst.packets.iter_mut().zip(&mut burst.meta) {
        rewrite::run(packet, meta, shard, context);
    }
    eyes.after(Stage::Rewrite, burst, shard, context);
    for (packet, meta) in burst.packets.drain(..).zip(&burst.meta) {
        resolve::run(packet, meta, forwarded, shard, context, alloc);
    }
}

/// Takes over a packet that another worker has put together of pieces.
pub fn whole<B: PacketBuf>(
    crossing: WholeCrossing,
    shard: &mut Shard<B>,
    context: Context<'_>,
    alloc: &mut impl FnMut() -> Option<B>,
) {
    // Whoever followed a piece of it saw it cross, and no more.
    if let Some(observer) = &shard.observer {
        observer.end(crossing.mark);
    }
    gather::whole(crossing.datagram, crossing.arrival, Mark::default(), shard, context, alloc);
    end_burst(shard, context);
}

/// Ends what waits for pieces that do not come, at most `budget` packets. Returns how many.
pub fn expire_fragments<B: PacketBuf>(
    shard: &mut Shard<B>,
    context: Context<'_>,
    budget: usize,
    alloc: &mut impl FnMut() -> Option<B>,
) -> usize {
    gather::expire(shard, context, budget, alloc)
}

/// Sends a packet that another worker has finished.
pub fn leave<B: PacketBuf>(
    packet: B,
    port: u16,
    ending: Ending,
    mark: Mark,
    shard: &mut Shard<B>,
    context: Context<'_>,
) {
    let Some(observer) = shard.observer.take() else { return resolve::leave(packet, port, ending, shard, context) };
    observe::leave(&observer, packet, (port, ending, mark), shard, context);
    shard.observer = Some(observer);
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

/// Ends what waits for a neighbour that does not answer. Returns how many packets that were.
pub fn fail<B: PacketBuf>(
    shard: &mut Shard<B>,
    context: Context<'_>,
    neighbor: (u16, std::net::IpAddr),
    alloc: &mut impl FnMut() -> Option<B>,
) -> usize {
    let Some(observer) = shard.observer.take() else {
        return resolve::fail(shard, context, neighbor, alloc, &mut Blind);
    };
    let ended = resolve::fail(shard, context, neighbor, alloc, &mut Releases::new(&observer));
    shard.observer = Some(observer);
    ended
}

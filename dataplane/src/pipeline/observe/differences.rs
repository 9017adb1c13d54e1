//! What something led to: frames that were not in the output queues before, counters that moved, a packet that waits.

use crate::packet::Watchers;
use crate::pipeline::leave::park::waiting;
use crate::pipeline::scene::Context;
use crate::port::PacketBuf;
use crate::shard::Shard;
use crate::trace::{Left, Observer, Outcome, Outline, Way};
use crate::wire::ethernet::{Header, MacAddr};
use crate::wire::vlan::Lan;

/// Counters that say nothing of how a packet ends.
const NO_VERDICT: [&str; 7] =
    ["received", "taken", "parked", "reassembled", "connections_made", "connections_ended", "signposts_lost"];
/// Counters that say of a packet that waits how another one ended, whose place it took.
const OF_THE_DISPLACED: [&str; 2] = ["drop_park_full", "sent_lost"];

/// How things stood before. Queues only grow between two looks: what is in them leaves at the end of the turn.
pub(super) struct Before {
    queues: Vec<usize>,
    arrivals: u64,
    counters: Vec<(&'static str, u64)>,
}

impl Before {
    pub(super) fn of<B>(shard: &Shard<B>, context: Context<'_>) -> Self {
        Self {
            queues: shard.output.queues.iter().map(Vec::len).collect(),
            arrivals: shard.parking.arrivals(),
            counters: context.link.counters.read(),
        }
    }

    /// Frames that were queued since, with their ports.
    fn sent<'a, B>(&'a self, shard: &'a Shard<B>) -> impl Iterator<Item = (u16, &'a B)> {
        let fresh = shard.output.queues.iter().zip(&self.queues).map(|(queue, before)| &queue[*before..]);
        fresh.zip(0u16..).flat_map(|(frames, port)| frames.iter().map(move |frame| (port, frame)))
    }

    /// The outcome of a packet. What was sent is shown to those who want bytes.
    pub(super) fn end<B: PacketBuf>(
        &self,
        shard: &Shard<B>,
        context: Context<'_>,
        observer: &Observer,
        watchers: Watchers,
    ) -> Outcome {
        self.sent(shard).for_each(|(port, frame)| observer.show(watchers, Way::Out, port, frame.data()));
        let outcome = self.outcome(shard, context);
        if !outcome.goes_on() {
            observer.end(watchers);
        }
        outcome
    }

    fn outcome<B: PacketBuf>(&self, shard: &Shard<B>, context: Context<'_>) -> Outcome {
        let mut outcome = Outcome::default();
        let waits = shard.parking.arrivals() > self.arrivals;
        let silent = |name: &str| NO_VERDICT.contains(&name) || waits && OF_THE_DISPLACED.contains(&name);
        for ((name, now), (_, before)) in context.link.counters.read().into_iter().zip(&self.counters) {
            if now != *before && !silent(name) {
                let _ = outcome.counters.try_push(name);
            }
        }
        for (port, frame) in self.sent(shard) {
            let frame = frame.data();
            let mac = Header::parse(frame).map_or(MacAddr::default(), |header| header.dst);
            let left = Left { lan: Lan::of(port, frame), mac, length: frame.len() as u32, outline: Outline::of(frame) };
            let _ = outcome.sent.try_push(left);
        }
        if waits {
            outcome.waits = shard.parking.newest().map(waiting);
        }
        outcome
    }
}

//! A worker at its work: what it owns, what its packets consult, and where new buffers come from, in one value.

use super::scene::{Context, Scene};
use crate::shard::Shard;
use crate::trace::Observer;
use crate::verdict::{Forward, Verdict};

/// What every step of a packet may need.
pub struct Desk<'a, B> {
    pub(crate) shard: &'a mut Shard<B>,
    pub(crate) context: Context<'a>,
    /// Who looks at packets, while somebody wants to.
    pub(crate) observer: Option<&'a Observer>,
    pub(crate) forwarded: Forwarded,
    source: &'a mut dyn FnMut() -> Option<B>,
}

impl<'a, B> Desk<'a, B> {
    /// A worker's, for one burst. `source` gives an empty buffer, if there is one.
    pub fn new(
        shard: &'a mut Shard<B>,
        context: &'a Scene<'a>,
        observer: Option<&'a Observer>,
        source: &'a mut dyn FnMut() -> Option<B>,
    ) -> Self {
        Self { shard, context, observer, forwarded: Forwarded::default(), source }
    }

    /// An empty buffer, if there is one.
    pub(crate) fn alloc(&mut self) -> Option<B> {
        (self.source)()
    }

    /// The burst has ended: reply keys that wait are linked, connections of one packet end, what was forwarded is counted.
    pub(crate) fn end_burst(&mut self) {
        self.forwarded.count(self.context);
        self.forwarded = Forwarded::default();
        let Self { shard, context, .. } = self;
        shard.table.settle();
        if !shard.passing.is_empty() {
            shard.end_passing(context.shared(), context.link);
        }
    }
}

/// Packets of a burst that were forwarded, by reason: counted once, at its end.
#[derive(Default)]
pub(crate) struct Forwarded([u64; COUNTERS]);

/// Room for counters, a power of two: what is counted needs no comparison.
const COUNTERS: usize = 16;
const _: () = assert!(Forward::ALL.len() <= COUNTERS);

impl Forwarded {
    /// One more.
    #[inline(always)]
    pub(crate) fn add(&mut self, counter: Forward) {
        self.0[counter as usize % COUNTERS] += 1;
    }

    fn count(&self, context: Context<'_>) {
        for (reason, n) in Forward::ALL.iter().zip(self.0).filter(|(_, n)| *n > 0) {
            context.link.counters.verdicts(Verdict::Forward(*reason), n);
        }
    }
}

//! What must add up whatever happened: packets and their verdicts, buffers, what servers count.

use std::sync::atomic::Ordering::Relaxed;

use dataplane::conn::flag;
use dataplane::fragments::{Fragments, MAX_BYTES, MAX_DATAGRAMS};
use dataplane::parking::Ending;
use dataplane::service::Cache;

use crate::lab::Lab;

impl Lab {
    /// Every received packet ended once or waits, and every buffer is where it should be.
    pub(crate) fn check_accounts(&mut self) {
        let counters = self.counters();
        let ends = ["forward_", "handoff_", "punt_", "answer_", "drop_"];
        let ended = counters.iter().filter(|(name, _)| ends.iter().any(|end| name.starts_with(end)));
        let ended: u64 = ended.map(|(_, value)| value).sum();
        let parked = self.parked();
        let waits = self.crew().flat_map(|worker| worker.shard().parking.iter());
        let received = waits.filter(|parked| matches!(parked.ending, Ending::Forward(_))).count() as u64;
        let stores = || self.crew().flat_map(|worker| [&worker.shard().fragments4, &worker.shard().fragments6]);
        let gathering: u64 = stores().map(Fragments::pieces).sum();
        let came = self.count("received") + self.count("taken") + self.count("reassembled");
        assert_eq!(came, ended + self.count("gathered") + gathering + received, "{counters:?}");
        assert!(stores().all(|store| store.bytes() <= MAX_BYTES && store.datagrams() <= MAX_DATAGRAMS));
        let outputs = || self.crew().map(|worker| &worker.shard().output);
        let queued = outputs().flat_map(|output| &output.queues).map(Vec::len).sum::<usize>()
            + outputs().map(|output| output.dropped.len()).sum::<usize>();
        let outstanding: i64 = self.crew_mut().flat_map(|worker| worker.ports_mut()).map(|port| port.outstanding).sum();
        assert_eq!(outstanding, (parked + queued) as i64, "buffers out, and buffers that wait");
    }

    /// Where destinations went, of services whose schedulers remember.
    fn caches(&self) -> impl Iterator<Item = &Cache> {
        self.tables.services.values().filter_map(|service| service.state.cache.as_ref())
    }

    /// Has schedulers forget where destinations went.
    pub(crate) fn forget_destinations(&self) {
        self.caches().for_each(|cache| cache.retire(&self.servers));
    }

    /// What servers count is what the connection table holds, and where destinations went.
    pub(crate) fn check_counts(&self) {
        let connections = self.connections();
        assert_eq!(self.crew().map(|worker| worker.shard().table.len() as usize).sum::<usize>(), connections.len());
        for slot in self.slots() {
            let of = |inactive: bool| {
                let mine =
                    connections.iter().filter(|(_, c)| c.server_slot() == slot && c.has(flag::INACTIVE) == inactive);
                mine.count() as u32
            };
            let state = self.state(slot);
            let counted = (state.active(), state.inactive());
            assert_eq!(counted, (of(false), of(true)), "active and inactive of slot {slot}");
            let remembered = self.caches().filter_map(|cache| cache.named().get(&slot).copied()).sum::<u32>();
            let named = 1 + counted.0 + counted.1 + state.persistent.load(Relaxed) + remembered;
            assert_eq!(state.names(), named, "references of slot {slot}");
        }
        let (made, ended) = (self.count("connections_made"), self.count("connections_ended"));
        assert_eq!(made - ended, connections.len() as u64);
    }
}

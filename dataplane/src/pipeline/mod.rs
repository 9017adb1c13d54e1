//! The packet's way: `parse -> steer -> lookup -> decide (classify, schedule, track) -> rewrite -> leave`.
//!
//! ```text
//! find/     what a packet is and what it belongs to          imports what is below the pipeline
//! decide/   what becomes of it                                and find/
//! leave/    it is changed and sent, kept, answered, dropped   and find/
//! stages    takes bursts through the three; beside it usual (the usual packet, in one go), whole (a packet that was
//!           reassembled), release (packets that waited), observe (while somebody looks, by eyes)
//! ```
//!
//! `decide/` and `leave/` do not know each other: what is decided is a [`crate::packet::Step`], which `leave/` carries out.
//! What any step may need is a [`Desk`]; what all consult, a [`Scene`].

mod decide;
mod desk;
mod eyes;
mod find;
mod leave;
mod observe;
mod release;
mod scene;
mod stages;
mod usual;
mod whole;

pub use desk::Desk;
pub use scene::Scene;

use eyes::Blind;
use observe::Releases;

use crate::handoff::WholeCrossing;
use crate::packet::{Arrival, Burst, Watchers};
use crate::parking::{Ending, Neighbor};
use crate::port::PacketBuf;

/// Takes a burst that arrived on `port` through every stage. Afterwards it is empty; what leaves is in the shard's
/// output queues, what is gone in its list of dropped buffers.
pub fn run<B: PacketBuf>(burst: &mut Burst<B>, port: u16, desk: &mut Desk<'_, B>) {
    if !desk.shard.station.is_alone() {
        let meta = burst.meta[..burst.packets.len()].iter_mut();
        meta.for_each(|meta| (meta.arrival, meta.watchers) = (Arrival::Device, Watchers::default()));
    }
    match desk.observer {
        None => stages::arrived(burst, port, desk, &mut Blind),
        Some(observer) => observe::run(observer, burst, port, desk),
    }
}

/// Takes a burst that other workers handed over through the same stages. How each packet came is noted in its
/// [`crate::packet::Meta`]: arrival, port and watchers.
pub fn run_handed<B: PacketBuf>(burst: &mut Burst<B>, desk: &mut Desk<'_, B>) {
    match desk.observer {
        None => stages::handed(burst, desk, &mut Blind),
        Some(observer) => observe::run_handed(observer, burst, desk),
    }
}

/// Takes over a packet that another worker has reassembled.
pub fn whole<B: PacketBuf>(crossing: WholeCrossing, desk: &mut Desk<'_, B>) {
    // Whoever followed a fragment of it saw it cross, and no more.
    if let Some(observer) = desk.observer {
        observer.end(crossing.watchers);
    }
    whole::run(crossing.datagram, crossing.arrival, Watchers::default(), desk);
    desk.end_burst();
}

/// Ends what waits for fragments that do not come, at most `budget` packets. Returns how many.
pub fn expire_fragments<B: PacketBuf>(desk: &mut Desk<'_, B>, budget: usize) -> usize {
    leave::gather::expire(desk, budget)
}

/// Sends a packet that another worker has finished.
pub fn leave<B: PacketBuf>(packet: B, port: u16, ending: Ending, watchers: Watchers, desk: &mut Desk<'_, B>) {
    match desk.observer {
        None => leave::depart::leave(packet, port, ending, desk),
        Some(observer) => observe::leave(observer, packet, (port, ending, watchers), desk),
    }
}

/// Sends what waited for neighbours that the tables know by now. Returns how many packets that were.
pub fn release<B: PacketBuf>(desk: &mut Desk<'_, B>) -> usize {
    match desk.observer {
        None => release::release(desk, &mut Blind),
        Some(observer) => release::release(desk, &mut Releases::new(observer)),
    }
}

/// Ends what waits for a neighbour that does not answer. Returns how many packets that were.
pub fn fail<B: PacketBuf>(neighbor: Neighbor, desk: &mut Desk<'_, B>) -> usize {
    match desk.observer {
        None => release::fail(neighbor, desk, &mut Blind),
        Some(observer) => release::fail(neighbor, desk, &mut Releases::new(observer)),
    }
}

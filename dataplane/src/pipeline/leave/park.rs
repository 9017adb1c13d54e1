//! Packets that wait for a neighbour, and what becomes of one whose place another takes.

use std::sync::atomic::Ordering::Relaxed;

use super::depart;
use crate::parking::{Ending, Parked};
use crate::pipeline::desk::Desk;
use crate::pipeline::scene::Context;
use crate::port::PacketBuf;
use crate::trace::{Later, Outcome, Outline, Sight, Waiting, Why};
use crate::verdict::{Drop, Sent};

/// Parks a packet, and asks control for the neighbour if it has not been. What loses its place to it ends.
pub(crate) fn park<B: PacketBuf>(parked: Parked<B>, desk: &mut Desk<'_, B>) {
    let displaced = desk.shard.parking.add(parked, |class, neighbor| desk.context.link.questions.ask(class, neighbor));
    let Some(displaced) = displaced else { return };
    let watchers = displaced.meta.watchers;
    if let Some(observer) = desk.observer.filter(|_| !watchers.is_none()) {
        observer.tell(watchers, &Sight::Later(Box::new(story_of(&displaced, desk.context))));
        observer.end(watchers);
    }
    count_unresolved(&displaced, desk.context);
    depart::lose(displaced.packet, displaced.ending, Drop::ParkFull, desk);
}

/// The server of a packet that waited in vain counts it.
pub(crate) fn count_unresolved<B>(parked: &Parked<B>, context: Context<'_>) {
    if let Some(server) = context.servers.get(parked.server) {
        server.unresolved.fetch_add(1, Relaxed);
    }
}

/// What became of a packet that waited and lost its place.
fn story_of<B: PacketBuf>(parked: &Parked<B>, context: Context<'_>) -> Later {
    let mut outcome = Outcome::default();
    outcome.counters.push(match parked.ending {
        Ending::Forward(_) => Drop::ParkFull.name(),
        Ending::Own(_) => Sent::Lost.name(),
    });
    let why = Why::Waited(waiting(parked), parked.since.until(context.now));
    Later { outline: Outline::of(parked.packet.data()), why, outcome }
}

pub(crate) fn waiting<B>(parked: &Parked<B>) -> Waiting {
    let (interface, neighbor) = parked.neighbor;
    Waiting { interface, neighbor, own: matches!(parked.ending, Ending::Own(_)) }
}

//! Between workers: packets that arrived where they do not belong, and signposts. One bounded ring of each kind for every
//! ordered pair of workers, single producer, single consumer. A full ring takes nothing and never blocks.

use rtrb::{Consumer, Producer, RingBuffer};

use crate::flow::Tuple;
use crate::fragments::Datagram;
use crate::packet::{Arrival, Watchers};
use crate::parking::Ending;

/// Packets on their way from one worker to another, at most.
pub const PACKETS: usize = 1024;
/// Signposts on their way from one worker to another, at most.
pub const SIGNS: usize = 1024;

/// Why a packet crosses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// It belongs there by the landing function.
    Land,
    /// A signpost says that it is a reply of this connection.
    Reply {
        /// Its index at home.
        conn: u32,
    },
    /// It is finished, and that worker sends by its port.
    Leave(Ending),
}

/// A packet that crosses.
#[derive(Debug)]
pub struct Crossing<B> {
    /// The packet.
    pub packet: B,
    /// The port it came by, or leaves by.
    pub port: u16,
    /// Why.
    pub errand: Errand,
    /// Who follows it.
    pub watchers: Watchers,
}

/// Packets put together of fragments on their way from one worker to another, at most.
pub const WHOLES: usize = 64;

/// A packet that crosses after it was put together of fragments.
#[derive(Debug)]
pub struct WholeCrossing {
    /// The packet.
    pub datagram: Box<Datagram>,
    /// Why it crosses.
    pub arrival: Arrival,
    /// Who follows it.
    pub watchers: Watchers,
}

/// What becomes of the signpost of a connection, which is an index at the worker that says so.
#[derive(Clone, Copy, Debug)]
pub enum Sign {
    /// It goes up: replies with this key are the connection's.
    Up {
        /// The reply key.
        key: Tuple,
        /// The connection.
        conn: u32,
    },
    /// It comes down.
    Down {
        /// The connection.
        conn: u32,
    },
}

/// The rings to and from one other worker.
#[derive(Debug)]
pub struct Peer<B> {
    /// The other worker.
    pub worker: u16,
    /// Packets from it.
    pub arriving: Consumer<Crossing<B>>,
    /// Signposts from it.
    pub signs: Consumer<Sign>,
    /// Packets from it that were put together of fragments.
    pub wholes: Consumer<WholeCrossing>,
    departing: Producer<Crossing<B>>,
    departing_wholes: Producer<WholeCrossing>,
    telling: Producer<Sign>,
}

/// One worker's ends of all rings.
#[derive(Debug)]
pub struct Mesh<B> {
    /// The others, in order.
    pub peers: Vec<Peer<B>>,
}

impl<B> Mesh<B> {
    /// Of a worker that has no others.
    #[must_use]
    pub fn alone() -> Self {
        Self { peers: Vec::new() }
    }

    /// Bytes of the rings of so many workers.
    #[must_use]
    pub const fn bytes(workers: usize) -> usize {
        workers * (workers - 1) * (PACKETS * size_of::<Crossing<B>>() + SIGNS * size_of::<Sign>())
    }

    /// For so many workers, one each.
    #[must_use]
    pub fn of(workers: u16) -> Vec<Self> {
        let mut meshes: Vec<Self> = (0..workers).map(|_| Self::alone()).collect();
        for a in 0..workers {
            for b in a + 1..workers {
                let (there, from_a) = RingBuffer::new(PACKETS);
                let (back, from_b) = RingBuffer::new(PACKETS);
                let (tell_b, signs_of_a) = RingBuffer::new(SIGNS);
                let (tell_a, signs_of_b) = RingBuffer::new(SIGNS);
                let (whole_there, wholes_from_a) = RingBuffer::new(WHOLES);
                let (whole_back, wholes_from_b) = RingBuffer::new(WHOLES);
                let at_a = Peer {
                    worker: b,
                    arriving: from_b,
                    signs: signs_of_b,
                    wholes: wholes_from_b,
                    departing: there,
                    departing_wholes: whole_there,
                    telling: tell_b,
                };
                let at_b = Peer {
                    worker: a,
                    arriving: from_a,
                    signs: signs_of_a,
                    wholes: wholes_from_a,
                    departing: back,
                    departing_wholes: whole_back,
                    telling: tell_a,
                };
                meshes[usize::from(a)].peers.push(at_a);
                meshes[usize::from(b)].peers.push(at_b);
            }
        }
        meshes.iter_mut().for_each(|mesh| mesh.peers.sort_by_key(|peer| peer.worker));
        meshes
    }

    /// Peers are all workers but this one, so one's place is its number, or one less.
    fn peer(&mut self, worker: u16) -> Option<&mut Peer<B>> {
        let at = usize::from(worker);
        let at = if self.peers.get(at).is_some_and(|peer| peer.worker == worker) { at } else { at.wrapping_sub(1) };
        self.peers.get_mut(at).filter(|peer| peer.worker == worker)
    }

    /// Sends a packet to another worker, or gives it back where the ring is full.
    pub fn send(&mut self, worker: u16, crossing: Crossing<B>) -> Result<(), B> {
        match self.peer(worker) {
            Some(peer) => peer.departing.push(crossing).map_err(|rtrb::PushError::Full(crossing)| crossing.packet),
            None => Err(crossing.packet),
        }
    }

    /// Sends a packet that was put together to another worker; `false` where the ring is full, and the packet is gone.
    pub fn send_whole(&mut self, worker: u16, crossing: WholeCrossing) -> bool {
        self.peer(worker).is_some_and(|peer| peer.departing_wholes.push(crossing).is_ok())
    }

    /// Packets that wait for another worker, and signposts that do: of the fullest ring of each kind.
    #[must_use]
    pub fn waiting(&self) -> (usize, usize) {
        let rings = self.peers.iter().map(|peer| (PACKETS - peer.departing.slots(), SIGNS - peer.telling.slots()));
        rings.fold((0, 0), |(packets, signs), ring| (packets.max(ring.0), signs.max(ring.1)))
    }

    /// Whether another worker can be told of a signpost now.
    pub fn can_tell(&mut self, worker: u16) -> bool {
        self.peer(worker).is_some_and(|peer| !peer.telling.is_full())
    }

    /// Tells another worker of a signpost; `false` where the ring is full.
    pub fn tell(&mut self, worker: u16, sign: Sign) -> bool {
        self.peer(worker).is_some_and(|peer| peer.telling.push(sign).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_has_its_rings_and_full_ones_give_back() {
        let mut meshes = Mesh::<u32>::of(4);
        for from in 0..4u16 {
            for to in (0..4u16).filter(|to| *to != from) {
                let packet = u32::from(from) * 10 + u32::from(to);
                let crossing = Crossing { packet, port: 0, errand: Errand::Land, watchers: Watchers::default() };
                meshes[usize::from(from)].send(to, crossing).expect("an empty ring");
            }
        }
        for (to, mesh) in meshes.iter_mut().enumerate() {
            let got: Vec<u32> =
                mesh.peers.iter_mut().map(|peer| peer.arriving.pop().map_or(99, |crossing| crossing.packet)).collect();
            let expected: Vec<u32> = (0..4).filter(|from| *from != to).map(|from| (from * 10 + to) as u32).collect();
            assert_eq!(got, expected);
        }
        let crossing = |packet| Crossing { packet, port: 0, errand: Errand::Land, watchers: Watchers::default() };
        let taken = (0..).take_while(|n| meshes[0].send(1, crossing(*n)).is_ok()).count();
        assert_eq!(taken, PACKETS);
        assert_eq!(meshes[0].send(1, crossing(7)), Err(7));
        assert_eq!(meshes[0].send(0, crossing(7)), Err(7), "nobody crosses to himself");
    }
}

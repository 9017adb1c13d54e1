//! A device as the generator uses it: its queues, and frames that wait for a place in their rings.

use dataplane::port::{Port, RxBurst};

/// Frames that may wait for one ring before no more are made.
const CROWD: usize = 64;

/// The queues of one device.
pub(crate) struct Door<P: Port> {
    lanes: Vec<Lane<P>>,
    turn: usize,
}

struct Lane<P: Port> {
    port: P,
    waiting: Vec<P::Buf>,
}

impl<P: Port> Door<P> {
    /// A door of these queues, at least one.
    pub(crate) fn new(queues: Vec<P>) -> Self {
        let lanes = queues.into_iter().map(|port| Lane { port, waiting: Vec::with_capacity(2 * CROWD) }).collect();
        Self { lanes, turn: 0 }
    }

    /// How many queues it has.
    pub(crate) fn width(&self) -> usize {
        self.lanes.len()
    }

    /// The queue whose turn it is.
    pub(crate) fn next(&mut self) -> usize {
        self.turn = (self.turn + 1) % self.lanes.len();
        self.turn
    }

    /// Takes what has arrived on a queue.
    pub(crate) fn receive(&mut self, lane: usize, burst: &mut RxBurst<P::Buf>) -> usize {
        self.lanes[lane].port.rx_burst(burst)
    }

    /// An empty buffer; all queues take theirs from one pool.
    pub(crate) fn alloc(&mut self) -> Option<P::Buf> {
        self.lanes[0].port.alloc()
    }

    /// Gives buffers back.
    pub(crate) fn free(&mut self, buffers: &mut Vec<P::Buf>) {
        self.lanes[0].port.free_bulk(buffers);
    }

    /// Puts a frame before a queue.
    pub(crate) fn push(&mut self, lane: usize, frame: P::Buf) {
        self.lanes[lane].waiting.push(frame);
    }

    /// Sends what the rings take. Returns how many frames went.
    pub(crate) fn flush(&mut self) -> usize {
        self.lanes.iter_mut().map(|lane| lane.port.tx_burst(&mut lane.waiting)).sum()
    }

    /// Whether a ring is so far behind that no more frames should be made.
    pub(crate) fn is_crowded(&self) -> bool {
        self.lanes.iter().any(|lane| lane.waiting.len() >= CROWD)
    }

    /// Takes back what no ring took. Returns how many frames these were.
    pub(crate) fn withdraw(&mut self) -> usize {
        self.lanes
            .iter_mut()
            .map(|lane| {
                let n = lane.waiting.len();
                lane.port.free_bulk(&mut lane.waiting);
                n
            })
            .sum()
    }
}

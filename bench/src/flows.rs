//! A port that deals out packets of many flows, and the memory they lie in.

use std::cell::RefCell;
use std::rc::Rc;

use dataplane::port::{PacketBuf, Port, RxBurst};

/// Bytes of an IPv4 frame without its checksum sequence, the shortest there is.
pub(crate) const FRAME: usize = 60;
/// Bytes of an IPv6 frame with a TCP header.
pub(crate) const FRAME6: usize = 74;
const HEADROOM: u16 = 128;
const ROOM: usize = 252;

/// A packet: one pointer, as a driver's, to a descriptor and the bytes behind it.
#[derive(Debug)]
pub(crate) struct FlowBuf(Box<Memory>);

#[derive(Debug)]
#[repr(C, align(64))]
struct Memory {
    start: u16,
    len: u16,
    room: [u8; ROOM],
}

impl FlowBuf {
    fn new() -> Self {
        Self(Box::new(Memory { start: HEADROOM, len: 0, room: [0; ROOM] }))
    }

    fn range(&self) -> std::ops::Range<usize> {
        usize::from(self.0.start)..usize::from(self.0.start) + usize::from(self.0.len)
    }
}

impl PacketBuf for FlowBuf {
    #[inline]
    fn data(&self) -> &[u8] {
        &self.0.room[self.range()]
    }

    #[inline]
    fn data_mut(&mut self) -> &mut [u8] {
        let range = self.range();
        &mut self.0.room[range]
    }

    #[inline]
    fn set_len(&mut self, len: usize) -> bool {
        let fits = usize::from(self.0.start) + len <= ROOM;
        if fits {
            self.0.len = len as u16;
        }
        fits
    }

    fn prepend(&mut self, n: usize) -> bool {
        let fits = n <= usize::from(self.0.start);
        if fits {
            self.0.start -= n as u16;
            self.0.len += n as u16;
        }
        fits
    }

    #[inline]
    fn adj(&mut self, n: usize) -> bool {
        let fits = n <= usize::from(self.0.len);
        if fits {
            self.0.start += n as u16;
            self.0.len -= n as u16;
        }
        fits
    }
}

/// The buffers that all ports of a worker share, as a driver's pool: the one given back last is taken first.
type Pool = Rc<RefCell<Vec<FlowBuf>>>;

/// A port whose wire is a list of frames of `N` bytes, in order of arrival. What it sends goes back to the pool.
#[derive(Debug)]
pub(crate) struct FlowPort<const N: usize> {
    wire: Vec<[u8; N]>,
    at: usize,
    pool: Pool,
}

impl<const N: usize> FlowPort<N> {
    /// Two ports that share a pool.
    pub(crate) fn pair() -> [Self; 2] {
        let pool = Pool::default();
        [0, 1].map(|_| Self { wire: Vec::new(), at: 0, pool: Rc::clone(&pool) })
    }

    /// Has these frames arrive next.
    pub(crate) fn arrive(&mut self, frames: impl Iterator<Item = [u8; N]>) {
        self.wire.clear();
        self.wire.extend(frames);
        self.at = 0;
    }

    /// Has the same frames arrive again.
    pub(crate) fn again(&mut self) {
        self.at = 0;
    }

    /// Frames that have not arrived yet.
    pub(crate) fn left(&self) -> usize {
        self.wire.len() - self.at
    }
}

impl<const N: usize> Port for FlowPort<N> {
    type Buf = FlowBuf;

    fn rx_burst(&mut self, out: &mut RxBurst<FlowBuf>) -> usize {
        let end = (self.at + out.remaining_capacity()).min(self.wire.len());
        let before = out.len();
        let mut pool = self.pool.borrow_mut();
        for frame in &self.wire[self.at..end] {
            let mut buffer = pool.pop().unwrap_or_else(FlowBuf::new);
            buffer.0.start = HEADROOM;
            buffer.0.len = N as u16;
            buffer.data_mut().copy_from_slice(frame);
            out.push(buffer);
        }
        self.at = end;
        out.len() - before
    }

    fn tx_burst(&mut self, packets: &mut Vec<FlowBuf>) -> usize {
        let n = packets.len();
        self.pool.borrow_mut().append(packets);
        n
    }

    fn alloc(&mut self) -> Option<FlowBuf> {
        let mut buffer = self.pool.borrow_mut().pop().unwrap_or_else(FlowBuf::new);
        buffer.0.start = HEADROOM;
        buffer.0.len = 0;
        Some(buffer)
    }

    fn free_bulk(&mut self, packets: &mut Vec<FlowBuf>) {
        self.pool.borrow_mut().append(packets);
    }
}

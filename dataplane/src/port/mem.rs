//! A port made of two queues in memory, for tests and benches.

use std::collections::VecDeque;

use super::{PacketBuf, Port, RxBurst};

const HEADROOM: usize = 128;
const DATA_ROOM: usize = 9728;

/// A heap buffer that behaves like a driver's: headroom in front, tailroom behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemBuf {
    room: Vec<u8>,
    start: usize,
    end: usize,
}

impl MemBuf {
    /// An empty buffer with headroom.
    #[must_use]
    pub fn empty() -> Self {
        Self { room: vec![0; HEADROOM + 256], start: HEADROOM, end: HEADROOM }
    }

    /// A buffer that holds `frame`.
    #[must_use]
    pub fn from_frame(frame: &[u8]) -> Self {
        let mut buf = Self::empty();
        let fits = buf.set_len(frame.len());
        assert!(fits, "a frame of {} bytes is larger than a buffer", frame.len());
        buf.data_mut().copy_from_slice(frame);
        buf
    }
}

impl PacketBuf for MemBuf {
    fn data(&self) -> &[u8] {
        &self.room[self.start..self.end]
    }

    fn data_mut(&mut self) -> &mut [u8] {
        &mut self.room[self.start..self.end]
    }

    fn set_len(&mut self, len: usize) -> bool {
        if len > DATA_ROOM {
            return false;
        }
        self.end = self.start + len;
        if self.room.len() < self.end {
            self.room.resize(self.end, 0);
        }
        true
    }

    fn prepend(&mut self, n: usize) -> bool {
        let fits = n <= self.start;
        if fits {
            self.start -= n;
        }
        fits
    }

    fn adj(&mut self, n: usize) -> bool {
        let fits = n <= self.end - self.start;
        if fits {
            self.start += n;
        }
        fits
    }
}

/// Two queues: what the test injected, and what the director sent.
#[derive(Debug, Default)]
pub struct MemPort {
    /// Frames waiting to be received.
    pub rx: VecDeque<MemBuf>,
    /// Frames sent, oldest first.
    pub tx: VecDeque<MemBuf>,
    /// Most frames `tx` may hold; `None` = no bound. A full queue takes nothing more, as a ring does.
    pub tx_limit: Option<usize>,
    /// Longest frame that `inject` leaves whole; `None` = no bound.
    pub cuts_at: Option<usize>,
    /// The pool is empty: `alloc` has nothing to give.
    pub exhausted: bool,
    /// Buffers handed out by `alloc` and by `rx` less those given back: what a pool would miss.
    pub outstanding: i64,
}

impl MemPort {
    /// Queues a frame for reception.
    pub fn inject(&mut self, frame: &[u8]) {
        self.rx.push_back(MemBuf::from_frame(&frame[..frame.len().min(self.cuts_at())]));
    }

    /// Takes everything sent so far.
    pub fn drain(&mut self) -> Vec<Vec<u8>> {
        self.tx.drain(..).map(|b| b.data().to_vec()).collect()
    }
}

impl Port for MemPort {
    type Buf = MemBuf;

    fn rx_burst(&mut self, out: &mut RxBurst<MemBuf>) -> usize {
        let n = self.rx.len().min(out.remaining_capacity());
        out.extend(self.rx.drain(..n));
        self.outstanding += n as i64;
        n
    }

    fn cuts_at(&self) -> usize {
        self.cuts_at.unwrap_or(usize::MAX)
    }

    fn tx_burst(&mut self, packets: &mut Vec<MemBuf>) -> usize {
        let room = self.tx_limit.map_or(usize::MAX, |limit| limit.saturating_sub(self.tx.len()));
        let n = packets.len().min(room);
        self.tx.extend(packets.drain(..n));
        self.outstanding -= n as i64;
        n
    }

    fn alloc(&mut self) -> Option<MemBuf> {
        if self.exhausted {
            return None;
        }
        self.outstanding += 1;
        Some(MemBuf::empty())
    }

    fn free_bulk(&mut self, packets: &mut Vec<MemBuf>) {
        self.outstanding -= packets.len() as i64;
        packets.clear();
    }
}

//! The door that drivers fit: one receive/transmit queue pair of one device, and a packet's memory.
//!
//! The core defines these traits; DPDK implements them outside, [`mem`] implements them for tests.

pub mod mem;

use arrayvec::ArrayVec;

/// Packets moved across a door at once. 64 hides two memory latencies behind each other.
pub const BURST: usize = 64;

/// Received packets, in order of arrival.
pub type RxBurst<B> = ArrayVec<B, BURST>;

/// One packet in one contiguous piece of memory.
///
/// Dropping a buffer gives it back, but that is the safety net (drivers count it): the pipeline collects what it
/// drops and frees in bulk through [`Port::free_bulk`].
pub trait PacketBuf: Sized {
    /// The frame from its first byte.
    fn data(&self) -> &[u8];
    /// The frame from its first byte, writable.
    fn data_mut(&mut self) -> &mut [u8];
    /// Bytes of the frame.
    fn len(&self) -> usize {
        self.data().len()
    }
    /// Whether the frame has no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Sets the length; `false` and unchanged where the room behind the data does not suffice.
    fn set_len(&mut self, len: usize) -> bool;
    /// Opens `n` bytes in front of the frame; `false` and unchanged where the headroom does not suffice.
    fn prepend(&mut self, n: usize) -> bool;
    /// Removes `n` bytes from the front; `false` and unchanged where the frame is shorter.
    fn adj(&mut self, n: usize) -> bool;
}

/// One receive queue and one transmit queue of a device, owned by one worker.
pub trait Port {
    /// The packets it moves.
    type Buf: PacketBuf;

    /// Appends what has arrived to `out`, at most its free room. Returns how many.
    fn rx_burst(&mut self, out: &mut RxBurst<Self::Buf>) -> usize;

    /// Bytes of the longest frame that it delivers whole, where it cuts longer ones instead of losing them.
    fn cuts_at(&self) -> usize {
        usize::MAX
    }

    /// Sends from the front of `packets` and removes what the device took. Returns how many; the rest stays, in order.
    fn tx_burst(&mut self, packets: &mut Vec<Self::Buf>) -> usize;

    /// An empty buffer (length 0) with headroom, from the pool this port fills from; `None` when it is exhausted.
    fn alloc(&mut self) -> Option<Self::Buf>;

    /// Gives buffers back, all at once. `packets` is empty afterwards.
    fn free_bulk(&mut self, packets: &mut Vec<Self::Buf>);
}

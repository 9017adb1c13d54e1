//! One packet of a pool: a pointer that owns it. Moving it costs a register, and nothing is looked up to drop it.

use std::fmt;
use std::mem::{self, offset_of};
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};

use dataplane::port::PacketBuf;
use dpdk_sys::rte_mbuf;

static FREED_BY_DROP: AtomicU64 = AtomicU64::new(0);

/// Packets that nobody freed in bulk; the safety net should count nothing.
pub(crate) fn freed_by_drop() -> u64 {
    FREED_BY_DROP.load(Ordering::Relaxed)
}

/// One packet in one segment, owned.
///
/// Same layout as `*mut rte_mbuf`, so that arrays of one are arrays of the other.
#[repr(transparent)]
pub(crate) struct Mbuf(NonNull<rte_mbuf>);

// What bindgen understood of the structure is what DPDK's ABI says.
const _: () = assert!(mem::size_of::<rte_mbuf>() == 128 && mem::size_of::<Mbuf>() == 8);
const _: () = assert!(offset_of!(rte_mbuf, data_off) == 16 && offset_of!(rte_mbuf, pkt_len) == 36);
const _: () = assert!(offset_of!(rte_mbuf, data_len) == 40 && offset_of!(rte_mbuf, buf_len) == 54);
const _: () = assert!(offset_of!(rte_mbuf, pool) == 56 && offset_of!(rte_mbuf, next) == 64);

// SAFETY: a packet has one owner, and pools take packets back from any thread.
unsafe impl Send for Mbuf {}

impl Mbuf {
    /// Takes ownership.
    ///
    /// # Safety
    /// `raw` points to a packet of a live pool, in one segment (see [`Mbuf::segments`]) that nobody else refers to.
    pub(super) unsafe fn from_raw(raw: NonNull<rte_mbuf>) -> Self {
        Self(raw)
    }

    fn raw(&self) -> &rte_mbuf {
        // SAFETY: owned, so it lives (pools stay while packets are out) and only its owner writes.
        unsafe { self.0.as_ref() }
    }

    fn raw_mut(&mut self) -> &mut rte_mbuf {
        // SAFETY: as in `raw`; the borrow is exclusive.
        unsafe { self.0.as_mut() }
    }

    /// The packet as DPDK wants it; still owned by `self`.
    pub(super) fn as_ptr(&mut self) -> *mut rte_mbuf {
        self.0.as_ptr()
    }

    /// Segments of the packet. More than one only between the driver and the door, which makes one of them.
    pub(crate) fn segments(&self) -> u16 {
        self.raw().nb_segs
    }

    /// Bytes that can be opened in front of the frame.
    pub(crate) fn headroom(&self) -> usize {
        usize::from(self.raw().data_off)
    }

    /// Bytes from the frame's first to the end of the buffer.
    fn room(&self) -> usize {
        usize::from(self.raw().buf_len).saturating_sub(self.headroom())
    }

    /// Moves the frame's first byte; the caller has checked the bounds.
    fn place(&mut self, start: usize, len: usize) {
        let raw = self.raw_mut();
        debug_assert!(start + len <= usize::from(raw.buf_len));
        // The bounds checked were those of a 16-bit buffer.
        raw.data_off = start as u16;
        raw.data_len = len as u16;
        raw.pkt_len = len as u32;
    }
}

impl PacketBuf for Mbuf {
    fn data(&self) -> &[u8] {
        let raw = self.raw();
        // SAFETY: data_off + data_len <= buf_len: drivers keep it, and so does `place`. Pool memory is mapped, hence
        // initialised, and the packet is borrowed.
        unsafe {
            slice::from_raw_parts(raw.buf_addr.cast::<u8>().add(usize::from(raw.data_off)), usize::from(raw.data_len))
        }
    }

    fn data_mut(&mut self) -> &mut [u8] {
        let raw = self.raw_mut();
        // SAFETY: as in `data`; the borrow is exclusive.
        unsafe {
            slice::from_raw_parts_mut(
                raw.buf_addr.cast::<u8>().add(usize::from(raw.data_off)),
                usize::from(raw.data_len),
            )
        }
    }

    fn len(&self) -> usize {
        usize::from(self.raw().data_len)
    }

    fn set_len(&mut self, len: usize) -> bool {
        let fits = len <= self.room();
        if fits {
            self.place(self.headroom(), len);
        }
        fits
    }

    fn prepend(&mut self, n: usize) -> bool {
        let fits = n <= self.headroom();
        if fits {
            self.place(self.headroom() - n, self.len() + n);
        }
        fits
    }

    fn adj(&mut self, n: usize) -> bool {
        let fits = n <= self.len();
        if fits {
            self.place(self.headroom() + n, self.len() - n);
        }
        fits
    }
}

impl Drop for Mbuf {
    fn drop(&mut self) {
        FREED_BY_DROP.fetch_add(1, Ordering::Relaxed);
        // SAFETY: owned, and its pool stays while packets are out.
        unsafe { dpdk_sys::shim_rte_pktmbuf_free(self.0.as_ptr()) };
    }
}

impl fmt::Debug for Mbuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mbuf").field("len", &self.len()).field("headroom", &self.headroom()).finish_non_exhaustive()
    }
}

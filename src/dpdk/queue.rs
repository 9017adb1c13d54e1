//! One receive and one transmit queue of a device: the door that the dataplane defines, in terms of DPDK.
//!
//! A burst crosses into C once. Received pointers land where the caller keeps its packets, and sent ones leave from
//! there: [`Mbuf`] is a pointer, so nothing is copied.

use std::cell::Cell;
use std::ffi::c_uint;
use std::marker::PhantomData;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dataplane::port::{Port, RxBurst};
use dpdk_sys::rte_mbuf;

use super::eth_dev::Device;
use super::mbuf::Mbuf;
use super::mempool::{self, Mempool};

/// Packets that arrived in several segments. Rare, so the queues of a device share them.
#[derive(Debug, Default)]
pub(super) struct Chained {
    /// Made one segment.
    pub(super) linearised: AtomicU64,
    /// Larger than a buffer, dropped.
    pub(super) dropped: AtomicU64,
}

/// A queue pair. Handed out once per device and number, so that its owner is the only thread at it.
#[derive(Debug)]
pub(crate) struct Queue {
    device: Arc<Device>,
    pool: Arc<Mempool>,
    index: u16,
    receives: bool,
    transmits: bool,
    cuts_at: usize,
    /// Packets given to the worker, less those that it gave back.
    handed_out: i64,
    _not_sync: PhantomData<Cell<()>>,
}

impl Queue {
    /// The caller hands out each index once.
    pub(super) fn new(device: Arc<Device>, index: u16, receives: bool, transmits: bool) -> Self {
        let (pool, cuts_at) = (Arc::clone(device.pool()), device.cuts_at());
        Self { device, pool, index, receives, transmits, cuts_at, handed_out: 0, _not_sync: PhantomData }
    }

    /// Makes one segment of each packet from `from` on, or drops it. Not inlined: almost no burst needs it.
    #[cold]
    #[inline(never)]
    fn linearise(&mut self, out: &mut RxBurst<Mbuf>, from: usize) -> usize {
        let (mut kept, mut refused) = (RxBurst::new(), Vec::new());
        for mut packet in out.drain(from..) {
            if packet.segments() > 1 {
                // SAFETY: the packet is ours; where it fails the packet is as it was.
                if unsafe { dpdk_sys::shim_rte_pktmbuf_linearize(packet.as_ptr()) } != 0 {
                    self.device.chained().dropped.fetch_add(1, Ordering::Relaxed);
                    refused.push(packet);
                    continue;
                }
                self.device.chained().linearised.fetch_add(1, Ordering::Relaxed);
            }
            kept.push(packet);
        }
        self.free_bulk(&mut refused);
        let n = kept.len();
        out.extend(kept);
        n
    }
}

impl Port for Queue {
    type Buf = Mbuf;

    fn rx_burst(&mut self, out: &mut RxBurst<Mbuf>) -> usize {
        let (before, room) = (out.len(), out.remaining_capacity());
        if !self.receives || room == 0 {
            return 0;
        }
        // SAFETY: there are `room` (at most 64) places behind `before`, and an Mbuf has the layout of the pointer
        // written. The device is started, and nobody else is at this queue.
        let n = usize::from(unsafe {
            let place = out.as_mut_ptr().add(before).cast::<*mut rte_mbuf>();
            dpdk_sys::shim_rte_eth_rx_burst(self.device.port(), self.index, place, room as u16)
        });
        debug_assert!(n <= room);
        self.handed_out += n as i64;
        // SAFETY: the driver wrote `n` packets there, not null, and gave them up.
        unsafe { out.set_len(before + n) };
        // The driver has just written these lines, so looking costs little.
        if out[before..].iter().any(|packet| packet.segments() != 1) {
            return self.linearise(out, before);
        }
        n
    }

    fn cuts_at(&self) -> usize {
        self.cuts_at
    }

    fn tx_burst(&mut self, packets: &mut Vec<Mbuf>) -> usize {
        if !self.transmits || packets.is_empty() {
            return 0;
        }
        let offered = packets.len().min(usize::from(u16::MAX)) as u16;
        let (start, len) = (packets.as_mut_ptr(), packets.len());
        // SAFETY: `offered` packets lie there, in the layout of pointers; the device is started, and nobody else is
        // at this queue. The driver keeps the first `n` of them.
        let n = usize::from(unsafe {
            dpdk_sys::shim_rte_eth_tx_burst(self.device.port(), self.index, start.cast::<*mut rte_mbuf>(), offered)
        });
        debug_assert!(n <= len);
        self.handed_out -= n as i64;
        // SAFETY: the first `n` are the driver's now and must not be dropped; the rest moves to the front, once.
        unsafe {
            ptr::copy(start.add(n), start, len - n);
            packets.set_len(len - n);
        }
        n
    }

    fn alloc(&mut self) -> Option<Mbuf> {
        self.pool.alloc().inspect(|_| self.handed_out += 1)
    }

    fn free_bulk(&mut self, packets: &mut Vec<Mbuf>) {
        let (start, len) = (packets.as_mut_ptr(), packets.len());
        self.handed_out -= len as i64;
        // SAFETY: from here on the vector owns none of them, and C frees each of them once.
        unsafe {
            packets.set_len(0);
            dpdk_sys::rte_pktmbuf_free_bulk(start.cast::<*mut rte_mbuf>(), len as c_uint);
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        mempool::settle(self.handed_out);
    }
}

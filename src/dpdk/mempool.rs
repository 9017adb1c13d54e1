//! Pools of packet memory. Each joined thread has a cache of its own in each pool; others go to the shared ring.

use std::ffi::{c_uint, c_void};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use dpdk_sys::{rte_mbuf, rte_mempool};
use rustix::mm::{Advice, madvise};

use super::eal::{Eal, Runtime, c_string};
use super::error::{Cause, Errno, Error};
use super::journal;
use super::mbuf::{self, Mbuf};

/// Bytes in front of every received or allocated frame, for headers to come. Drivers have it compiled in.
pub(crate) const HEADROOM: usize = dpdk_sys::RTE_PKTMBUF_HEADROOM as usize;
const _: () = assert!(HEADROOM >= 128, "the largest encapsulation needs 128 bytes of headroom");

/// Most packets a thread may keep to itself.
pub(crate) const CACHE_MAX: usize = dpdk_sys::RTE_MEMPOOL_CACHE_MAX_SIZE as usize;

/// Bytes of a frame that are not counted in the MTU: Ethernet, two VLAN tags, checksum.
pub(crate) const FRAME_OVERHEAD: usize = 14 + 8 + 4;

/// Bytes that a packet should hold behind the headroom for an interface of this MTU: the frame, the 66 bytes that
/// the kernel puts in front of one for af_packet, and whole kilobytes, never less than the two that most NICs fill.
pub(crate) const fn data_room_for(mtu: u16) -> usize {
    let wanted = (mtu as usize + FRAME_OVERHEAD + 66).next_multiple_of(1024);
    if wanted < 2048 { 2048 } else { wanted }
}

/// Packets that queues gave to their workers, less those that workers gave back by queues, of all queues that are gone.
static HANDED_OUT: AtomicI64 = AtomicI64::new(0);

/// A queue is gone that has handed out so many more packets than it took back.
pub(super) fn settle(handed_out: i64) {
    HANDED_OUT.fetch_add(handed_out, Ordering::Relaxed);
}

/// Packets that somebody in the process still has, once all queues are gone.
fn in_hands() -> i64 {
    HANDED_OUT.load(Ordering::Relaxed) - mbuf::freed_by_drop().cast_signed()
}

/// How to make a pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolConfig<'a> {
    /// Unique in the process, at most 25 characters.
    pub(crate) name: &'a str,
    /// Packets in it; one less than a power of two wastes no memory.
    pub(crate) count: usize,
    /// Packets each thread may keep to itself, at most [`CACHE_MAX`] and two thirds of `count`; 0 for none. A cache
    /// grows to one and a half times this, and what lies in it no other thread can take: count it into `count`.
    pub(crate) cache: usize,
    /// Bytes of a packet behind the headroom, see [`data_room_for`].
    pub(crate) data_room: usize,
    /// Memory node; `None` for any.
    pub(crate) socket: Option<u32>,
}

/// A pool of packets.
#[derive(Debug)]
pub(crate) struct Mempool {
    raw: NonNull<rte_mempool>,
    capacity: usize,
    data_room: usize,
    _runtime: Arc<Runtime>,
}

// SAFETY: the pool's ring is multi-producer and multi-consumer, its caches belong to one lcore id each, and an lcore
// id belongs to one thread at a time. Counting reads racily, which is its contract.
unsafe impl Send for Mempool {}
// SAFETY: as above.
unsafe impl Sync for Mempool {}

impl Mempool {
    /// Makes a pool, with all its memory.
    pub(crate) fn new(eal: &Eal, config: &PoolConfig<'_>) -> Result<Arc<Self>, Error> {
        let fail = |cause| Error::Pool { name: config.name.to_owned(), cause };
        let invalid = |said: String| fail(Cause { errno: Errno::Invalid, said: vec![said] });
        let room = u16::try_from(config.data_room + HEADROOM)
            .map_err(|_| invalid(format!("a packet has at most {} bytes", usize::from(u16::MAX) - HEADROOM)))?;
        let count = c_uint::try_from(config.count).map_err(|_| invalid("too many packets".to_owned()))?;
        let cache_max = CACHE_MAX.min(config.count * 2 / 3);
        if config.cache > cache_max {
            return Err(invalid(format!("a cache of it has at most {cache_max} packets, not {}", config.cache)));
        }
        let socket = config.socket.map_or(-1, u32::cast_signed);
        let name = c_string(config.name.to_owned())?;
        // SAFETY: the environment is up, the name is NUL-terminated and copied.
        let raw = journal::attempt_ptr(|| unsafe {
            dpdk_sys::rte_pktmbuf_pool_create(name.as_ptr(), count, config.cache as c_uint, 0, room, socket)
        })
        .map_err(fail)?;
        let pool = Self { raw, capacity: config.count, data_room: config.data_room, _runtime: eal.runtime() };
        let mut pages = Pages { length: size_of::<rte_mbuf>() + usize::from(room), failed: None };
        // SAFETY: the pool has just been made; the function is handed its packets, one after the other, and what it expects.
        unsafe { dpdk_sys::rte_mempool_obj_iter(raw.as_ptr(), Some(populate), (&raw mut pages).cast()) };
        pages.verdict().map_err(fail)?;
        Ok(Arc::new(pool))
    }

    /// Packets that can be taken: in the ring and in the threads' caches.
    pub(crate) fn available(&self) -> usize {
        // SAFETY: the pool lives.
        unsafe { dpdk_sys::rte_mempool_avail_count(self.raw.as_ptr()) as usize }
    }

    /// Packets that are out: in device rings, on their way, or lost.
    pub(crate) fn in_use(&self) -> usize {
        self.capacity.saturating_sub(self.available())
    }

    /// Packets in all.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Bytes of a packet behind the headroom.
    pub(crate) fn data_room(&self) -> usize {
        self.data_room
    }

    /// An empty packet with headroom; `None` where the pool is exhausted.
    pub(super) fn alloc(&self) -> Option<Mbuf> {
        // SAFETY: the pool lives, and was made for packets.
        let raw = unsafe { dpdk_sys::shim_rte_pktmbuf_alloc(self.raw.as_ptr()) };
        // SAFETY: a fresh packet has one segment and no other owner.
        NonNull::new(raw).map(|raw| unsafe { Mbuf::from_raw(raw) })
    }

    /// The pool as drivers want it.
    pub(super) fn as_ptr(&self) -> *mut rte_mempool {
        self.raw.as_ptr()
    }
}

/// The memory of a pool's packets, as it is walked through.
struct Pages {
    /// Of a packet.
    length: usize,
    /// Why there is no memory for a packet; the first that failed, and no other was tried.
    failed: Option<Errno>,
}

impl Pages {
    /// Whether packets have their memory, or get it as they are used.
    fn verdict(self) -> Result<(), Cause> {
        match self.failed {
            None => Ok(()),
            // Linux before 5.14 does not know of it.
            Some(Errno::Invalid) => {
                log::debug!("the kernel gives packet memory as it is used, not now");
                Ok(())
            }
            Some(errno) => Err(Cause { errno, said: vec!["the kernel has no memory for all its packets".to_owned()] }),
        }
    }
}

/// Has the kernel give the pages of a packet now, where it does so on first use (without huge pages): what is not there
/// fails at the start, and no packet waits for a page.
unsafe extern "C" fn populate(_: *mut rte_mempool, pages: *mut c_void, packet: *mut c_void, _: c_uint) {
    const PAGE: usize = 4096;
    // SAFETY: it is what `Mempool::new` hands in, and nobody else has it meanwhile.
    let pages = unsafe { &mut *pages.cast::<Pages>() };
    if pages.failed.is_some() {
        return;
    }
    let before = packet.addr() % PAGE;
    let start = packet.wrapping_byte_sub(before);
    // SAFETY: the pages around it are of the same mapping, DPDK's own, and their content stays.
    let told = unsafe { madvise(start, pages.length + before, Advice::LinuxPopulateWrite) };
    pages.failed = told.err().map(|error| Errno::returned(-error.raw_os_error()));
}

impl Drop for Mempool {
    fn drop(&mut self) {
        let (missing, in_hands) = (self.in_use(), in_hands());
        if missing == 0 || in_hands == 0 {
            // SAFETY: nobody takes packets (the last holder is here), and none will come back: those that are out are in
            // no hands of ours but with drivers that keep some when they close (af_xdp), and all devices are closed.
            unsafe { dpdk_sys::rte_mempool_free(self.raw.as_ptr()) };
        } else {
            log::warn!("{in_hands} packets were not returned to their pool: its memory is freed when the process ends");
            Runtime::keep_memory();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ptr::{null_mut, without_provenance_mut};

    use super::*;

    #[test]
    fn packets_without_memory_refuse_the_pool() {
        let told = |failed| Pages { length: 1, failed }.verdict();
        assert_eq!(told(None), Ok(()));
        assert_eq!(told(Some(Errno::Invalid)), Ok(()), "an old kernel");
        assert!(told(Some(Errno::NoMemory)).is_err_and(|cause| cause.errno == Errno::NoMemory));

        let mut pages = Pages { length: 64, failed: None };
        let mut packet = vec![7_u8; 64];
        // SAFETY: the packet is there; nothing is mapped on the second page, and the kernel says so.
        let mut walk = |packet: *mut u8| unsafe { populate(null_mut(), (&raw mut pages).cast(), packet.cast(), 0) };
        walk(packet.as_mut_ptr());
        walk(without_provenance_mut(4096));
        walk(packet.as_mut_ptr());
        assert!(matches!(pages.failed, Some(Errno::NoMemory | Errno::Invalid)), "{:?}", pages.failed);
        assert_eq!(packet, [7; 64]);
    }
}

//! The rings that af_packet shares with the kernel (packet_mmap): their size, and what the kernel lost for want of room.
//!
//! The driver has the kernel join IPv4 fragments before it sees them, whatever the director would rather have
//! (`PACKET_FANOUT_FLAG_DEFRAG`), and what does not fit a slot arrives without its end. So slots are larger than the MTU
//! asks for. What is too large for the next link is fragmented again on its way out.

use std::collections::HashSet;
use std::fs;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};

use dpdk_sys::tpacket_stats;

use super::mempool::{HEADROOM, data_room_for};

/// Bytes of a slot that the kernel has for itself, in front of the frame: what describes it, and an address.
const DESCRIBED: usize = 66;
/// Slots hold frames of this many bytes at least: joined datagrams of 9,000 bytes, and no more memory than is needed for
/// that.
const FRAME: usize = 9 * 1024;
/// The largest slot that is a whole number of kilobytes, and of which a packet of the pool takes all.
pub(crate) const FRAME_MAX: usize = (u16::MAX as usize - HEADROOM) / 1024 * 1024;
/// Slots of each direction unless told: with fewer, bursts are lost before a worker on a busy CPU gets to look.
const SLOTS: usize = 4096;
/// Bytes of each direction that are not exceeded for the sake of so many slots.
const BYTES: usize = 64 << 20;
const PAGE: usize = 4096;

/// The rings of a device: one to receive by and one to send by, of each queue pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ring {
    /// Bytes of a slot.
    pub(crate) frame: usize,
    /// Slots.
    frames: usize,
    /// Slots of a block.
    per_block: usize,
    /// Queue pairs.
    pairs: usize,
}

impl Ring {
    /// By the driver's options, where the operator wrote them; else for frames of this MTU, with so many slots.
    pub(super) fn new(option: impl Fn(&str) -> Option<usize>, mtu: u16, slots: Option<u16>) -> Self {
        let frame = option("framesz").unwrap_or(data_room_for(mtu).max(FRAME));
        let per_block = per_block(frame, option("framecnt"));
        let wanted = slots.map_or(SLOTS.min(BYTES / frame.max(1)), usize::from);
        let frames = option("framecnt").unwrap_or(wanted.max(1).next_multiple_of(per_block));
        Self { frame, frames, per_block, pairs: option("qpairs").unwrap_or(1) }
    }

    /// What is wrong with slots of so many bytes, if anything is.
    pub(super) fn refusal(frame: usize) -> Option<String> {
        let good = (2048..=FRAME_MAX).contains(&frame) && frame.is_multiple_of(1024);
        (!good).then(|| format!("framesz={frame} is not a whole number of kilobytes from 2048 to {FRAME_MAX}"))
    }

    /// The driver's options. One queue pair unless the operator writes `qpairs=`: the kernel fills several by a hash of its
    /// own. The driver takes the frames for one array, so they must fill each block to its last byte.
    pub(super) fn options(&self) -> [(&'static str, String); 4] {
        [
            ("qpairs", self.pairs.to_string()),
            ("blocksz", (self.frame * self.per_block).to_string()),
            ("framesz", self.frame.to_string()),
            ("framecnt", self.frames.to_string()),
        ]
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        2 * self.pairs * self.frames * self.frame
    }

    /// Bytes of the longest frame that arrives whole. Of a longer one so many do.
    pub(super) fn cuts_at(&self) -> usize {
        self.frame.saturating_sub(DESCRIBED)
    }
}

/// Slots to a block of whole pages, of which a given number of slots fills whole ones. The kernel rounds blocks up to a
/// power of two: as few as waste a sixteenth of it at most, if there are such.
fn per_block(frame: usize, frames: Option<usize>) -> usize {
    let fits = |slots: &usize| {
        (slots * frame).is_multiple_of(PAGE) && frames.is_none_or(|frames| frames.is_multiple_of(*slots))
    };
    let wastes_little = |slots: &usize| {
        let (block, rounded) = (slots * frame, (slots * frame).next_power_of_two());
        (rounded - block) * 16 <= rounded
    };
    let mut candidates = (1..=256).filter(fits);
    let least = candidates.clone().next().unwrap_or(PAGE / 1024);
    candidates.find(wastes_little).unwrap_or(least)
}

/// A device's sockets, beside the driver, which has no counter for what their rings had no room for.
#[derive(Debug)]
pub(super) struct Sockets {
    sockets: Vec<OwnedFd>,
    missed: AtomicU64,
}

impl Sockets {
    /// Those that `open` opens. Nobody else opens any meanwhile.
    pub(super) fn of<T>(open: impl FnOnce() -> T) -> (T, Self) {
        let before: HashSet<RawFd> = packet_sockets().into_iter().collect();
        let opened = open();
        let fresh = packet_sockets().into_iter().filter(|fd| !before.contains(fd));
        let sockets = fresh.filter_map(|fd| {
            // SAFETY: the driver has just opened it and keeps it until the device is stopped, which is not yet.
            unsafe { BorrowedFd::borrow_raw(fd) }.try_clone_to_owned().ok()
        });
        let sockets = sockets.collect();
        (opened, Self { sockets, missed: AtomicU64::new(0) })
    }

    /// Frames that the kernel had no slot for, since the start.
    pub(super) fn missed(&self) -> u64 {
        let fresh: u64 = self.sockets.iter().map(newly_missed).sum();
        self.missed.fetch_add(fresh, Ordering::Relaxed) + fresh
    }
}

/// What was lost since this was asked last: the kernel forgets it with the answer.
fn newly_missed(socket: &OwnedFd) -> u64 {
    let mut stats = tpacket_stats { tp_packets: 0, tp_drops: 0 };
    let mut len = size_of::<tpacket_stats>() as dpdk_sys::socklen_t;
    let (level, name) = (dpdk_sys::SHIM_SOL_PACKET, dpdk_sys::SHIM_PACKET_STATISTICS);
    // SAFETY: the socket is open, and the kernel writes at most `len` bytes.
    unsafe { dpdk_sys::getsockopt(socket.as_raw_fd(), level, name, (&raw mut stats).cast(), &raw mut len) };
    u64::from(stats.tp_drops)
}

/// The process's packet sockets: what is open, as far as the kernel lists it as one.
fn packet_sockets() -> Vec<RawFd> {
    let listed = fs::read_to_string("/proc/self/net/packet").unwrap_or_default();
    let inodes: HashSet<&str> = listed.lines().skip(1).filter_map(|line| line.split_whitespace().last()).collect();
    let open = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let packet = open.filter_map(|entry| {
        let target = fs::read_link(entry.path()).ok()?;
        let inode = target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
        if inodes.contains(inode) { entry.file_name().to_str()?.parse().ok() } else { None }
    });
    packet.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ring of options, as the driver gets it, and its bytes.
    fn ring(options: &[(&str, usize)], mtu: u16, slots: Option<u16>) -> (String, usize) {
        let option = |key: &str| options.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
        let ring = Ring::new(option, mtu, slots);
        let text: Vec<String> = ring.options().into_iter().map(|(key, value)| format!("{key}={value}")).collect();
        (text.join(","), ring.bytes())
    }

    #[test]
    fn frames_fill_their_blocks_and_take_what_is_joined() {
        let usual = ring(&[], 1500, None);
        assert_eq!(usual, ("qpairs=1,blocksz=258048,framesz=9216,framecnt=4116".to_owned(), 2 * 4116 * 9216));
        assert_eq!(ring(&[], 9600, Some(100)).0, "qpairs=1,blocksz=61440,framesz=10240,framecnt=102");
        let small = ring(&[("framesz", 2048), ("qpairs", 3)], 1500, Some(512));
        assert_eq!(small, ("qpairs=3,blocksz=4096,framesz=2048,framecnt=512".to_owned(), 3 * 2 * 512 * 2048));
        assert_eq!(ring(&[("framecnt", 500)], 1500, None).0, "qpairs=1,blocksz=36864,framesz=9216,framecnt=500");
        let (large, bytes) = ring(&[("framesz", FRAME_MAX)], 1500, None);
        assert_eq!(large, "qpairs=1,blocksz=258048,framesz=64512,framecnt=1040", "no more memory for its sake");
        assert_eq!((bytes / 2) >> 20, 63);
    }

    #[test]
    fn every_size_fills_whole_pages_and_whole_blocks() {
        for frame in (2..=63).map(|kilobytes| kilobytes * 1024) {
            assert_eq!(Ring::refusal(frame), None);
            let ring = Ring::new(|key| (key == "framesz").then_some(frame), 1500, None);
            let block = frame * ring.per_block;
            assert!(block.is_multiple_of(PAGE) && ring.frames.is_multiple_of(ring.per_block), "{ring:?}");
            assert!(block.next_power_of_two() * 15 <= block * 16, "{ring:?}");
            assert!(data_room_for(9600) <= FRAME_MAX && ring.cuts_at() < frame - 64, "{ring:?}");
        }
        assert!([0, 1024, 9000, 65536].into_iter().all(|frame| Ring::refusal(frame).is_some()));
    }
}

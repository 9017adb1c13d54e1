//! What the path to a server takes, as a router on the way said (RFC 1191, RFC 8201): tunnels measure their packets by it.
//! After `ipv4_update_pmtu` (`net/ipv4/route.c`) and `ip6_update_pmtu` (`net/ipv6/route.c`). All workers share it; it
//! changes when an ICMP error comes.
//!
//! ```text
//! bits 32 to 63: believed until this tick    bit 16: a packet went by it    bits 0 to 15: bytes, 0 = nothing is known
//! ```

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::clock::{TICKS_PER_SECOND, Tick};
use crate::flow::Family;
use crate::wire::ipv6;

/// Ticks for which a router's word is believed: `net.ipv4.route.mtu_expires`, `net.ipv6.route.mtu_expires`.
const BELIEVED: u32 = 600 * TICKS_PER_SECOND;
/// No path over IPv4 is believed to take less: `net.ipv4.route.min_pmtu`.
const LEAST: u16 = 552;

const USED: u64 = 1 << 16;

/// What a path takes.
#[derive(Debug, Default)]
pub struct PathMtu(AtomicU64);

impl PathMtu {
    /// What it takes, the largest number where nobody said.
    #[must_use]
    pub fn get(&self, now: Tick) -> u16 {
        let word = self.0.load(Relaxed);
        match word as u16 {
            mtu if mtu != 0 && now.is_before(Tick((word >> 32) as u32)) => mtu,
            _ => u16::MAX,
        }
    }

    /// Zero where nobody said.
    #[inline(always)]
    #[must_use]
    pub fn word(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// What it takes, for a packet that goes by it.
    #[inline]
    #[must_use]
    pub fn measure(&self, now: Tick) -> u16 {
        if self.word() == 0 { u16::MAX } else { self.measure_known(now) }
    }

    /// What is no longer believed is forgotten at once: half a round of the clock later (248 days) it would seem to be
    /// believed again. A word that another worker stores at the same moment stays.
    #[cold]
    fn measure_known(&self, now: Tick) -> u16 {
        let (word, mtu) = (self.word(), self.get(now));
        if mtu == u16::MAX {
            let _ = self.0.compare_exchange(word, 0, Relaxed, Relaxed);
        } else if word & USED == 0 {
            self.0.fetch_or(USED, Relaxed);
        }
        mtu
    }

    /// A router says that it takes no more, which cannot mean that it takes more than what is known, nor that it takes
    /// less than every link must. Returns what is known then.
    pub fn learn(&self, mtu: u16, outer: Family, now: Tick) -> Learned {
        let before = self.get(now);
        let used = if before == u16::MAX { 0 } else { self.0.load(Relaxed) & USED };
        let mtu = if outer == Family::Ipv4 { mtu.max(LEAST) } else { mtu };
        if mtu > before || outer == Family::Ipv6 && mtu < ipv6::LEAST_MTU {
            return Learned { mtu: before, known: used != 0 };
        }
        self.0.store(u64::from(now.after(BELIEVED).0) << 32 | used | u64::from(mtu), Relaxed);
        Learned { mtu, known: used != 0 }
    }

    /// Nothing is known.
    pub fn forget(&self) {
        self.0.store(0, Relaxed);
    }

    /// What another knows of the same path is known, but no packet went by it yet.
    pub fn copy(&self, known: &Self) {
        self.0.store(known.0.load(Relaxed) & !USED, Relaxed);
    }
}

/// What was learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Learned {
    /// What the path takes now.
    pub mtu: u16,
    /// Whether packets had gone by what was known before.
    pub known: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_router_says_is_believed_for_ten_minutes() {
        let (path, now) = (PathMtu::default(), Tick(u32::MAX - 5));
        let learn = |mtu| path.learn(mtu, Family::Ipv4, now);
        assert_eq!(path.get(now), u16::MAX);
        assert_eq!(learn(1300), Learned { mtu: 1300, known: false });
        assert_eq!((path.get(now), path.get(now.after(BELIEVED - 1))), (1300, 1300));
        assert_eq!(path.get(now.after(BELIEVED)), u16::MAX);
        assert_eq!(learn(1200), Learned { mtu: 1200, known: false }, "no packet went by it");
        assert_eq!(path.measure(now), 1200);
        assert_eq!(learn(60), Learned { mtu: LEAST, known: true });
        assert_eq!(learn(1400), Learned { mtu: LEAST, known: true }, "an error does not say that more fits");
        let another = PathMtu::default();
        another.copy(&path);
        assert_eq!(another.learn(1400, Family::Ipv4, now), Learned { mtu: LEAST, known: false });
        path.forget();
        assert_eq!(path.get(now), u16::MAX);
    }

    #[test]
    fn what_is_no_longer_believed_is_not_believed_again_when_the_clock_has_gone_half_round() {
        let (path, now) = (PathMtu::default(), Tick(7));
        path.learn(1300, Family::Ipv4, now);
        let over = now.after(BELIEVED);
        assert_eq!(path.measure(over), u16::MAX);
        assert_eq!(path.measure(over.after(1 << 31)), u16::MAX);
    }

    #[test]
    fn no_path_over_ipv6_takes_less_than_every_link_must() {
        let (path, now) = (PathMtu::default(), Tick(7));
        assert_eq!(path.learn(1279, Family::Ipv6, now), Learned { mtu: u16::MAX, known: false });
        assert_eq!(path.learn(1280, Family::Ipv6, now), Learned { mtu: 1280, known: false });
    }
}

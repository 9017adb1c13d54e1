//! Limiter: how much the director says of its own accord. A token bucket for each kind of answer, and small ones by whom it
//! is for, so that nobody uses up a kind. After `icmp_global_allow`, `inet_peer_xrlim_allow` and `icmpv6_xrlim_allow`.
//!
//! ```text
//! kind         in all        to one address          as in the kernel
//! errors       icmp_rate     icmp_target_rate        icmp_msgs_per_sec; icmp_ratelimit, a burst of 6
//! path MTU     path_mtu_rate a tenth of it           without limit there (icmp_ratemask)
//! echo replies echo_rate     a tenth of it           without limit there
//! resets       reset_rate    a tenth of it           without limit there
//! ```
//!
//! Who has used up his own share takes nothing of the rest. Addresses share a bucket where their keyed hashes collide, so
//! memory and the cost of a question are the same whatever arrives.

use std::hash::BuildHasher;
use std::net::IpAddr;

use crate::clock::{TICKS_PER_SECOND, Tick};
use crate::map::{Seed, Seeded};
use crate::verdict::{Answer, Drop};

/// Buckets by target, for each kind.
const TARGETS: usize = 4096;
/// Errors that a target may be sent at once, in seconds of its rate (`XRLIM_BURST_FACTOR`).
const ERROR_BURST: u32 = 6;
/// Which part of a kind's rate one target may have.
const SHARE: u32 = 10;

/// What limits count together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ICMP errors, but those below.
    Error,
    /// "Fragmentation needed", and "packet too big" of IPv6: without them connections stall.
    PathMtu,
    /// Echo replies.
    Echo,
    /// TCP resets; of SCTP ABORT and SHUTDOWN COMPLETE.
    Reset,
}

/// How many kinds there are.
const KINDS: usize = 4;

impl Kind {
    /// The kind of an answer that tells of an MTU, or of one that does not (0).
    #[must_use]
    pub const fn of(answer: Answer, mtu: u16) -> Self {
        match answer {
            Answer::Echo => Self::Echo,
            Answer::TcpReset | Answer::Sctp => Self::Reset,
            Answer::TooBig => Self::PathMtu,
            Answer::TunnelError if mtu != 0 => Self::PathMtu,
            _ => Self::Error,
        }
    }

    /// How a packet ends whose answer is held back.
    #[must_use]
    pub const fn refusal(self) -> Drop {
        match self {
            Self::Error => Drop::IcmpLimited,
            Self::PathMtu => Drop::PathMtuLimited,
            Self::Echo => Drop::EchoLimited,
            Self::Reset => Drop::ResetLimited,
        }
    }
}

/// Answers per second and worker, at most; 0 = no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// ICMP errors; without a limit for all there is none for a target either.
    pub icmp_rate: u32,
    /// ICMP errors to one address.
    pub icmp_target_rate: u32,
    /// Errors about packets that are too large.
    pub path_mtu_rate: u32,
    /// Echo replies.
    pub echo_rate: u32,
    /// Resets.
    pub reset_rate: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { icmp_rate: 1000, icmp_target_rate: 1, path_mtu_rate: 10_000, echo_rate: 10_000, reset_rate: 100_000 }
    }
}

impl Limits {
    /// No limit at all.
    pub const NONE: Self = Self { icmp_rate: 0, icmp_target_rate: 0, path_mtu_rate: 0, echo_rate: 0, reset_rate: 0 };

    /// Each with its name in the configuration.
    #[must_use]
    pub const fn named(&self) -> [(&'static str, u32); 5] {
        [
            ("icmp_rate", self.icmp_rate),
            ("icmp_target_rate", self.icmp_target_rate),
            ("path_mtu_rate", self.path_mtu_rate),
            ("echo_rate", self.echo_rate),
            ("reset_rate", self.reset_rate),
        ]
    }

    /// What holds for a kind in all, and for one target of it; `None` = no limit.
    fn of(&self, kind: Kind) -> [Option<Limit>; 2] {
        let rate = match kind {
            Kind::Error => self.icmp_rate,
            Kind::PathMtu => self.path_mtu_rate,
            Kind::Echo => self.echo_rate,
            Kind::Reset => self.reset_rate,
        };
        if rate == 0 {
            return [None; 2];
        }
        let share = match kind {
            Kind::Error => {
                let rate = self.icmp_target_rate;
                (rate != 0).then(|| Limit { rate, burst: rate.saturating_mul(ERROR_BURST) })
            }
            // Half of what may be said at once is left for others.
            _ => Some(Limit { rate: (rate / SHARE).max(1), burst: (rate / SHARE / 2).max(1) }),
        };
        [Some(Limit { rate, burst: (rate / 10).max(1) }), share]
    }
}

/// A rate per second, and how much may come at once.
#[derive(Clone, Copy, Debug)]
struct Limit {
    rate: u32,
    burst: u32,
}

/// What is left of a limit, in hundredths of an answer, and when that was.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: u32,
    at: Tick,
}

/// What an answer takes of a bucket: one per tick is as many per second as a second has ticks.
const ANSWER: u32 = TICKS_PER_SECOND;

impl Bucket {
    /// Whether it has an answer left, by now.
    fn has_one(&mut self, limit: Limit, now: Tick) -> bool {
        let more = u64::from(self.at.until(now)) * u64::from(limit.rate);
        let most = limit.burst.saturating_mul(ANSWER);
        self.left = (u64::from(self.left) + more).min(most.into()) as u32;
        self.at = now;
        self.left >= ANSWER
    }
}

/// One worker's buckets.
#[derive(Debug)]
pub struct Limiter {
    kinds: [Bucket; KINDS],
    targets: Box<[Bucket]>,
    hasher: Seeded,
}

impl Limiter {
    /// All buckets are full. The seed is secret: nobody chooses whose bucket he shares.
    #[must_use]
    pub fn new(seed: Seed, now: Tick) -> Self {
        let full = Bucket { left: u32::MAX, at: now };
        Self { kinds: [full; KINDS], targets: vec![full; KINDS * TARGETS].into(), hasher: seed.hasher() }
    }

    /// Bytes of one.
    #[must_use]
    pub const fn bytes() -> usize {
        KINDS * TARGETS * size_of::<Bucket>()
    }

    /// Whether one more answer of a kind may go to somebody.
    pub fn allow(&mut self, kind: Kind, target: IpAddr, limits: &Limits, now: Tick) -> bool {
        let [all, each] = limits.of(kind);
        let Some(all) = all else { return true };
        if !self.kinds[kind as usize].has_one(all, now) {
            return false;
        }
        if let Some(each) = each {
            let at = kind as usize * TARGETS + self.hasher.hash_one(target) as usize % TARGETS;
            let bucket = &mut self.targets[at];
            if !bucket.has_one(each, now) {
                return false;
            }
            bucket.left -= ANSWER;
        }
        self.kinds[kind as usize].left -= ANSWER;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ticks;
    use std::net::{Ipv4Addr, Ipv6Addr};

    const ALL: [Kind; KINDS] = [Kind::Error, Kind::PathMtu, Kind::Echo, Kind::Reset];

    fn limiter() -> Limiter {
        Limiter::new(Seed([1, 2, 3, 4]), Tick(7))
    }

    fn target(n: u32) -> IpAddr {
        Ipv4Addr::from_bits(n).into()
    }

    /// How many of so many answers go to one address at a moment.
    fn allowed(limiter: &mut Limiter, kind: Kind, to: IpAddr, limits: &Limits, asked: u32, at: u32) -> u32 {
        (0..asked).map(|_| u32::from(limiter.allow(kind, to, limits, Tick(at)))).sum()
    }

    #[test]
    fn errors_to_one_address_are_the_kernels() {
        let (mut limiter, limits) = (limiter(), Limits::default());
        assert_eq!(allowed(&mut limiter, Kind::Error, target(1), &limits, 50, 7), 6);
        assert_eq!(allowed(&mut limiter, Kind::Error, target(1), &limits, 50, 7 + ticks(1)), 1);
        assert_eq!(allowed(&mut limiter, Kind::Error, target(1), &limits, 50, 7 + ticks(60)), 6);
        let six = Ipv6Addr::LOCALHOST.into();
        assert_eq!(allowed(&mut limiter, Kind::Error, six, &limits, 50, 7 + ticks(60)), 6, "another has its own");
    }

    #[test]
    fn a_kind_has_its_rate_however_many_addresses_ask() {
        for kind in ALL {
            let (mut limiter, limits) = (limiter(), Limits { icmp_target_rate: 1, ..even(1000) });
            let mut answered = 0;
            for tick in 0..ticks(10) {
                let each = (0..50).map(|n| limiter.allow(kind, target(tick * 50 + n), &limits, Tick(7 + tick)));
                answered += each.map(u32::from).sum::<u32>();
            }
            assert!((9_900..=10_100).contains(&answered), "{kind:?}: {answered} in ten seconds at 1000");
        }
    }

    /// Limits whose rates are all the same, without one for a target of errors.
    fn even(rate: u32) -> Limits {
        Limits { icmp_rate: rate, icmp_target_rate: 0, path_mtu_rate: rate, echo_rate: rate, reset_rate: rate }
    }

    #[test]
    fn one_kind_takes_nothing_of_another() {
        for flooded in ALL {
            let (mut limiter, limits) = (limiter(), even(100));
            (0..5000).for_each(|n| _ = limiter.allow(flooded, target(n), &limits, Tick(7)));
            for kind in ALL.into_iter().filter(|kind| *kind != flooded) {
                assert!(limiter.allow(kind, target(1), &limits, Tick(7)), "{flooded:?} takes of {kind:?}");
            }
        }
    }

    #[test]
    fn one_address_uses_no_kind_up() {
        for kind in ALL {
            let (mut limiter, limits) = (limiter(), Limits::default());
            allowed(&mut limiter, kind, target(1), &limits, 1_000_000, 7);
            for tick in 7..7 + ticks(5) {
                allowed(&mut limiter, kind, target(1), &limits, 1000, tick);
                assert!(tick % 100 != 0 || limiter.allow(kind, target(2), &limits, Tick(tick)), "{kind:?}");
            }
        }
    }

    #[test]
    fn without_a_limit_everything_goes() {
        for kind in ALL {
            let only_each = Limits { icmp_target_rate: 1, ..Limits::NONE };
            assert_eq!(allowed(&mut limiter(), kind, target(1), &only_each, 10_000, 7), 10_000);
        }
    }

    #[test]
    fn who_just_started_answers_at_any_rate() {
        ALL.iter().for_each(|kind| assert!(limiter().allow(*kind, target(1), &even(1), Tick(7)), "{kind:?}"));
    }
}

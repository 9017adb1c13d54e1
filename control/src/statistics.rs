//! Statistics: totals less what zeroing took off, and the kernel's rate estimator (`ip_vs_est.c`).

use dataplane::service::TotalsRead;

use crate::api::{Rates, Totals};

/// Seconds between two samples.
pub const PERIOD: u64 = 2;

/// Which totals are told, and counted as zero by zeroing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// Those of this moment.
    #[default]
    Exact,
    /// Those of the last sample, as the kernel has no others to tell.
    Sampled,
}

/// The totals and rates of one service or server.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meter {
    /// What the worker's counters stood at when this began, or was zeroed.
    base: TotalsRead,
    last: TotalsRead,
    average: TotalsRead,
}

/// How far the estimator scales: connections and packets by 2^10 (a sample spans two seconds, so its difference is
/// shifted by one less), bytes by 2^5.
const PACKET_SHIFT: u32 = 10;
const BYTE_SHIFT: u32 = 5;

impl Meter {
    /// A meter that counts from here.
    #[must_use]
    pub fn starting_at(now: TotalsRead) -> Self {
        Self { base: now, last: now, average: TotalsRead::default() }
    }

    /// This meter, counting from here; rates start over.
    #[must_use]
    pub fn zeroed(&self, now: TotalsRead, reading: Reading) -> Self {
        Self::starting_at(self.read(now, reading))
    }

    /// Totals since the base.
    #[must_use]
    pub fn totals(&self, now: TotalsRead, reading: Reading) -> Totals {
        totals(self.read(now, reading).zip(self.base, u64::wrapping_sub))
    }

    fn read(&self, now: TotalsRead, reading: Reading) -> TotalsRead {
        match reading {
            Reading::Exact => now,
            Reading::Sampled => self.last,
        }
    }

    /// Takes a sample: `average += (rate - average) / 4`.
    pub fn sample(&mut self, now: TotalsRead) {
        let delta = now.zip(self.last, u64::wrapping_sub);
        let rate = TotalsRead {
            connections: delta.connections << (PACKET_SHIFT - 1),
            guests: 0,
            in_packets: delta.in_packets << (PACKET_SHIFT - 1),
            out_packets: delta.out_packets << (PACKET_SHIFT - 1),
            in_bytes: delta.in_bytes << (BYTE_SHIFT - 1),
            out_bytes: delta.out_bytes << (BYTE_SHIFT - 1),
        };
        self.average =
            self.average.zip(rate, |average, rate| average.wrapping_add_signed((rate as i64 - average as i64) >> 2));
        self.last = now;
    }

    /// The rates per second, rounded as the kernel rounds them.
    #[must_use]
    pub fn rates(&self) -> Rates {
        let packets = |average: u64| (average + 0x1ff) >> PACKET_SHIFT;
        let bytes = |average: u64| (average + 0xf) >> BYTE_SHIFT;
        Rates {
            connections: packets(self.average.connections),
            in_packets: packets(self.average.in_packets),
            out_packets: packets(self.average.out_packets),
            in_bytes: bytes(self.average.in_bytes),
            out_bytes: bytes(self.average.out_bytes),
        }
    }
}

/// As the API says it.
#[must_use]
pub fn totals(read: TotalsRead) -> Totals {
    Totals {
        connections: read.connections,
        in_packets: read.in_packets,
        out_packets: read.out_packets,
        in_bytes: read.in_bytes,
        out_bytes: read.out_bytes,
    }
}

/// Adds field by field.
#[must_use]
pub fn sum(a: TotalsRead, b: TotalsRead) -> TotalsRead {
    a.zip(b, u64::wrapping_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimator_approaches_a_steady_rate() {
        let mut meter = Meter::default();
        let mut now = TotalsRead::default();
        for _ in 0..40 {
            now.in_packets += 200;
            now.in_bytes += 20_000;
            meter.sample(now);
        }
        let rates = meter.rates();
        assert_eq!((rates.in_packets, rates.in_bytes, rates.connections), (100, 10_000, 0));
        meter = meter.zeroed(now, Reading::Exact);
        assert_eq!((meter.rates(), meter.totals(now, Reading::Exact)), (Rates::default(), Totals::default()));
    }

    #[test]
    fn what_is_sampled_is_told_and_zeroed_as_of_the_last_sample() {
        let counted = |in_packets| TotalsRead { in_packets, ..TotalsRead::default() };
        let mut meter = Meter::starting_at(counted(5));
        assert_eq!(meter.totals(counted(8), Reading::Sampled), Totals::default());
        meter.sample(counted(8));
        assert_eq!(meter.totals(counted(9), Reading::Sampled).in_packets, 3);
        assert_eq!(meter.totals(counted(9), Reading::Exact).in_packets, 4);
        let mut zeroed = meter.zeroed(counted(9), Reading::Sampled);
        zeroed.sample(counted(9));
        assert_eq!(zeroed.totals(counted(9), Reading::Sampled).in_packets, 1, "it was not in what was zeroed");
    }
}

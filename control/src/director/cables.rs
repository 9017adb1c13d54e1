//! Links that come and go. Who is found behind another port of the switches, because a cable was plugged elsewhere or a
//! bond sends by another member, is not heard of there before it says something: its addresses are announced again, as the
//! kernel's bonding driver does (`num_grat_arp`, `num_unsol_na`).

use std::net::IpAddr;

use dataplane::clock::Nanos;
use log::info;

use super::Director;

/// Nanoseconds between two looks. Some drivers ask their device.
const PERIOD: u64 = 500_000_000;

/// What was seen of the links.
#[derive(Debug, Default)]
pub(super) struct Cables {
    /// Which are up; nothing before the first look.
    up: Option<u64>,
    next: Nanos,
}

impl Director {
    /// Announces every address again if a link has come or gone. While addresses are announced for the first time, that
    /// waits.
    pub(super) fn look_at_cables(&mut self) {
        if self.now < self.cables.next || !self.announcements[0].is_empty() {
            return;
        }
        self.cables.next = Nanos(self.now.0 + PERIOD);
        let up = self.facts.devices.cables();
        if self.cables.up.replace(up).is_some_and(|before| before != up) {
            info!("a link changed state: all addresses are announced again");
            let interfaces = (0u16..).zip(&self.interfaces).zip(&self.answered);
            let all: Vec<(u16, IpAddr)> = interfaces
                .flat_map(|((index, here), vips)| {
                    here.all_addresses().chain(vips.iter().copied()).map(move |address| (index, address))
                })
                .collect();
            all.into_iter().for_each(|(interface, address)| self.announce_soon(interface, address));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use super::*;
    use crate::api::Counter;
    use crate::director::Devices;
    use crate::director::lab::{self, SECOND};

    const FILE: &str = "schema = 1\n[dataplane]\nworkers = [1]\n[[interface]]\nname = \"wan\"\ndevice = \"vdev:a\"\n\
                        addresses = [\"10.0.0.1/24\"]\n[[vip]]\naddress = \"10.0.0.100\"\ninterfaces = [\"wan\"]\n";

    /// Devices whose links are told from outside.
    struct Told(Arc<AtomicU64>);

    impl Devices for Told {
        fn link(&self, _: u16) -> (bool, u32) {
            (true, 0)
        }

        fn cables(&self) -> u64 {
            self.0.load(Relaxed)
        }

        fn counters(&self, _: u16) -> Vec<Counter> {
            Vec::new()
        }

        fn driver(&self, _: u16) -> String {
            String::new()
        }

        fn memory(&self) -> Vec<Counter> {
            Vec::new()
        }
    }

    fn director(more: &str, links: &Arc<AtomicU64>) -> Director {
        let mut director = lab::fresh(&format!("{FILE}{more}"));
        director.facts.devices = Box::new(Told(Arc::clone(links)));
        director
    }

    /// How many frames are sent in so many seconds.
    fn sent(director: &mut Director, seconds: u64) -> usize {
        let begin = director.now.0;
        (1..=seconds * 10).for_each(|tenth| _ = director.turn(Nanos(begin + tenth * SECOND / 10)));
        lab::sent(director).len()
    }

    #[test]
    fn a_link_that_comes_or_goes_has_all_addresses_announced_again() {
        let links = Arc::new(AtomicU64::new(0b11));
        let mut director = director("", &links);
        assert_eq!(sent(&mut director, 9), 6, "two addresses, three times, at the start");
        for now in [0b01, 0b11, 0b10] {
            links.store(now, Relaxed);
            assert_eq!(sent(&mut director, 1), 2, "{now:b}: at once");
            assert_eq!(sent(&mut director, 9), 4, "{now:b}: and twice more");
        }
        assert_eq!(sent(&mut director, 9), 0);
    }

    #[test]
    fn the_kernels_silence_is_kept() {
        let links = Arc::new(AtomicU64::new(1));
        let mut director = director("[ipvs]\nstrict_parity = true\n", &links);
        sent(&mut director, 2);
        links.store(0, Relaxed);
        assert_eq!(sent(&mut director, 9), 0);
    }
}

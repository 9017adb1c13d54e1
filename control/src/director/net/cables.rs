//! Links that come and go, and devices that are gone: the log says so. Who is found behind another port of the switches,
//! because a cable was plugged elsewhere or a bond sends by another member, is not heard of there before it says something:
//! its addresses are announced again, as the kernel's bonding driver does (`num_grat_arp`, `num_unsol_na`).

use std::time::Duration;

use dataplane::clock::Nanos;
use dataplane::words::counted;
use log::{error, info, warn};

use super::Net;
use super::lines::Lines;
use crate::director::facts::{Devices, PortLink};

/// Nanoseconds between two looks. Some drivers ask their device.
const PERIOD: u64 = 500_000_000;

/// What was seen of the links.
#[derive(Debug, Default)]
pub(super) struct Cables {
    /// Which are up; nothing before the first look.
    up: Option<u64>,
    next: Nanos,
    /// Of each port, how it was at the last look, and since when it is no longer up.
    ports: Vec<(PortLink, Nanos)>,
    lines: Lines,
}

/// What the log says of a link that was seen to change, the first time of one that is not up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LinkChange {
    Up { mbps: u32, after: Duration },
    Down,
    Gone,
}

impl LinkChange {
    fn between(before: PortLink, now: PortLink, after: Duration) -> Option<Self> {
        match (now.gone, now.up) {
            _ if (before.gone, before.up) == (now.gone, now.up) => None,
            (true, _) => Some(Self::Gone),
            (false, false) => Some(Self::Down),
            (false, true) => Some(Self::Up { mbps: now.mbps, after }),
        }
    }

    fn tell(self, whose: &str) {
        match self {
            Self::Up { mbps, after } => {
                let speed = if mbps > 0 { format!(", {mbps} Mbit/s") } else { String::new() };
                info!("{whose}: link up{speed}, after {:.1} s", after.as_secs_f64());
            }
            Self::Down => warn!("{whose}: link down"),
            Self::Gone => error!("{whose}: the device is gone, no packet passes; restart sluiced once it is back"),
        }
    }
}

impl Net {
    /// Looks at every link, and at every cable.
    pub(in crate::director) fn look_at_cables(&mut self, devices: &dyn Devices, now: Nanos) {
        if now < self.cables.next {
            return;
        }
        self.cables.next = Nanos(now.0 + PERIOD);
        for (port, change) in self.changed_links(devices, now) {
            if self.cables.lines.may_write(now) {
                change.tell(self.devices.get(usize::from(port)).map_or("", String::as_str));
            }
        }
        if let Some(more) = self.cables.lines.take_left_out(now) {
            warn!("links came and went {}", counted(more.into(), "more time"));
        }
        self.announce_after_change(devices.cables(), now);
    }

    /// Links that are not as they were at the last look.
    fn changed_links(&mut self, devices: &dyn Devices, now: Nanos) -> Vec<(u16, LinkChange)> {
        let ports = self.interfaces.iter().filter(|here| here.lan.vlan() == 0).count();
        // Before the first look all of them counted as up.
        self.cables.ports.resize(ports, (PortLink::UP, now));
        let mut changes = Vec::new();
        for (port, (known, since)) in (0..).zip(&mut self.cables.ports) {
            let link = devices.link(port);
            let after = Duration::from_nanos(now.0.saturating_sub(since.0));
            changes.extend(LinkChange::between(*known, link, after).map(|change| (port, change)));
            if known.up || link.up {
                *since = now;
            }
            *known = link;
        }
        changes
    }

    /// Announces every address again if a link has come or gone. While addresses are announced for the first time, that
    /// waits.
    fn announce_after_change(&mut self, up: u64, now: Nanos) {
        if self.is_announcing() {
            return;
        }
        if self.cables.up.replace(up).is_some_and(|before| before != up) {
            info!("a link changed state: all addresses are announced again");
            self.announce_all(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use super::*;
    use crate::api::Counter;
    use crate::director::Director;
    use crate::director::lab::{self, SECOND};

    const FILE: &str = "schema = 1\n[dataplane]\nworkers = [1]\n[[interface]]\nname = \"wan\"\ndevice = \"vdev:a\"\n\
                        addresses = [\"10.0.0.1/24\"]\n[[vip]]\naddress = \"10.0.0.100\"\ninterfaces = [\"wan\"]\n";

    /// Devices whose links are told from outside: a bit for each that is up, and bit 32 if the first is gone.
    struct Told(Arc<AtomicU64>);

    impl Devices for Told {
        fn link(&self, port: u16) -> PortLink {
            let told = self.0.load(Relaxed);
            PortLink { up: told >> port & 1 == 1, gone: told >> 32 == 1, mbps: 1000 }
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

    #[test]
    fn a_link_that_changes_is_told_once() {
        let links = Arc::new(AtomicU64::new(0));
        let mut director = director("", &links);
        let mut look = |told: u64, seconds: u64| {
            links.store(told, Relaxed);
            director.now = Nanos(director.now.0 + seconds * SECOND);
            let Director { net, facts, now, .. } = &mut director;
            net.changed_links(&*facts.devices, *now)
        };
        assert_eq!(look(0, 1), [(0, LinkChange::Down)], "one that is down at the start is told, too");
        assert_eq!(look(0, 7), []);
        assert_eq!(look(1, 5), [(0, LinkChange::Up { mbps: 1000, after: Duration::from_secs(12) })]);
        assert_eq!(look(1, 60), []);
        assert_eq!(look(0, 1), [(0, LinkChange::Down)]);
        assert_eq!(look(1 << 32, 1), [(0, LinkChange::Gone)]);
        assert_eq!(look(1 << 32, 1), []);
        assert_eq!(look(1, 3), [(0, LinkChange::Up { mbps: 1000, after: Duration::from_secs(5) })]);
        assert_eq!(director.net.devices, ["wan (vdev:a)"]);
    }
}

//! Announcements: an address that came is told of unasked, three times a second apart (gratuitous ARP, RFC 5227;
//! unsolicited advertisements, RFC 4861 7.2.6), and its group with it.

use std::collections::VecDeque;
use std::net::IpAddr;

use dataplane::clock::Nanos;

use super::Net;
use crate::neighbors;

/// How often an address is announced, one second apart.
const ANNOUNCEMENTS: usize = 3;

/// Announcements sent in one round of housekeeping. They share the mailbox with answers.
const ANNOUNCE_BUDGET: usize = 256;

/// Addresses that are being announced: one queue for the first time, one for the second, and so on, each in the order
/// of its times.
pub(super) type Announcements = [VecDeque<Announcement>; ANNOUNCEMENTS];

/// An address that is being announced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announcement {
    interface: u16,
    address: IpAddr,
    next: Nanos,
}

impl Net {
    /// Announces an address on an interface, or of IPv6 that it is gone, unless the kernel's silence is wanted.
    pub(super) fn announce_soon(&mut self, interface: u16, address: IpAddr, now: Nanos) {
        if !self.quiet {
            self.announcements[0].push_back(Announcement { interface, address, next: now });
        }
    }

    /// Every address that is answered for is announced anew.
    pub(super) fn announce_all(&mut self, now: Nanos) {
        let interfaces = (0u16..).zip(&self.interfaces).zip(&self.answered);
        let all: Vec<(u16, IpAddr)> = interfaces
            .flat_map(|((index, here), vips)| {
                here.all_addresses().chain(vips.iter().copied()).map(move |address| (index, address))
            })
            .collect();
        all.into_iter().for_each(|(interface, address)| self.announce_soon(interface, address, now));
    }

    /// Whether an address is to be announced for the first time.
    pub(super) fn is_announcing(&self) -> bool {
        !self.announcements[0].is_empty()
    }

    /// Sends the announcements that are due, so many at most, first ones first; the rest waits for the next round.
    pub(in crate::director) fn announce(&mut self, now: Nanos) {
        let mut left = ANNOUNCE_BUDGET;
        for time in 0..ANNOUNCEMENTS {
            while left > 0
                && let Some(due) = self.announcements[time].pop_front_if(|a| a.next <= now)
            {
                left -= 1;
                let owned = self.owns(due.interface, due.address);
                let mac = self.here(due.interface).mac;
                match due.address {
                    IpAddr::V4(address) if owned => {
                        self.send(due.interface, neighbors::announcement(mac, address));
                    }
                    IpAddr::V4(_) => continue,
                    IpAddr::V6(address) => {
                        self.report_change(due.interface, address, owned);
                        if owned {
                            self.send(due.interface, self.unasked(mac, address));
                        }
                    }
                }
                if let Some(later) = self.announcements.get_mut(time + 1) {
                    later.push_back(Announcement { next: Nanos(now.0 + 1_000_000_000), ..due });
                }
            }
            if self.announcements[time].is_empty() {
                self.announcements[time] = VecDeque::new();
            }
        }
    }
}

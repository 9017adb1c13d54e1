//! Virtual addresses and the services that have them: those that come with services, those of the file, listed and taken
//! away by name.

use std::collections::HashSet;
use std::net::IpAddr;

use dataplane::words::counted;

use super::{Director, Pump};
use crate::api::{Answer, ApiError, Code};
use crate::config::Config;

/// Most virtual addresses of one answer.
const MOST_LISTED: usize = 2000;

impl Director {
    /// Takes the virtual addresses of services that came, so many at most. Returns whether these are all.
    pub(super) fn follow_addresses(&mut self, runtime: bool, most: usize) -> bool {
        for address in self.services.take_new_addresses(most) {
            self.net.follow(address, runtime, self.now);
        }
        !self.services.has_new_addresses()
    }

    /// The virtual addresses that the file speaks of, in place of those it spoke of before. Those that came with services
    /// of the file, and without `prune` those that came with others, stay while they have services; and the latter
    /// without, too.
    pub(super) fn converge_vips(&mut self, config: &Config, prune: bool, host: Pump<'_>) {
        let kept: HashSet<IpAddr> = config.vips.iter().map(|vip| vip.address).collect();
        let unsaid: Vec<IpAddr> = self.net.vips().filter(|address| !kept.contains(address)).collect();
        for address in unsaid {
            self.net.converge_unsaid(address, self.services.has_address(address), prune, self.now);
            self.pause(host);
        }
        self.net.name_interfaces(&config.vips);
        for vip in &config.vips {
            self.net.answer_as_filed(vip, self.now);
            self.pause(host);
        }
    }

    /// One page of virtual addresses, in their order. The cursor is the last one of the page before.
    pub(super) fn list_vips(&self, cursor: Option<IpAddr>) -> Answer {
        let vips = self.net.list_vips(cursor, MOST_LISTED, |address| self.services.of_address(address));
        let next = vips.last().map(|vip| vip.address).filter(|_| vips.len() == MOST_LISTED);
        Answer::Vips { vips, next }
    }

    /// Takes a virtual address away that no service needs, whoever brought it.
    pub(super) fn delete_vip(&mut self, address: IpAddr) -> Result<(), ApiError> {
        let refuse = |code, text: String| Err(ApiError { code, place: address.to_string(), text });
        if !self.net.has_vip(address) {
            return refuse(Code::NoEntry, "is not a virtual address; `sluice vip list` lists them".to_owned());
        }
        match self.services.of_address(address) {
            0 => self.net.answer_no_more(address, self.now),
            services => {
                return refuse(
                    Code::Invalid,
                    format!("{} on it; remove that first", counted(services.into(), "service")),
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "vip_tests.rs"]
mod tests;

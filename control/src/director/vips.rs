//! Virtual addresses by name: listed, and taken away.

use std::net::IpAddr;
use std::ops::Bound::{Excluded, Unbounded};

use dataplane::words::counted;

use super::{Director, Vip};
use crate::api::{Answer, ApiError, Code, VipInfo, VipOrigin};

/// Most virtual addresses of one answer.
const MOST_LISTED: usize = 2000;

impl Director {
    /// One page of virtual addresses, in their order. The cursor is the last one of the page before.
    pub(super) fn list_vips(&self, cursor: Option<IpAddr>) -> Answer {
        let rest = self.vips.range((cursor.map_or(Unbounded, Excluded), Unbounded));
        let vips: Vec<VipInfo> = rest.take(MOST_LISTED).map(|(address, vip)| self.vip_info(*address, vip)).collect();
        let next = vips.last().map(|vip| vip.address).filter(|_| vips.len() == MOST_LISTED);
        Answer::Vips { vips, next }
    }

    fn vip_info(&self, address: IpAddr, vip: &Vip) -> VipInfo {
        let origin = match vip {
            Vip { configured: true, .. } => VipOrigin::File,
            Vip { runtime: true, .. } => VipOrigin::Runtime,
            Vip { .. } => VipOrigin::Service,
        };
        let interfaces = vip.on.iter().filter_map(|interface| self.interface_name(*interface)).collect();
        VipInfo { address, interfaces, origin, services: self.services.of_address(address) }
    }

    /// Takes a virtual address away that no service needs, whoever brought it.
    pub(super) fn delete_vip(&mut self, address: IpAddr) -> Result<(), ApiError> {
        let refuse = |code, text: String| Err(ApiError { code, place: address.to_string(), text });
        if !self.vips.contains_key(&address) {
            return refuse(Code::NoEntry, "is not a virtual address; `sluice vip list` lists them".to_owned());
        }
        match self.services.of_address(address) {
            0 => self.answer_no_more(address),
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

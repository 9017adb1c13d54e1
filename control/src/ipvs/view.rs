//! Services and servers as workers see them.

use std::sync::Arc;

use dataplane::clock::ticks;
use dataplane::flow::Encapsulation;
use dataplane::service::{Manner, Persistent, RealServer, VirtualService};

use super::{ServerEntry, Service};
use crate::api::{Granularity, ServerSpec, TunnelChecksum, TunnelKind, TunnelSpec};

impl Service {
    pub(super) fn worker_servers(&self) -> Vec<RealServer> {
        let view = |entry: &ServerEntry| RealServer {
            slot: entry.slot,
            generation: entry.generation,
            address: entry.spec.address.ip(),
            port: entry.spec.address.port(),
            forward: entry.method,
            weight: entry.spec.weight,
            last_weight: entry.last_weight,
        };
        self.servers.iter().map(view).collect()
    }

    fn manner(&self) -> Manner {
        let (mask4, mask6) = match self.spec.granularity {
            None => (u32::MAX, u128::MAX),
            Some(Granularity::Mask(mask)) => (mask.to_bits(), u128::MAX),
            Some(Granularity::Prefix(length)) => {
                (u32::MAX, u128::MAX.checked_shl(u32::from(128u8.saturating_sub(length))).unwrap_or(0))
            }
        };
        let engine = self.spec.engine;
        let persistent =
            self.spec.persistence.map(|seconds| Persistent { timeout: ticks(seconds), mask4, mask6, engine });
        Manner { one_packet: self.spec.ops, persistent }
    }

    pub(super) fn worker_view(&self) -> VirtualService {
        let servers = self.worker_servers();
        VirtualService {
            key: self.spec.key,
            scheduler: self.spec.scheduler,
            sched_flags: self.spec.sched_flags,
            plan: self.spec.scheduler.plan(self.spec.key.family(), &servers),
            servers,
            list_version: self.list_version,
            manner: self.manner(),
            state: Arc::clone(&self.state),
        }
    }
}

/// How a server's tunnel wraps, where it is reached by one.
pub(super) fn tunnel(spec: &ServerSpec) -> Option<Encapsulation> {
    if !spec.forward.wraps() {
        return None;
    }
    let Some(TunnelSpec { kind, port, checksum }) = spec.tunnel else { return Some(Encapsulation::Ipip) };
    let checksum = checksum != TunnelChecksum::None;
    Some(match kind {
        TunnelKind::Ipip => Encapsulation::Ipip,
        TunnelKind::Gue => Encapsulation::Gue { port, checksum },
        TunnelKind::Gre => Encapsulation::Gre { checksum },
    })
}

//! The path to an address, shared by the servers that are reached by tunnel there.

use std::sync::Arc;

use super::path::PathMtu;
use super::server::Servers;
use crate::clock::Tick;
use crate::flow::Family;

/// Servers at one address that learn at once what its path takes. Others there learn of errors about their own packets:
/// what one error costs is bounded, however many services an address serves.
pub const MOST_AT_ONCE: usize = 64;

/// The path to an address, and who takes it.
#[derive(Clone, Debug, Default)]
pub struct PathTo {
    /// What it takes, whatever becomes of the servers there.
    pub mtu: Arc<PathMtu>,
    /// Slots of servers there that are, or were, reached by tunnel: [`MOST_AT_ONCE`] at most.
    pub servers: Arc<[u32]>,
}

impl PathTo {
    /// A router says that the path takes no more.
    pub fn learn(&self, mtu: u16, outer: Family, now: Tick, servers: &Servers) {
        self.mtu.learn(mtu, outer, now);
        for server in self.servers.iter().filter_map(|slot| servers.get(*slot)) {
            server.path.learn(mtu, outer, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_servers_at_an_address_learn() {
        let (servers, now) = (Servers::new(3), Tick(7));
        assert!((0..3).all(|slot| servers.ensure(slot)));
        let path = PathTo { servers: [0, 2].into(), ..PathTo::default() };
        path.learn(1400, Family::Ipv4, now, &servers);
        let known = |slot| servers.get(slot).map(|server| server.path.get(now));
        assert_eq!([0, 1, 2].map(known), [Some(1400), Some(u16::MAX), Some(1400)]);
        assert_eq!(path.mtu.get(now), 1400);
    }
}

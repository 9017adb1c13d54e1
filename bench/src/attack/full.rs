//! mh chooses for new clients of a service whose servers somebody has filled up to their thresholds, and is to look for
//! another server where the one of the client's slot takes nothing. As usual all take connections.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use dataplane::chance::Chance;
use dataplane::clock::Tick;
use dataplane::flow::{Family, Protocol, ServiceKey};
use dataplane::method::ForwardMethod;
use dataplane::sched::{Asked, Scheduler, flag};
use dataplane::service::{Manner, RealServer, Servers, VirtualService};

use super::measured;

const CLIENTS: u32 = 2_000;
const SERVERS: u32 = 4;
const VIP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 100));

fn service() -> VirtualService {
    let server = |slot: u32| RealServer {
        slot,
        generation: 0,
        address: [10, 1, 0, slot as u8].into(),
        port: 80,
        forward: ForwardMethod::Nat,
        weight: 1,
        last_weight: 1,
    };
    let servers: Vec<RealServer> = (0..SERVERS).map(server).collect();
    VirtualService {
        key: ServiceKey::Address { protocol: Protocol::Tcp, address: VIP, port: 80 },
        scheduler: Scheduler::Mh,
        sched_flags: flag::FALLBACK,
        plan: Scheduler::Mh.plan(Family::Ipv4, &servers),
        servers,
        list_version: 0,
        manner: Manner::default(),
        state: Arc::default(),
    }
}

pub(super) fn run(attacked: bool) -> u64 {
    let (service, servers, chance) = (service(), Servers::new(SERVERS as usize), Chance::seeded(1));
    for state in (0..SERVERS).filter(|slot| servers.ensure(*slot)).filter_map(|slot| servers.get(slot)) {
        state.upper.store(u32::from(attacked), Relaxed);
        assert!(state.bind());
    }
    let pick = |client: u32| {
        let client = SocketAddr::new(IpAddr::V4(client.into()), 4000);
        let (servers, list, chance) = (&servers, service.list(), &chance);
        let asked = Asked { list, servers, client, vip: VIP, now: Tick(1), lblcr_expiration: 1, chance };
        assert_eq!(Scheduler::Mh.pick(&asked).is_none(), attacked);
    };
    measured(&mut || (0x0b00_0000..).take(CLIENTS as usize).for_each(pick));
    CLIENTS.into()
}

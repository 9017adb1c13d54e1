//! Second connections of the clients of a persistent service with a thousand servers. As usual it has two.

use dataplane::sched::Scheduler;
use dataplane::service::RealServer;

use super::clients::{TRAFFIC, come, keep_together};
use super::measured;
use crate::stage::{Stage, real};
use crate::traffic::SERVERS;

const CLIENTS: u32 = 4000;

pub(super) fn run(attacked: bool) -> u64 {
    let n = if attacked { 1000 } else { 2 };
    let mut stage = Stage::changed(TRAFFIC, 2 * CLIENTS, Scheduler::Rr, 1, |tables, servers, link| {
        let each = u32::from(SERVERS);
        let server = |slot| real(TRAFFIC, servers, link, slot, ((slot % each) as u8, 8080 + (slot / each) as u16));
        keep_together(tables, |service| {
            service.servers = (0..n).map(server).collect::<Vec<RealServer>>();
            service.plan = service.scheduler.plan(service.key.family(), &service.servers);
        });
    });
    come(&mut stage, 0..CLIENTS, 4000);
    measured(&mut || come(&mut stage, 0..CLIENTS, 4001));
    assert_eq!(stage.connections(), 2 * CLIENTS);
    CLIENTS.into()
}

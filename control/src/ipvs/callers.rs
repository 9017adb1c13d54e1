//! Whose servers may begin connections to clients: those of services with a persistence engine for it, SIP's, that are
//! reached by NAT (`ip_vs_find_real_service` and the engine's `conn_out` in the kernel). Kept by each edit.

use std::collections::HashMap;

use dataplane::flow::{Protocol, ServiceKey};
use dataplane::service::{Caller, Listener};

use super::index::listener;
use crate::api::{ServerSpec, ServiceSpec};

/// Where such servers listen, and whose they are.
#[derive(Debug, Default)]
pub(super) struct Callers {
    /// The service that a server joined last counts.
    of: HashMap<Listener, Vec<Caller>>,
    /// What counts now, `None` = nothing any more.
    changes: Vec<(Listener, Option<Caller>)>,
}

impl Callers {
    /// A server came, or the service got its engine.
    pub(super) fn add(&mut self, service: &ServiceSpec, server: &ServerSpec, slot: u32) {
        if let Some(listener) = caller(service, server) {
            let caller = Caller { service: service.key, slot };
            self.of.entry(listener).or_default().push(caller);
            self.changes.push((listener, Some(caller)));
        }
    }

    /// A server is gone, or the service's engine is.
    pub(super) fn remove(&mut self, service: &ServiceSpec, server: &ServerSpec) {
        let Some(listener) = caller(service, server) else { return };
        let Some(services) = self.of.get_mut(&listener) else { return };
        services.retain(|caller| caller.service != service.key);
        let counts = services.last().copied();
        if counts.is_none() {
            self.of.remove(&listener);
        }
        self.changes.push((listener, counts));
    }

    /// Whether something changed since the changes were taken.
    pub(super) fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// What changed since the last call, in order.
    pub(super) fn take_changes(&mut self) -> Vec<(Listener, Option<Caller>)> {
        std::mem::take(&mut self.changes)
    }
}

/// Where a server listens, if it may begin connections: datagrams only (`ip_vs_sip_conn_out`), from the port that clients
/// know.
pub(super) fn caller(service: &ServiceSpec, server: &ServerSpec) -> Option<Listener> {
    let ServiceKey::Address { protocol: Protocol::Udp, port, .. } = service.key else { return None };
    let may = service.engine.is_some() && service.persistence.is_some() && port != 0;
    listener(&service.key, server).filter(|_| may)
}

#[cfg(test)]
mod tests {
    use dataplane::sched::Scheduler;
    use dataplane::service::Engine;

    use super::*;
    use crate::api::Forward;

    fn service(port: u16, engine: Option<Engine>) -> ServiceSpec {
        let key = ServiceKey::Address { protocol: Protocol::Udp, address: "10.0.0.100".parse().unwrap(), port };
        ServiceSpec { persistence: Some(300), engine, ..ServiceSpec::new(key, Scheduler::Rr) }
    }

    #[test]
    fn the_service_that_the_server_joined_last_counts() {
        let address = "10.1.0.11:5060".parse().unwrap();
        let server = ServerSpec::new(address, Forward::Nat);
        let direct = ServerSpec { forward: Forward::Dr, ..server };
        let listener = Listener { address: "10.1.0.11".parse().unwrap(), port: 5060, protocol: Some(Protocol::Udp) };
        let (first, second) = (service(5060, Some(Engine::Sip)), service(5070, Some(Engine::Sip)));
        let mut callers = Callers::default();
        callers.add(&first, &server, 3);
        callers.add(&service(5080, None), &server, 4);
        callers.add(&service(0, Some(Engine::Sip)), &server, 5);
        callers.add(&second, &direct, 6);
        let of = |service: &ServiceSpec, slot| (listener, Some(Caller { service: service.key, slot }));
        assert_eq!(callers.take_changes(), [of(&first, 3)]);
        callers.add(&second, &server, 6);
        callers.remove(&second, &server);
        assert_eq!(callers.take_changes(), [of(&second, 6), of(&first, 3)]);
        callers.remove(&first, &server);
        assert_eq!(callers.take_changes(), [(listener, None)]);
    }
}

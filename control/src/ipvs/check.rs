//! What a service or a server may be. Refusals that the kernel makes too carry its errno's code; what this director
//! cannot do is said in words.

use std::net::IpAddr;

use dataplane::flow::{Family, ServiceKey};
use dataplane::sched::Scheduler;
use dataplane::service::Engine;

use crate::api::{ApiError, Code, Forward, ServerSpec, ServiceSpec};
use crate::config::rules;

/// Largest weight: a signed 32-bit number in IPVS.
const MOST_WEIGHT: u32 = i32::MAX as u32;

fn refuse<T>(code: Code, place: &impl ToString, text: impl Into<String>) -> Result<T, ApiError> {
    Err(ApiError { code, place: place.to_string(), text: text.into() })
}

pub(super) fn service(spec: &ServiceSpec) -> Result<Scheduler, ApiError> {
    let key = &spec.key;
    let Some(scheduler) = Scheduler::from_name(&spec.scheduler) else {
        let names: Vec<&str> = Scheduler::ALL.iter().map(|s| s.name()).collect();
        let text = format!("scheduler {:?} is not available; there are {}", spec.scheduler, names.join(", "));
        return refuse(Code::NoEntry, key, text);
    };
    if let Some(engine) = &spec.engine
        && Engine::from_name(engine).is_none()
    {
        return refuse(Code::NoEntry, key, format!("no persistence engine {engine:?}; there is sip"));
    }
    match key {
        ServiceKey::Address { port: 0, .. } if spec.persistence.is_none() => {
            refuse(Code::Invalid, key, "port 0 needs a persistent service")
        }
        ServiceKey::Mark { fwmark: 0, .. } => refuse(Code::Invalid, key, "0 is no mark"),
        _ => Ok(scheduler),
    }
}

pub(super) fn server(service: &ServiceSpec, spec: &ServerSpec) -> Result<(), ApiError> {
    let place = format!("{} server {}", service.key, spec.address);
    let address = spec.address.ip();
    if !is_unicast(address) {
        return refuse(Code::Invalid, &place, "a real server needs a unicast address that is not link-local");
    }
    if Family::of(address) != service.key.family() && spec.forward != Forward::Tun {
        return refuse(Code::Invalid, &place, "only a tunnel leads to a server of another family");
    }
    if spec.weight > MOST_WEIGHT {
        return refuse(Code::Range, &place, format!("weight {} is above {MOST_WEIGHT}", spec.weight));
    }
    if spec.lower > spec.upper {
        let text = format!("lower threshold {} is above the upper threshold {}", spec.lower, spec.upper);
        return refuse(Code::Range, &place, text);
    }
    if spec.forward == Forward::Fullnat {
        return refuse(Code::Unsupported, &place, "FullNAT is not supported yet");
    }
    if let (Forward::Dr | Forward::Tun, ServiceKey::Address { port, .. }) = (spec.forward, service.key)
        && port != spec.address.port()
    {
        return refuse(Code::Invalid, &place, format!("direct routing and tunnels change no port; use {port}"));
    }
    if let Some((key, text)) = rules::server_tunnel(spec) {
        return refuse(Code::Invalid, &place, format!("{key} {text}"));
    }
    Ok(())
}

fn is_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => !(a.is_unspecified() || a.is_multicast() || a.is_broadcast()),
        IpAddr::V6(a) => !(a.is_unspecified() || a.is_multicast() || a.is_unicast_link_local()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Forward;
    use crate::config;

    /// What is said of a server of a TCP service.
    fn told(vip: &str, server: &str, forward: &str) -> Result<(), (Code, String)> {
        let text = format!(
            "schema = 1\n[[interface]]\nname = \"wan\"\ndevice = \"tap:wan\"\n[[service]]\nprotocol = \"tcp\"\n\
             address = \"{vip}\"\n[[service.server]]\naddress = \"10.1.0.1:80\"\nforward = \"tun\"\n"
        );
        let mut read = config::parse(&text, "t.toml").unwrap_or_else(|errors| panic!("{errors}"));
        let mut service = read.services.remove(0);
        let forward = match forward {
            "nat" => Forward::Nat,
            "dr" => Forward::Dr,
            _ => Forward::Tun,
        };
        let spec = ServerSpec { address: server.parse().unwrap(), forward, ..service.servers.remove(0).spec };
        super::server(&service.spec, &spec).map_err(|error| (error.code, error.text))
    }

    #[test]
    fn only_a_tunnel_crosses_families() {
        for forward in ["nat", "dr", "tun"] {
            assert_eq!(told("[fd00::100]:80", "[fd00:1::11]:80", forward), Ok(()), "{forward}");
        }
        assert_eq!(told("[fd00::100]:80", "10.1.0.11:80", "tun"), Ok(()));
        assert_eq!(told("10.0.0.100:80", "[fd00:1::11]:80", "tun"), Ok(()));
        let refusal = Err((Code::Invalid, "only a tunnel leads to a server of another family".to_owned()));
        assert_eq!(told("[fd00::100]:80", "10.1.0.11:80", "nat"), refusal);
        assert_eq!(told("10.0.0.100:80", "[fd00:1::11]:80", "dr"), refusal);
    }

    #[test]
    fn servers_are_single_stations_that_a_route_can_lead_to() {
        assert_eq!(told("[fd00::100]:80", "[::1]:80", "nat"), Ok(()), "as the kernel: the director itself");
        for server in ["[fe80::11]:80", "[ff02::1]:80", "[::]:80"] {
            let refusal = told("[fd00::100]:80", server, "nat").expect_err(server);
            assert!(refusal.0 == Code::Invalid && refusal.1.contains("unicast"), "{server}: {refusal:?}");
        }
    }
}

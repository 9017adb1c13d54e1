//! What a service or a server may be. Refusals that the kernel makes too carry its errno's code; what this director
//! cannot do is said in words.

use std::net::{IpAddr, Ipv4Addr};

use dataplane::flow::{Family, ServiceKey};
use ipnet::IpNet;

use crate::api::{ApiError, Code, Forward, ServerSpec, ServiceSpec};
use crate::config::rules;

fn refuse<T>(code: Code, place: &impl ToString, text: impl Into<String>) -> Result<T, ApiError> {
    Err(ApiError { code, place: place.to_string(), text: text.into() })
}

pub(super) fn service(spec: &ServiceSpec) -> Result<(), ApiError> {
    let key = &spec.key;
    match key {
        ServiceKey::Address { port: 0, .. } if spec.persistence.is_none() => {
            refuse(Code::Invalid, key, "port 0 needs a persistent service")
        }
        ServiceKey::Mark { fwmark: 0, .. } => refuse(Code::Invalid, key, "0 is not a mark; 1 to 4294967295"),
        _ => Ok(()),
    }
}

/// Whether this director can carry out a server, all in all.
pub(super) fn server(service: &ServiceSpec, spec: &ServerSpec, links: &Links) -> Result<(), ApiError> {
    values(service, spec)?;
    address(service, spec, links)?;
    possible(service, spec)
}

/// What is asked of a server's settings before anybody looks for the server, in the kernel's order (`ip_vs_genl_set_cmd`,
/// `ip_vs_add_dest`, `ip_vs_edit_dest`).
pub(super) fn values(service: &ServiceSpec, spec: &ServerSpec) -> Result<(), ApiError> {
    let place = place(service, spec);
    if Family::of(spec.address.ip()) != service.key.family() && spec.forward != Forward::Tun {
        return refuse(Code::Invalid, &place, "only a tunnel leads to a server of another family");
    }
    if spec.weight > rules::WEIGHT_MAX {
        return refuse(Code::Range, &place, format!("weight {} is above {}", spec.weight, rules::WEIGHT_MAX));
    }
    if spec.lower > spec.upper {
        let text = format!("lower threshold {} is above the upper threshold {}", spec.lower, spec.upper);
        return refuse(Code::Range, &place, text);
    }
    if spec.upper > rules::UPPER_MAX {
        let text = format!("upper threshold {} is above {}", spec.upper, rules::UPPER_MAX);
        return refuse(Code::Invalid, &place, text);
    }
    if let Some((key, text)) = rules::server_tunnel(spec) {
        return refuse(Code::Invalid, &place, format!("{key} {text}"));
    }
    Ok(())
}

/// What is asked of the address of a server that is new (`ip_vs_new_dest`).
pub(super) fn address(service: &ServiceSpec, spec: &ServerSpec, links: &Links) -> Result<(), ApiError> {
    let address = spec.address.ip();
    let fault = rules::server_address(address).or_else(|| links.fault(address));
    fault.map_or(Ok(()), |fault| refuse(Code::Invalid, &place(service, spec), format!("{address} {fault}")))
}

/// What the kernel would take, or `ipvsadm` would not ask of it, and this director cannot carry out.
pub(super) fn possible(service: &ServiceSpec, spec: &ServerSpec) -> Result<(), ApiError> {
    if spec.forward == Forward::Fullnat {
        return refuse(Code::Unsupported, &place(service, spec), rules::NO_FULLNAT);
    }
    if let (Forward::Dr | Forward::Tun, ServiceKey::Address { port, .. }) = (spec.forward, service.key)
        && port != spec.address.port()
    {
        let text = format!("direct routing and tunnels do not change the port; use {port}");
        return refuse(Code::Invalid, &place(service, spec), text);
    }
    Ok(())
}

fn place(service: &ServiceSpec, spec: &ServerSpec) -> String {
    format!("{} server {}", service.key, spec.address)
}

/// What the director's links say of addresses: the broadcast address of each belongs to no single station.
#[derive(Clone, Debug, Default)]
pub struct Links(Vec<Ipv4Addr>);

impl Links {
    /// Those of interfaces with these addresses.
    #[must_use]
    pub fn of<'a>(nets: impl IntoIterator<Item = &'a IpNet>) -> Self {
        let broadcast = |net: &IpNet| match net {
            IpNet::V4(net) if net.prefix_len() < 31 => Some(net.broadcast()),
            _ => None,
        };
        Self(nets.into_iter().filter_map(broadcast).collect())
    }

    /// Why an address is no server's.
    pub(crate) fn fault(&self, address: IpAddr) -> Option<&'static str> {
        let hit = self.0.iter().any(|broadcast| IpAddr::V4(*broadcast) == address);
        hit.then_some("is the broadcast address of a link; a real server needs a unicast address")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Forward;
    use crate::config;

    /// What is said of a server of a TCP service, by a director with a link 10.1.0.0/24.
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
        let links = Links::of(&["10.1.0.1/24".parse().unwrap(), "192.0.2.0/31".parse().unwrap()]);
        super::server(&service.spec, &spec, &links).map_err(|error| (error.code, error.text))
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
        for server in ["[fe80::11]:80", "[febf::1]:80", "[ff02::1]:80", "[::]:80", "[::ffff:1.2.3.4]:80"] {
            let refusal = told("[fd00::100]:80", server, "nat").expect_err(server);
            assert_eq!(refusal.0, Code::Invalid, "{server}: {refusal:?}");
        }
        for server in ["0.0.0.0:80", "224.0.0.1:80", "255.255.255.255:80", "127.255.255.255:80", "10.1.0.255:80"] {
            let refusal = told("10.0.0.100:80", server, "nat").expect_err(server);
            assert_eq!(refusal.0, Code::Invalid, "{server}: {refusal:?}");
        }
        for server in ["0.1.2.3:80", "240.0.0.1:80", "10.1.0.0:80", "10.2.0.255:80", "192.0.2.1:80", "169.254.1.1:80"] {
            assert_eq!(told("10.0.0.100:80", server, "nat"), Ok(()), "{server}");
        }
    }
}

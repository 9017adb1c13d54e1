//! Which of the [rules](rules) requests have to obey, and in which order: the kernel's. Refusals that the kernel makes too
//! carry its errno's code; what this director cannot do is said in words.

use std::net::{IpAddr, Ipv4Addr};

use dataplane::method::ForwardMethod;
use ipnet::IpNet;

use crate::api::rules::{self, Fault};
use crate::api::{ApiError, Code, ServerSpec, ServiceSpec};

/// Refuses what is wrong, if anything is.
fn refuse(fault: Option<Fault>, place: impl FnOnce() -> String) -> Result<(), ApiError> {
    fault.map_or(Ok(()), |fault| Err(refusal(fault, place())))
}

/// A fault with the code of the kernel's errno, in the words of requests where the file's would not do.
fn refusal(fault: Fault, place: String) -> ApiError {
    let (code, text) = match fault {
        Fault::NoPort => (Code::Invalid, "port 0 needs a persistent service".to_owned()),
        Fault::Family(_) => (Code::Invalid, "only a tunnel leads to a server of another family".to_owned()),
        Fault::Port { service, .. } => {
            (Code::Invalid, format!("direct routing and tunnels do not change the port; use {service}"))
        }
        Fault::Weight(weight) => (Code::Range, format!("weight {weight} is above {}", rules::WEIGHT_MAX)),
        Fault::Lower { lower, upper } => {
            (Code::Range, format!("lower threshold {lower} is above the upper threshold {upper}"))
        }
        Fault::Upper(upper) => (Code::Invalid, format!("upper threshold {upper} is above {}", rules::UPPER_MAX)),
        Fault::Tunnel(key, why) => (Code::Invalid, format!("{key} {why}")),
        Fault::Unsupported => (Code::Unsupported, fault.to_string()),
        Fault::Virtual(_) | Fault::OnePacket | Fault::NoMark | Fault::Netmask(_) | Fault::Server(..) => {
            (Code::Invalid, fault.to_string())
        }
    };
    ApiError { code, place, text }
}

/// Whether the kernel would take a service (`ip_vs_genl_parse_service`). It does not ask for all that the file and ipvsadm
/// ask for.
pub(super) fn service(spec: &ServiceSpec) -> Result<(), ApiError> {
    refuse(rules::has_port(spec).or_else(|| rules::mark(&spec.key)), || spec.key.to_string())
}

/// Whether this director can carry out a server, all in all.
pub(super) fn server(service: &ServiceSpec, spec: &ServerSpec, links: &Links) -> Result<(), ApiError> {
    values(service, spec)?;
    address(service, spec, links)?;
    possible(service, spec).map(drop)
}

/// What is asked of a server's settings before anybody looks for the server, in the kernel's order (`ip_vs_genl_set_cmd`,
/// `ip_vs_add_dest`, `ip_vs_edit_dest`).
pub(super) fn values(service: &ServiceSpec, spec: &ServerSpec) -> Result<(), ApiError> {
    let first = rules::family(service.key.family(), spec).or_else(|| rules::weight(spec));
    let first = first.or_else(|| rules::lower(spec)).or_else(|| rules::upper(spec));
    refuse(first.or_else(|| rules::tunnel(spec)), || place(service, spec))
}

/// What is asked of the address of a server that is new (`ip_vs_new_dest`).
pub(super) fn address(service: &ServiceSpec, spec: &ServerSpec, links: &Links) -> Result<(), ApiError> {
    let address = spec.address.ip();
    refuse(rules::server_address(address).or_else(|| links.fault(address)), || place(service, spec))
}

/// What the kernel would take, or `ipvsadm` would not ask of it, and this director cannot carry out. Returns how workers
/// carry the method out.
pub(super) fn possible(service: &ServiceSpec, spec: &ServerSpec) -> Result<ForwardMethod, ApiError> {
    let method = rules::method(spec).map_err(|fault| refusal(fault, place(service, spec)))?;
    refuse(rules::kept_port(&service.key, spec), || place(service, spec)).map(|()| method)
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
    pub(crate) fn fault(&self, address: IpAddr) -> Option<Fault> {
        let hit = self.0.iter().any(|broadcast| IpAddr::V4(*broadcast) == address);
        let why = "is the broadcast address of a link; a real server needs a unicast address";
        hit.then_some(Fault::Server(address, why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use dataplane::clock::Nanos;
    use dataplane::map::Seed;
    use dataplane::service::Servers;

    use crate::api::{Forward, Named, ServiceWords};
    use crate::config;
    use crate::ipvs::Services;

    /// What is said of a server of a TCP service, by a director with a link 10.1.0.0/24.
    fn told(vip: &str, server: &str, forward: &str) -> Result<(), (Code, String)> {
        let text = format!(
            "schema = 1\n[[interface]]\nname = \"wan\"\ndevice = \"tap:wan\"\n[[service]]\nprotocol = \"tcp\"\n\
             address = \"{vip}\"\n[[service.server]]\naddress = \"10.1.0.1:80\"\nforward = \"tun\"\n"
        );
        let mut read = config::parse(&text, "t.toml").unwrap_or_else(|errors| panic!("{errors}"));
        let mut service = read.services.remove(0);
        let forward = Forward::of(forward).expect("a method");
        let spec = ServerSpec { address: server.parse().unwrap(), forward, ..service.servers.remove(0).spec };
        let links = Links::of(&["10.1.0.1/24".parse().unwrap(), "192.0.2.0/31".parse().unwrap()]);
        super::server(&service.spec, &spec, &links).map_err(|error| (error.code, error.text))
    }

    #[test]
    fn a_name_that_nobody_knows_is_refused_after_what_the_kernel_asks_first() {
        let asked = |port: u16, names: &str| -> ServiceWords {
            let key = format!(r#""key":{{"protocol":"tcp","address":"10.0.0.100","port":{port}}}"#);
            serde_json::from_str(&format!("{{{key},{names}}}")).expect("a service")
        };
        let mut services = Services::new(Arc::new(Servers::new(8)), Seed([1, 2, 3, 4]), Links::default());
        services.add(asked(80, r#""scheduler":"rr""#), true, Nanos(0)).expect("a new service");
        let told =
            |done: Result<(), ApiError>| done.map_err(|error| (error.code, error.place, error.text)).unwrap_err();
        let nosuch = r#""scheduler":"nosuch","engine":"nosuch""#;
        assert_eq!(told(services.add(asked(80, nosuch), true, Nanos(0))).0, Code::Exists);
        assert_eq!(told(services.edit(asked(81, nosuch), true)).0, Code::NoService);
        let (code, place, text) = told(services.edit(asked(80, nosuch), true));
        assert_eq!((code, place.as_str()), (Code::NoEntry, "TCP 10.0.0.100:80"));
        assert!(text.starts_with("scheduler \"nosuch\" is not available; known: rr, wrr, "), "{text}");
        let (code, _, text) = told(services.add(asked(0, r#""scheduler":"rr","engine":"nosuch""#), true, Nanos(0)));
        assert_eq!((code, text.as_str()), (Code::NoEntry, "no persistence engine \"nosuch\"; known: sip"));
        assert_eq!(told(services.add(asked(0, r#""scheduler":"rr""#), true, Nanos(0))).0, Code::Invalid);
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

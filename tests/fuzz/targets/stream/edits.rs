//! What an operator does.
//!
//! ```text
//! who    bits 0 to 3 which request; the others the scheduler's flags, or thresholds
//! which  as packets say it; bit 6 a service by mark
//! how    scheduler, or server: method, weight, port, tunnel; sysctl, or time
//! where  bit 0 IPv6, 1 a server on the VLAN, 2 its other family, 3 persistence, 4 one packet, 5 by network
//! ```

use std::net::{IpAddr, SocketAddr};

use control::api::{
    Edit, Forward, Granularity, IpProtocol, MarkSpec, Observe, Ports, Query, Request, RouteSpec, ServerSpec,
    ServiceWords, TunnelChecksum, TunnelKind, TunnelSpec,
};
use dataplane::flow::{Family, ServiceKey};
use lab::Place;

use crate::Step;
use crate::packets::GUE;

const SCHEDULERS: [&str; 14] =
    ["rr", "wrr", "lc", "wlc", "sed", "nq", "dh", "sh", "mh", "fo", "ovf", "lblc", "lblcr", "twos"];
const METHODS: [Forward; 4] = [Forward::Nat, Forward::Dr, Forward::Nat, Forward::Tun];
const SYSCTLS: [&str; 16] = [
    "schedule_icmp",
    "nat_icmp_send",
    "expire_nodest_conn",
    "expire_quiescent_template",
    "conn_reuse_mode",
    "ignore_tunneled",
    "pmtu_disc",
    "sloppy_tcp",
    "cache_bypass",
    "drop_entry",
    "drop_packet",
    "secure_tcp",
    "amemthresh",
    "lblcr_expiration",
    "snat_reroute",
    "backup_only",
];

/// The request that a step stands for.
pub(crate) fn request(step: Step) -> Request {
    let key = step.key();
    let (service, server, rule) = (step.service(key), step.real_server(), step.rule());
    let address = server.address;
    let edit = match step.who & 15 {
        0 => Edit::AddService { service },
        1 => Edit::EditService { service },
        2 => Edit::DeleteService { key },
        3..=5 => Edit::AddServer { key, server },
        6 => Edit::EditServer { key, server },
        7 => Edit::DeleteServer { key, address },
        8 => return Query::Connections { cursor: None, limit: Some(step.how.into()) }.into(),
        9 => Edit::AddMark { rule },
        10 => Edit::DeleteMark { rule },
        11 => Edit::Zero { key: None },
        12 => Edit::SetSysctl {
            name: SYSCTLS[usize::from(step.how) % SYSCTLS.len()].to_owned(),
            value: (step.which & 3).to_string(),
        },
        13 => step.route(),
        14 => return step.watch().into(),
        _ => Edit::SetTimeouts { tcp: step.how.into(), tcp_fin: step.which.into(), udp: step.place.into() },
    };
    edit.into()
}

impl Step {
    fn key(self) -> ServiceKey {
        let family = if self.place().six { Family::Ipv6 } else { Family::Ipv4 };
        match self.which & 0x40 {
            0 => ServiceKey::Address { protocol: self.protocol(), address: self.vip(), port: self.port() },
            _ => ServiceKey::Mark { fwmark: 7 + u32::from(self.which % 2), family },
        }
    }

    fn service(self, key: ServiceKey) -> ServiceWords {
        let mask = if self.place().six { Granularity::Prefix(64) } else { Granularity::Mask([255, 255, 0, 0].into()) };
        let scheduler = SCHEDULERS[usize::from(self.how) % SCHEDULERS.len()].to_owned();
        ServiceWords {
            sched_flags: self.who >> 4 & 7,
            ops: self.place & 16 != 0,
            persistence: (self.place & 8 != 0).then_some(60),
            granularity: (self.place & 32 != 0).then_some(mask),
            ..ServiceWords::new(key, scheduler.into())
        }
    }

    fn real_server(self) -> ServerSpec {
        let forward = METHODS[usize::from(self.how >> 5) % METHODS.len()];
        let tunnels = [
            None,
            Some((TunnelKind::Gue, GUE, TunnelChecksum::Full)),
            Some((TunnelKind::Gre, 0, TunnelChecksum::None)),
            Some((TunnelKind::Gre, 0, TunnelChecksum::Full)),
            Some((TunnelKind::Gue, GUE, TunnelChecksum::None)),
        ];
        let tunnel = tunnels[usize::from(self.how) % tunnels.len()].filter(|_| forward == Forward::Tun);
        let place = self.place();
        let place = if self.place & 4 == 0 { place } else { Place { six: !place.six, ..place } };
        let upper = u32::from(self.who >> 5);
        ServerSpec {
            address: SocketAddr::new(place.server(11 + self.how % 5), 80 + u16::from(self.how >> 6) % 3),
            forward,
            weight: u32::from(self.how >> 3) % 4,
            upper,
            lower: upper.saturating_sub(1),
            tunnel: tunnel.map(|(kind, port, checksum)| TunnelSpec { kind, port, checksum }),
        }
    }

    fn rule(self) -> MarkSpec {
        let to: IpAddr = if self.which & 0x40 == 0 { self.vip() } else { self.place().far() };
        MarkSpec {
            mark: [0, 7, 8][usize::from(self.how) % 3],
            local: self.how & 0x40 == 0,
            interface: None,
            source_mac: None,
            not_source_mac: None,
            source: None,
            destination: Some(to.into()),
            protocol: Some(IpProtocol(self.protocol().number())),
            source_port: None,
            destination_port: Some(Ports { first: self.port(), last: self.port() }),
        }
    }

    /// Around servers, or everywhere.
    fn route(self) -> Edit {
        let place = self.place();
        let to = match (self.how & 1, place.six) {
            (0, false) => "0.0.0.0/0".to_owned(),
            (0, true) => "::/0".to_owned(),
            (_, six) => format!("{}/{}", place.server(11 + self.which % 5), if six { 128 } else { 32 }),
        };
        if self.how & 2 != 0 {
            return Edit::DeleteRoute { to };
        }
        let [via, unreachable, blackhole] = [self.how & 12 == 0, self.how & 12 == 4, self.how & 12 == 8];
        let via = (via || !(unreachable || blackhole)).then(|| place.server(11 + (self.how >> 4) % 5));
        Edit::AddRoute { route: RouteSpec { to, via, interface: None, unreachable, blackhole } }
    }

    /// Somebody looks on.
    fn watch(self) -> Observe {
        let (filter, count, seconds) = (String::new(), Some(u64::from(self.which)), Some(60));
        let watch = u64::from(self.how >> 4);
        match self.how & 3 {
            0 => Observe::TraceStart { filter, count, seconds },
            1 => Observe::CaptureStart { filter, count, seconds, snaplen: Some(64) },
            2 => Observe::WatchNext { watch },
            _ => Observe::WatchStop { watch },
        }
    }
}

//! Forwarding methods: how packets reach a real server. A row a method has its names; what it does with packets says the
//! row of [`ForwardMethod`]. Who asks about behaviour asks these ([`Forward::keeps_port`] and the like), never the name.

use dataplane::method::{ForwardMethod, Row};
use serde::{Deserialize, Serialize};

use super::names::Named;

/// How packets reach a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Forward {
    /// Rewrite the destination, un-rewrite replies (ipvsadm: Masq).
    Nat,
    /// Only the MAC changes (ipvsadm: Route).
    Dr,
    /// Wrap (ipvsadm: Tunnel).
    Tun,
    /// Rewrite both ends.
    Fullnat,
}

/// What there is to say of a method.
struct Method {
    /// In the file, on the socket and in the log.
    name: &'static str,
    /// As an option of ipvsadm, behind `--`.
    long: &'static str,
    /// As an option of ipvsadm, behind `-`.
    short: Option<char>,
    /// In listings of ipvsadm.
    title: &'static str,
    /// In listings of the kernel.
    kernel: &'static str,
    /// As workers carry it out; nothing where they cannot.
    carried_out: Option<ForwardMethod>,
}

/// In the order of [`Forward`].
const METHODS: [Method; 4] = [
    Method {
        name: "nat",
        long: "masquerading",
        short: Some('m'),
        title: "Masq",
        kernel: "Masq",
        carried_out: Some(ForwardMethod::Nat),
    },
    Method {
        name: "dr",
        long: "gatewaying",
        short: Some('g'),
        title: "Route",
        kernel: "Route",
        carried_out: Some(ForwardMethod::Dr),
    },
    Method {
        name: "tun",
        long: "ipip",
        short: Some('i'),
        title: "Tunnel",
        kernel: "Tunnel",
        carried_out: Some(ForwardMethod::Tun),
    },
    Method {
        name: "fullnat",
        // The kernel has no such method; a saved table must come back as it was.
        long: "fullnat",
        short: None,
        title: "FullNat",
        kernel: "Masq",
        carried_out: None,
    },
];

impl Forward {
    const fn method(self) -> &'static Method {
        &METHODS[self as usize]
    }

    /// The option of ipvsadm that chooses it, behind `--` and behind `-`: `masquerading` and `m`.
    #[must_use]
    pub const fn option(self) -> (&'static str, Option<char>) {
        (self.method().long, self.method().short)
    }

    /// Its name in listings of ipvsadm: `Masq`.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.method().title
    }

    /// Its name in listings of the kernel: `Masq`.
    #[must_use]
    pub const fn kernel_title(self) -> &'static str {
        self.method().kernel
    }

    /// How workers carry it out; nothing where they cannot.
    #[must_use]
    pub const fn carried_out(self) -> Option<ForwardMethod> {
        self.method().carried_out
    }

    /// What workers do with the packets; nothing where they do not carry the method out.
    fn row(self) -> Option<&'static Row> {
        self.carried_out().map(ForwardMethod::row)
    }

    /// Whether a server has the port of the service: nothing changes it on the way.
    #[must_use]
    pub fn keeps_port(self) -> bool {
        self.row().is_some_and(|row| !row.rewrites_ends())
    }

    /// Whether packets are wrapped, so that a tunnel can be configured.
    #[must_use]
    pub fn wraps(self) -> bool {
        self.row().is_some_and(|row| row.request.is_wrapped())
    }

    /// Whether a server may be of another address family than the service: what is put around a packet is of the server's.
    #[must_use]
    pub fn allows_other_family(self) -> bool {
        self.wraps()
    }

    /// Whether replies of a server pass the director.
    #[must_use]
    pub fn has_replies(self) -> bool {
        self.row().is_some_and(Row::has_replies)
    }

    /// Whether a server is on a link of the director, behind no router.
    #[must_use]
    pub fn needs_link(self) -> bool {
        self.row().is_some_and(|row| row.next_hop_is_server)
    }
}

impl Named for Forward {
    const ALL: &'static [Self] = &[Self::Nat, Self::Dr, Self::Tun, Self::Fullnat];

    fn name(self) -> &'static str {
        self.method().name
    }
}

/// Encapsulation of `tun`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TunnelKind {
    /// IP in IP.
    Ipip,
    /// Generic UDP encapsulation.
    Gue,
    /// Generic routing encapsulation.
    Gre,
}

impl Named for TunnelKind {
    const ALL: &'static [Self] = &[Self::Ipip, Self::Gue, Self::Gre];

    fn name(self) -> &'static str {
        match self {
            Self::Ipip => "ipip",
            Self::Gue => "gue",
            Self::Gre => "gre",
        }
    }
}

/// Checksums of GUE and GRE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TunnelChecksum {
    /// Without.
    #[default]
    None,
    /// With.
    Full,
    /// Remote checksum offload (GUE).
    Remote,
}

impl Named for TunnelChecksum {
    const ALL: &'static [Self] = &[Self::None, Self::Full, Self::Remote];

    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Full => "full",
            Self::Remote => "remote",
        }
    }
}

/// How `tun` wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TunnelSpec {
    /// Encapsulation.
    pub kind: TunnelKind,
    /// Destination port of GUE.
    #[serde(default)]
    pub port: u16,
    /// Checksums.
    #[serde(default)]
    pub checksum: TunnelChecksum,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_methods_allow() {
        let of = |ask: fn(Forward) -> bool| Forward::ALL.iter().filter(|&&each| ask(each)).copied().collect::<Vec<_>>();
        assert_eq!(of(Forward::keeps_port), [Forward::Dr, Forward::Tun]);
        assert_eq!(of(Forward::allows_other_family), [Forward::Tun]);
        assert_eq!(of(Forward::wraps), [Forward::Tun]);
        assert_eq!(of(Forward::needs_link), [Forward::Dr]);
        assert_eq!(of(Forward::has_replies), [Forward::Nat]);
    }
}

//! Protocols: how a connection's state follows its packets. One file each.

pub mod ftp;
pub mod ipsec;
pub mod sctp;
pub mod sip;
pub mod tcp;
pub mod udp;

use crate::clock::ticks;
use crate::flow::Protocol;

/// How long a connection lives without packets, by protocol and state. Ticks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// By TCP state.
    pub tcp: [u32; tcp::STATES],
    /// By SCTP state.
    pub sctp: [u32; sctp::STATES],
    /// Of UDP.
    pub udp: udp::Timeouts,
    /// Before the protocol sets a state.
    pub initial: u32,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            tcp: tcp::TIMEOUTS.map(ticks),
            sctp: sctp::TIMEOUTS.map(ticks),
            udp: udp::Timeouts::default(),
            initial: ticks(3),
        }
    }
}

impl Timeouts {
    /// Short ones, as appliances have them.
    #[must_use]
    pub fn appliance() -> Self {
        Self { tcp: tcp::APPLIANCE_TIMEOUTS.map(ticks), udp: udp::Timeouts::appliance(), ..Self::default() }
    }
}

/// The name of a state, as ipvsadm lists it.
#[must_use]
pub fn state_name(protocol: u8, state: u8) -> &'static str {
    let name = match Protocol::from_number(protocol) {
        Some(Protocol::Tcp) => tcp::State::from_number(state).map(tcp::State::name),
        Some(Protocol::Udp) => Some("UDP"),
        Some(Protocol::Sctp) => sctp::State::from_number(state).map(sctp::State::name),
        None => None,
    };
    name.unwrap_or("NONE")
}

/// The names of all states of all protocols, once each.
#[must_use]
pub fn state_names() -> Vec<&'static str> {
    let mut names = Vec::new();
    for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp] {
        for name in (0..=u8::MAX).map(|state| state_name(protocol.number(), state)) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

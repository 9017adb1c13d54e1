//! ARP: answers for every address that is played, and asks for the director's. Asking makes the generator known, too:
//! who is asked for an own address learns who asks (RFC 826).

use std::net::Ipv4Addr;

use dataplane::wire::arp::{Operation, Packet};
use dataplane::wire::ethernet::{self, MacAddr};

use crate::plan::{End, Plan, SERVERS_MAX};

/// What is known of the director, and who has been introduced to it.
#[derive(Debug)]
pub(crate) struct Arp {
    plan: Plan,
    director: [Option<MacAddr>; 2],
    introduced: [bool; SERVERS_MAX as usize],
}

impl Arp {
    /// Knows nobody, or only the MAC that was given.
    pub(crate) fn new(plan: Plan, director: Option<MacAddr>) -> Self {
        Self { plan, director: [director; 2], introduced: [false; SERVERS_MAX as usize] }
    }

    /// The director's MACs, on the clients' side and on the servers', when everybody knows each other.
    pub(crate) fn acquainted(&self) -> Option<[MacAddr; 2]> {
        let [Some(clients), Some(servers)] = self.director else { return None };
        let all = self.introduced.iter().take(usize::from(self.plan.servers)).all(|introduced| *introduced);
        all.then_some([clients, servers])
    }

    /// The director's MACs as far as they are known.
    pub(crate) fn director(&self) -> [Option<MacAddr>; 2] {
        self.director
    }

    /// The questions that are open, and the end to ask at.
    pub(crate) fn questions(&self) -> Vec<(End, Vec<u8>)> {
        let ask = |end, mac, sender, target| {
            let operation = Operation::Request;
            let packet = Packet { operation, sender_mac: mac, sender, target_mac: MacAddr::default(), target };
            (end, packet.frame(ethernet::BROADCAST))
        };
        let servers = (0..self.plan.servers).filter(|server| !self.introduced[usize::from(*server)]);
        let mut questions: Vec<_> = servers
            .map(|server| {
                let address = Ipv4Addr::from(self.plan.server(server));
                ask(End::Servers, Plan::server_mac(server), address, self.plan.server_gateway)
            })
            .collect();
        if self.director[0].is_none() {
            questions.push(ask(End::Clients, Plan::GATEWAY_MAC, self.plan.gateway, *self.plan.vip.ip()));
        }
        questions
    }

    /// Hears a frame; what it says, if it asks for one of ours.
    pub(crate) fn hear(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        let packet = Packet::parse(frame.get(ethernet::HEADER..)?)?;
        let (end, mac) = self.plan.played(packet.target)?;
        match packet.operation {
            Operation::Reply => {
                self.learn(end, &packet);
                None
            }
            // Who asks for its own address announces it, and is not answered.
            Operation::Request if packet.sender == packet.target => None,
            Operation::Request => {
                let (sender, target) = (packet.target, packet.sender);
                let reply = Packet {
                    operation: Operation::Reply,
                    sender_mac: mac,
                    sender,
                    target_mac: packet.sender_mac,
                    target,
                };
                Some(reply.frame(packet.sender_mac))
            }
        }
    }

    fn learn(&mut self, end: End, packet: &Packet) {
        match end {
            End::Clients if packet.sender == *self.plan.vip.ip() => self.director[0] = Some(packet.sender_mac),
            End::Servers if packet.sender == self.plan.server_gateway => {
                self.director[1] = Some(packet.sender_mac);
                if let Some(server) = self.plan.server_at(packet.target.into()) {
                    self.introduced[usize::from(server)] = true;
                }
            }
            _ => {}
        }
    }
}

//! Frames from orders: a template for each end, in which addresses, ports, flags and checksums are filled in.

use dataplane::wire::checksum::Sum;
use dataplane::wire::ethernet::{self, MacAddr};
use dataplane::wire::{ipv4, put, tcp, udp};

use crate::plan::{End, Plan, Protocol};

/// Where the transport header begins.
pub(crate) const TRANSPORT: usize = ethernet::HEADER + ipv4::HEADER;
/// Where the mark of a UDP packet is: first in its payload.
pub(crate) const UDP_TAG: usize = TRANSPORT + udp::HEADER;
/// Where the mark of a TCP packet is: its sequence number.
pub(crate) const TCP_TAG: usize = TRANSPORT + 4;
/// The time to live that packets begin with.
pub(crate) const TTL: u8 = 64;

/// A packet to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// Who sends it.
    pub(crate) from: End,
    /// Of which flow.
    pub(crate) flow: u32,
    /// The server that sends it; nothing for clients.
    pub(crate) server: u8,
    /// TCP's flags.
    pub(crate) flags: u8,
    /// What the sender sent before: its sequence number is that much above the first.
    pub(crate) step: u8,
}

impl Order {
    /// A client's packet.
    pub(crate) const fn request(flow: u32, flags: u8, step: u8) -> Self {
        Self { from: End::Clients, flow, server: 0, flags, step }
    }

    /// A server's packet.
    pub(crate) const fn reply(flow: u32, server: u8, flags: u8, step: u8) -> Self {
        Self { from: End::Servers, flow, server, flags, step }
    }
}

/// What packets of one end have in common, and the sums of it.
#[derive(Clone, Debug)]
struct Template {
    bytes: Vec<u8>,
    header: Sum,
    transport: Sum,
}

impl Template {
    fn new(protocol: Protocol, size: u16, src: MacAddr, dst: MacAddr) -> Self {
        let header = ethernet::Header { dst, src, ethertype: ethernet::IPV4 };
        let mut bytes = header.bytes().to_vec();
        let used = match protocol {
            Protocol::Udp => usize::from(size) - TRANSPORT,
            // What follows the header is padding: these are bare acknowledgements.
            Protocol::Tcp => tcp::HEADER,
        };
        let number = protocol.number();
        let built = ipv4::Build { tos: 0, payload: used, id: 0, df: true, ttl: TTL, protocol: number, src: 0, dst: 0 };
        bytes.extend(built.bytes());
        // The sum is of what is in the template; its own checksum is not.
        put(&mut bytes, ethernet::HEADER + 10, &[0, 0]);
        bytes.resize(usize::from(size), 0);
        match protocol {
            Protocol::Udp => put(&mut bytes, TRANSPORT + 4, &(used as u16).to_be_bytes()),
            Protocol::Tcp => {
                bytes[TRANSPORT + 12] = (tcp::HEADER as u8 / 4) << 4;
                put(&mut bytes, TRANSPORT + 14, &[0xff, 0xff]);
            }
        }
        let header = Sum::default().bytes(&bytes[ethernet::HEADER..TRANSPORT]);
        let transport = Sum::default().bytes(&bytes[TRANSPORT..TRANSPORT + used]);
        let transport = transport.word(u16::from(number)).word(used as u16);
        Self { bytes, header, transport }
    }
}

/// Makes frames.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    plan: Plan,
    clients: Template,
    servers: Template,
}

impl Writer {
    /// One that sends to these MACs of the director, on the clients' side and on the servers'.
    pub(crate) fn new(plan: Plan, size: u16, director: [MacAddr; 2]) -> Self {
        let template = |src, dst| Template::new(plan.protocol, size, src, dst);
        let clients = template(Plan::GATEWAY_MAC, director[0]);
        Self { clients, servers: template(Plan::server_mac(0), director[1]), plan }
    }

    /// Bytes of every frame.
    pub(crate) fn size(&self) -> usize {
        self.clients.bytes.len()
    }

    /// Writes a frame of [`Self::size`].
    pub(crate) fn write(&self, order: &Order, frame: &mut [u8]) {
        let plan = &self.plan;
        let client = plan.clients.of(order.flow);
        let (template, (src, sport), (dst, dport)) = match order.from {
            End::Clients => (&self.clients, client, (u32::from(*plan.vip.ip()), plan.vip.port())),
            End::Servers => (&self.servers, (plan.server(order.server), plan.first_server.port()), client),
        };
        frame.copy_from_slice(&template.bytes);
        if order.from == End::Servers {
            frame[11] = Plan::server_mac(order.server).0[5];
        }
        put(frame, 26, &src.to_be_bytes());
        put(frame, 30, &dst.to_be_bytes());
        put(frame, 24, &template.header.long(src).long(dst).finish().to_be_bytes());
        put(frame, TRANSPORT, &sport.to_be_bytes());
        put(frame, TRANSPORT + 2, &dport.to_be_bytes());
        let tag = Plan::tag(order.flow).wrapping_add(u32::from(order.step));
        let sum = template.transport.long(src).long(dst).word(sport).word(dport).long(tag);
        match plan.protocol {
            Protocol::Udp => {
                put(frame, UDP_TAG, &tag.to_be_bytes());
                // Zero would say that there is none (RFC 768).
                put(
                    frame,
                    TRANSPORT + udp::CHECKSUM,
                    &Some(sum.finish()).filter(|s| *s != 0).unwrap_or(0xffff).to_be_bytes(),
                );
            }
            Protocol::Tcp => {
                let acknowledged = if order.flags & tcp::ACK == 0 { 0 } else { tag };
                put(frame, TCP_TAG, &tag.to_be_bytes());
                put(frame, TRANSPORT + 8, &acknowledged.to_be_bytes());
                frame[TRANSPORT + 13] = order.flags;
                let sum = sum.long(acknowledged).word(u16::from(order.flags));
                put(frame, TRANSPORT + tcp::CHECKSUM, &sum.finish().to_be_bytes());
            }
        }
    }
}

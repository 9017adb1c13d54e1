//! The floor: the least that NAT by flow can cost on this machine. It receives from memory, parses, hashes, looks up
//! in a one-line bucket with everything prefetched in stages, touches the one cache line that both directions of a flow
//! share, rewrites with ready checksum differences, and sends. No states, no statistics, no services, no neighbours, no
//! checksum checked, no flow ever added or removed.

use dataplane::port::{BURST, PacketBuf, Port, RxBurst};
use dataplane::prefetch;

use crate::flows::{FRAME, FlowBuf, FlowPort};

const SLOTS: usize = 8;
/// An entry that is found by its reply key.
const REPLY: u32 = 1 << 31;
const NONE: u32 = u32::MAX;
/// A frame's headers.
const HEADERS: usize = 54;

#[derive(Clone, Copy)]
#[repr(align(64))]
struct Bucket {
    tags: [u8; SLOTS],
    flows: [u32; SLOTS],
}

/// A flow. Any two neighbours among its ends are destination and source of one direction's packets. All in the byte
/// order of packets.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Flow {
    vip: u32,
    client: u32,
    server: u32,
    vip_port: u16,
    client_port: u16,
    server_port: u16,
    header_change: u16,
    transport_change: u16,
    macs: [[u8; 12]; 2],
}

/// A forwarder that does nothing else.
pub(crate) struct Floor {
    pub(crate) ports: [FlowPort<FRAME>; 2],
    buckets: Vec<Bucket>,
    flows: Vec<Flow>,
    packets: RxBurst<FlowBuf>,
    output: [Vec<FlowBuf>; 2],
    forwarded: u64,
}

/// The ends of a flow.
#[derive(Clone, Copy)]
pub(crate) struct Ends {
    /// Client address and port.
    pub(crate) client: (u32, u16),
    /// Virtual address and port.
    pub(crate) vip: (u32, u16),
    /// Server address and port.
    pub(crate) server: (u32, u16),
}

/// What names a flow's packets in one direction.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    addresses: u64,
    ports: u32,
}

impl Flow {
    fn new(Ends { client, vip, server }: Ends) -> Self {
        let change = |sum: u64| {
            let fold = |sum: u64| (sum & 0xffff) + (sum >> 16);
            (fold(fold(sum)) as u16).to_be()
        };
        let halves = |v: u32| u64::from(v >> 16) + u64::from(v & 0xffff);
        let addresses = halves(!vip.0) + halves(server.0);
        Self {
            vip: vip.0.to_be(),
            client: client.0.to_be(),
            server: server.0.to_be(),
            vip_port: vip.1.to_be(),
            client_port: client.1.to_be(),
            server_port: server.1.to_be(),
            header_change: change(addresses),
            transport_change: change(addresses + u64::from(!vip.1) + u64::from(server.1)),
            macs: [[2; 12]; 2],
        }
    }

    #[inline(always)]
    fn request(&self) -> Key {
        Key::new((self.client, self.vip), (self.client_port, self.vip_port))
    }

    #[inline(always)]
    fn reply(&self) -> Key {
        Key::new((self.server, self.client), (self.server_port, self.client_port))
    }
}

impl Key {
    #[inline(always)]
    fn new((src, dst): (u32, u32), (sport, dport): (u16, u16)) -> Self {
        Self { addresses: u64::from(dst) | u64::from(src) << 32, ports: u32::from(dport) | u32::from(sport) << 16 }
    }

    #[inline(always)]
    fn of(h: &[u8; HEADERS]) -> Self {
        let addresses = u64::from_ne_bytes([h[26], h[27], h[28], h[29], h[30], h[31], h[32], h[33]]);
        let ports = u32::from_ne_bytes([h[34], h[35], h[36], h[37]]);
        Self { addresses: addresses.rotate_left(32), ports: ports.rotate_left(16) }
    }

    #[inline(always)]
    fn hash(self) -> u64 {
        let product = u128::from(self.addresses ^ 0x9e37_79b9_7f4a_7c15)
            * u128::from(u64::from(self.ports) ^ 0xd1b5_4a32_d192_ed03);
        product as u64 ^ (product >> 64) as u64
    }
}

impl Floor {
    /// A floor with these flows.
    pub(crate) fn new(flows: impl Iterator<Item = Ends>) -> Self {
        let flows: Vec<Flow> = flows.map(Flow::new).collect();
        let mut floor = Self {
            ports: FlowPort::pair(),
            buckets: vec![Bucket { tags: [0; SLOTS], flows: [0; SLOTS] }; (flows.len() * 2 / 3).max(64)],
            flows,
            packets: RxBurst::new(),
            output: [Vec::with_capacity(BURST), Vec::with_capacity(BURST)],
            forwarded: 0,
        };
        for index in 0..floor.flows.len() {
            let flow = floor.flows[index];
            floor.insert(flow.request().hash(), index as u32);
            floor.insert(flow.reply().hash(), index as u32 | REPLY);
        }
        floor
    }

    /// The few keys that find their bucket full are left out; the bench asserts that these are few.
    fn insert(&mut self, hash: u64, entry: u32) {
        let at = self.place(hash);
        let bucket = &mut self.buckets[at];
        if let Some(slot) = bucket.tags.iter().position(|tag| *tag == 0) {
            bucket.tags[slot] = tag(hash);
            bucket.flows[slot] = entry;
        }
    }

    #[inline(always)]
    fn place(&self, hash: u64) -> usize {
        (((hash >> 32) * self.buckets.len() as u64) >> 32) as usize
    }

    /// Packets forwarded so far.
    pub(crate) fn forwarded(&self) -> u64 {
        self.forwarded
    }

    /// One burst of each port.
    pub(crate) fn turn(&mut self) {
        for port in 0..2 {
            self.ports[port].rx_burst(&mut self.packets);
            self.burst();
            for (port, output) in self.ports.iter_mut().zip(&mut self.output) {
                if !output.is_empty() {
                    port.tx_burst(output);
                }
            }
        }
    }

    fn burst(&mut self) {
        let n = self.packets.len();
        let mut hashes = [0u64; BURST];
        let mut entries = [NONE; BURST];
        for (packet, hash) in self.packets.iter().zip(&mut hashes) {
            let Some(h) = packet.data().first_chunk() else { continue };
            *hash = Key::of(h).hash();
            prefetch::read(&self.buckets[self.place(*hash)]);
        }
        for (entry, hash) in entries.iter_mut().zip(&hashes[..n]) {
            let bucket = &self.buckets[self.place(*hash)];
            let bits = matches(&bucket.tags, tag(*hash));
            if bits != 0 {
                *entry = bucket.flows[bits.trailing_zeros() as usize / 8 % SLOTS];
                if let Some(flow) = self.flows.get((*entry & !REPLY) as usize) {
                    prefetch::read(flow);
                }
            }
        }
        for ((mut packet, entry), hash) in self.packets.drain(..).zip(entries).zip(hashes) {
            let Some(h) = packet.data_mut().first_chunk_mut() else { continue };
            if !is_usual(h) {
                continue;
            }
            let key = Key::of(h);
            let index = (entry & !REPLY) as usize;
            let out = match self.flows.get(index) {
                Some(flow) if entry & REPLY == 0 && flow.request() == key => to_server(h, flow),
                Some(flow) if entry & REPLY != 0 && flow.reply() == key => to_client(h, flow),
                _ => match another(&self.buckets, &self.flows, h, hash) {
                    Some(out) => out,
                    None => continue,
                },
            };
            self.output[out].push(packet);
            self.forwarded += 1;
        }
    }
}

/// The first entry with the tag was another flow's.
#[cold]
fn another(buckets: &[Bucket], flows: &[Flow], h: &mut [u8; HEADERS], hash: u64) -> Option<usize> {
    let bucket = &buckets[(((hash >> 32) * buckets.len() as u64) >> 32) as usize];
    let (key, tag) = (Key::of(h), tag(hash));
    let fitting = bucket.tags.iter().zip(bucket.flows).filter(|(there, _)| **there == tag).map(|(_, entry)| entry);
    for entry in fitting {
        let flow = &flows[(entry & !REPLY) as usize];
        if entry & REPLY == 0 && flow.request() == key {
            return Some(to_server(h, flow));
        }
        if entry & REPLY != 0 && flow.reply() == key {
            return Some(to_client(h, flow));
        }
    }
    None
}

/// TCP in IPv4 without options, and time to live.
#[inline(always)]
fn is_usual(h: &[u8; HEADERS]) -> bool {
    h[12] == 8 && h[14] == 0x45 && h[23] == 6 && h[22] > 1
}

#[inline(always)]
fn to_server(h: &mut [u8; HEADERS], flow: &Flow) -> usize {
    h[..12].copy_from_slice(&flow.macs[1]);
    h[30..34].copy_from_slice(&flow.server.to_ne_bytes());
    h[36..38].copy_from_slice(&flow.server_port.to_ne_bytes());
    checksums(h, flow.header_change, flow.transport_change);
    1
}

#[inline(always)]
fn to_client(h: &mut [u8; HEADERS], flow: &Flow) -> usize {
    h[..12].copy_from_slice(&flow.macs[0]);
    h[26..30].copy_from_slice(&flow.vip.to_ne_bytes());
    h[34..36].copy_from_slice(&flow.vip_port.to_ne_bytes());
    checksums(h, !flow.header_change, !flow.transport_change);
    0
}

/// One hop less, and RFC 1624 with ready differences.
#[inline(always)]
fn checksums(h: &mut [u8; HEADERS], header: u16, transport: u16) {
    h[22] -= 1;
    subtract(h, 24, header);
    subtract(h, 24, 0xfeff_u16.to_be());
    subtract(h, 50, transport);
}

/// With the carry around the end.
#[inline(always)]
fn subtract(h: &mut [u8; HEADERS], at: usize, change: u16) {
    let (sum, borrow) = u16::from_ne_bytes([h[at], h[at + 1]]).overflowing_sub(change);
    h[at..at + 2].copy_from_slice(&sum.wrapping_sub(u16::from(borrow)).to_ne_bytes());
}

#[inline(always)]
fn matches(tags: &[u8; SLOTS], tag: u8) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const BELOW_TOP: u64 = ONES * 0x7f;
    let differs = u64::from_le_bytes(*tags) ^ (ONES * u64::from(tag));
    !(((differs & BELOW_TOP) + BELOW_TOP) | differs | BELOW_TOP)
}

#[inline(always)]
fn tag(hash: u64) -> u8 {
    (hash as u8).max(1)
}

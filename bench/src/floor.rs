//! The floor: the least that NAT by flow can cost on this machine. It receives from memory, parses, hashes, looks up
//! in a one-line bucket with everything prefetched in stages, touches one cache line of the flow, rewrites with ready
//! checksum differences, and sends. No states, no statistics, no services, no neighbours.

use dataplane::port::{BURST, PacketBuf, Port, RxBurst};
use dataplane::prefetch;

use crate::flows::{FlowBuf, FlowPort};

const SLOTS: usize = 8;

#[derive(Clone, Copy)]
#[repr(align(64))]
struct Bucket {
    tags: [u8; SLOTS],
    flows: [u32; SLOTS],
}

/// A flow in one direction: its key, and what its packets become.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Flow {
    src: u32,
    dst: u32,
    ports: u32,
    source: bool,
    out: u8,
    address: u32,
    port: u16,
    ip_delta: u16,
    transport_delta: u16,
    macs: [u8; 12],
}

/// A forwarder that does nothing else.
pub(crate) struct Floor {
    pub(crate) ports: [FlowPort; 2],
    buckets: Vec<Bucket>,
    flows: Vec<Flow>,
    packets: RxBurst<FlowBuf>,
    output: [Vec<FlowBuf>; 2],
    forwarded: u64,
}

/// One end of a rewritten flow.
#[derive(Clone, Copy)]
pub(crate) struct Rule {
    /// Source address.
    pub(crate) src: u32,
    /// Destination address.
    pub(crate) dst: u32,
    /// Source and destination port.
    pub(crate) ports: u32,
    /// Whether the source is rewritten, else the destination.
    pub(crate) source: bool,
    /// The new address.
    pub(crate) address: u32,
    /// The new port.
    pub(crate) port: u16,
}

impl Floor {
    /// A floor with these flows.
    pub(crate) fn new(rules: impl Iterator<Item = Rule>) -> Self {
        let flows: Vec<Flow> = rules.map(flow).collect();
        let buckets = (flows.len() / 3).max(64).next_power_of_two();
        let mut floor = Self {
            ports: FlowPort::pair(),
            buckets: vec![Bucket { tags: [0; SLOTS], flows: [0; SLOTS] }; buckets],
            flows,
            packets: RxBurst::new(),
            output: [Vec::with_capacity(BURST), Vec::with_capacity(BURST)],
            forwarded: 0,
        };
        for index in 0..floor.flows.len() {
            let flow = &floor.flows[index];
            floor.insert(hash(flow.src, flow.dst, flow.ports), index as u32);
        }
        floor
    }

    /// The few flows that find their bucket full go to the next one, as a lookup would not; they are then not found,
    /// and the bench asserts that these are few.
    fn insert(&mut self, hash: u64, flow: u32) {
        let at = self.place(hash);
        let bucket = &mut self.buckets[at];
        if let Some(slot) = bucket.tags.iter().position(|tag| *tag == 0) {
            bucket.tags[slot] = tag(hash);
            bucket.flows[slot] = flow;
        }
    }

    fn place(&self, hash: u64) -> usize {
        (hash >> 32) as usize & (self.buckets.len() - 1)
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
            for out in 0..2 {
                if !self.output[out].is_empty() {
                    let (ports, output) = (&mut self.ports, &mut self.output);
                    ports[port].tx_burst(&mut output[out]);
                }
            }
        }
    }

    fn burst(&mut self) {
        let n = self.packets.len();
        let mut hashes = [0u64; BURST];
        let mut found = [u32::MAX; BURST];
        for (packet, slot) in self.packets.iter().zip(&mut hashes) {
            let Some(h) = packet.data().first_chunk::<54>() else { continue };
            if h[12..15] != [8, 0, 0x45] || h[22] < 2 || h[23] != 6 {
                continue;
            }
            *slot = hash(word(h, 26), word(h, 30), word(h, 34));
            prefetch::read(&self.buckets[self.place(*slot)]);
        }
        for (slot, hash) in found[..n].iter_mut().zip(&hashes) {
            let bucket = &self.buckets[self.place(*hash)];
            let bits = matches(&bucket.tags, tag(*hash));
            if bits != 0 {
                *slot = bucket.flows[bits.trailing_zeros() as usize / 8 % SLOTS];
                prefetch::read(&self.flows[*slot as usize]);
            }
        }
        for ((mut packet, candidate), hash) in self.packets.drain(..).zip(found).zip(hashes) {
            let Some(h) = packet.data_mut().first_chunk_mut::<54>() else { continue };
            let (src, dst, ports) = (word(h, 26), word(h, 30), word(h, 34));
            let flow = match self.flows.get(candidate as usize) {
                Some(flow) if (flow.src, flow.dst, flow.ports) == (src, dst, ports) => flow,
                _ => match search(&self.buckets[(hash >> 32) as usize & (self.buckets.len() - 1)], tag(hash), |i| {
                    let flow = &self.flows[i as usize];
                    (flow.src, flow.dst, flow.ports) == (src, dst, ports)
                }) {
                    Some(index) => &self.flows[index as usize],
                    None => continue,
                },
            };
            rewrite(h, flow);
            self.output[usize::from(flow.out) & 1].push(packet);
            self.forwarded += 1;
        }
    }
}

fn search(bucket: &Bucket, tag: u8, fits: impl Fn(u32) -> bool) -> Option<u32> {
    let all = bucket.tags.iter().zip(&bucket.flows);
    all.filter(|(t, _)| **t == tag).map(|(_, flow)| *flow).find(|flow| fits(*flow))
}

fn matches(tags: &[u8; SLOTS], tag: u8) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const BELOW_TOP: u64 = ONES * 0x7f;
    let differs = u64::from_le_bytes(*tags) ^ (ONES * u64::from(tag));
    !(((differs & BELOW_TOP) + BELOW_TOP) | differs | BELOW_TOP)
}

fn word(h: &[u8; 54], at: usize) -> u32 {
    u32::from_be_bytes([h[at], h[at + 1], h[at + 2], h[at + 3]])
}

fn tag(hash: u64) -> u8 {
    (hash as u8).max(1)
}

fn hash(src: u32, dst: u32, ports: u32) -> u64 {
    let product = u128::from((u64::from(src) << 32 | u64::from(dst)) ^ 0x9e37_79b9_7f4a_7c15)
        * u128::from(u64::from(ports) ^ 0xd1b5_4a32_d192_ed03);
    product as u64 ^ (product >> 64) as u64
}

fn rewrite(h: &mut [u8; 54], flow: &Flow) {
    h[..12].copy_from_slice(&flow.macs);
    h[22] -= 1;
    adjust(h, 24, flow.ip_delta);
    let (address, port) = if flow.source { (26, 34) } else { (30, 36) };
    h[address..address + 4].copy_from_slice(&flow.address.to_be_bytes());
    h[port..port + 2].copy_from_slice(&flow.port.to_be_bytes());
    adjust(h, 50, flow.transport_delta);
}

/// RFC 1624 with a ready difference.
fn adjust(h: &mut [u8; 54], at: usize, delta: u16) {
    let sum = u32::from(!u16::from_be_bytes([h[at], h[at + 1]])) + u32::from(delta);
    let sum = (sum & 0xffff) + (sum >> 16);
    h[at..at + 2].copy_from_slice(&(!(sum as u16)).to_be_bytes());
}

fn flow(rule: Rule) -> Flow {
    let old_port = if rule.source { (rule.ports >> 16) as u16 } else { rule.ports as u16 };
    let old = if rule.source { rule.src } else { rule.dst };
    let halves = |v: u32| u64::from(v >> 16) + u64::from(v & 0xffff);
    let addresses = halves(!old) + halves(rule.address);
    let fold = |mut sum: u64| {
        while sum >> 16 != 0 {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    };
    Flow {
        src: rule.src,
        dst: rule.dst,
        ports: rule.ports,
        source: rule.source,
        out: u8::from(!rule.source),
        address: rule.address,
        port: rule.port,
        ip_delta: fold(addresses + 0xfeff),
        transport_delta: fold(addresses + u64::from(!old_port) + u64::from(rule.port)),
        macs: [2; 12],
    }
}

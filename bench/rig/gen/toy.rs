//! A director in memory, to test the generator with: NAT and DR in a few lines, checksums computed in full, and faults
//! that the generator must find.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use dataplane::port::mem::MemBuf;
use dataplane::port::{PacketBuf, Port, RxBurst};
use dataplane::wire::checksum::{self, Sum};
use dataplane::wire::ethernet::MacAddr;
use dataplane::wire::{arp, be16, be32, put};

use crate::plan::{End, Method, Plan};

/// The toy's MACs on the clients' side and on the servers'.
pub(crate) const MACS: [MacAddr; 2] = [MacAddr([2, 9, 9, 9, 9, 1]), MacAddr([2, 9, 9, 9, 9, 2])];

/// What it does wrong, to the packet whose number (from 1) divides by the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Lose,
    /// Adds one to a byte of the finished frame.
    Spoil(usize),
    /// Gives the flow to the next server.
    Move,
    /// Answers as nobody's: ICMP port unreachable.
    Refuse,
}

/// A director with two sides.
#[derive(Debug)]
pub(crate) struct Toy {
    plan: Plan,
    pub(crate) fault: Option<(Fault, u64)>,
    homes: HashMap<(u32, u16), u8>,
    out: [VecDeque<Vec<u8>>; 2],
    seen: u64,
}

impl Toy {
    pub(crate) fn new(plan: Plan) -> Rc<RefCell<Self>> {
        let toy = Self { plan, fault: None, homes: HashMap::new(), out: [VecDeque::new(), VecDeque::new()], seen: 0 };
        Rc::new(RefCell::new(toy))
    }

    fn take(&mut self, side: usize, mut frame: Vec<u8>) {
        if be16(&frame, 12) == 0x0806 {
            return self.answer(side, &frame);
        }
        assert_eq!(frame[..6], MACS[side].0, "sent to the director");
        self.seen += 1;
        let fault = self.fault.filter(|(_, every)| self.seen.is_multiple_of(*every)).map(|(fault, _)| fault);
        match fault {
            Some(Fault::Lose) => return,
            Some(Fault::Refuse) if side == End::Clients as usize => return self.refuse(&frame),
            _ => {}
        }
        let to = 1 - side;
        match side {
            0 => self.request(&mut frame, fault == Some(Fault::Move)),
            _ => self.reply(&mut frame),
        }
        put(&mut frame, 6, &MACS[to].0);
        frame[22] -= 1;
        finish(&mut frame);
        if let Some(Fault::Spoil(at)) = fault {
            frame[at] = frame[at].wrapping_add(1);
        }
        self.out[to].push_back(frame);
    }

    fn request(&mut self, frame: &mut [u8], moved: bool) {
        let next = (self.homes.len() % usize::from(self.plan.servers)) as u8;
        let home = self.homes.entry((be32(frame, 26), be16(frame, 34))).or_insert(next);
        let server = if moved { (*home + 1) % self.plan.servers } else { *home };
        put(frame, 0, &Plan::server_mac(server).0);
        if self.plan.method == Method::Nat {
            put(frame, 30, &self.plan.server(server).to_be_bytes());
            put(frame, 36, &self.plan.first_server.port().to_be_bytes());
        }
    }

    fn reply(&self, frame: &mut [u8]) {
        put(frame, 0, &Plan::GATEWAY_MAC.0);
        put(frame, 26, &self.plan.vip.ip().octets());
        put(frame, 34, &self.plan.vip.port().to_be_bytes());
    }

    /// Port unreachable, quoting the header and eight bytes (RFC 792).
    fn refuse(&mut self, frame: &[u8]) {
        let mut error =
            [&Plan::GATEWAY_MAC.0[..], &MACS[0].0, &[8, 0, 0x45, 0, 0, 56, 0, 0, 0, 0, 64, 1, 0, 0]].concat();
        error.extend(&frame[30..34]);
        error.extend(&frame[26..30]);
        error.extend([3, 3, 0, 0, 0, 0, 0, 0]);
        error.extend(&frame[14..42]);
        self.out[0].push_back(error);
    }

    /// Whoever asks for an address that is no player's asks for the director's.
    fn answer(&mut self, side: usize, frame: &[u8]) {
        let asked = arp::Packet::parse(&frame[14..]).expect("ARP");
        assert_eq!((asked.operation, self.plan.played(asked.target)), (arp::Operation::Request, None));
        let reply = arp::Packet {
            operation: arp::Operation::Reply,
            sender_mac: MACS[side],
            sender: asked.target,
            target_mac: asked.sender_mac,
            target: asked.sender,
        };
        self.out[side].push_back(reply.frame(asked.sender_mac));
    }
}

/// Fills in both checksums.
fn finish(frame: &mut [u8]) {
    put(frame, 24, &[0, 0]);
    let sum = checksum::of(&frame[14..34]);
    put(frame, 24, &sum.to_be_bytes());
    let (end, at) = (14 + usize::from(be16(frame, 16)), if frame[23] == 6 { 50 } else { 40 });
    put(frame, at, &[0, 0]);
    let sum = Sum::default().pseudo(&frame[26..30], &frame[30..34], frame[23], end - 34).bytes(&frame[34..end]);
    put(frame, at, &sum.finish().to_be_bytes());
}

/// A port on one side of a toy.
pub(crate) struct ToyPort {
    pub(crate) side: usize,
    pub(crate) toy: Rc<RefCell<Toy>>,
}

impl Port for ToyPort {
    type Buf = MemBuf;

    fn rx_burst(&mut self, out: &mut RxBurst<MemBuf>) -> usize {
        let mut toy = self.toy.borrow_mut();
        let n = toy.out[self.side].len().min(out.remaining_capacity());
        out.extend(toy.out[self.side].drain(..n).map(|frame| MemBuf::from_frame(&frame)));
        n
    }

    fn tx_burst(&mut self, packets: &mut Vec<MemBuf>) -> usize {
        let n = packets.len();
        packets.drain(..).for_each(|packet| self.toy.borrow_mut().take(self.side, packet.data().to_vec()));
        n
    }

    fn alloc(&mut self) -> Option<MemBuf> {
        Some(MemBuf::empty())
    }

    fn free_bulk(&mut self, packets: &mut Vec<MemBuf>) {
        packets.clear();
    }
}

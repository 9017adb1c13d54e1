//! A port that deals out packets of many flows, and the memory they lie in.

use dataplane::port::{PacketBuf, Port, RxBurst};

/// Bytes of a frame without its checksum sequence.
pub(crate) const FRAME: usize = 60;
const HEADROOM: usize = 128;

/// A packet's memory, as a driver's: fixed, with headroom.
#[derive(Debug)]
pub(crate) struct FlowBuf {
    room: Box<[u8; 256]>,
    start: usize,
    len: usize,
}

impl FlowBuf {
    fn new() -> Self {
        Self { room: Box::new([0; 256]), start: HEADROOM, len: 0 }
    }
}

impl PacketBuf for FlowBuf {
    fn data(&self) -> &[u8] {
        &self.room[self.start..self.start + self.len]
    }

    fn data_mut(&mut self) -> &mut [u8] {
        &mut self.room[self.start..self.start + self.len]
    }

    fn set_len(&mut self, len: usize) -> bool {
        let fits = self.start + len <= self.room.len();
        if fits {
            self.len = len;
        }
        fits
    }

    fn prepend(&mut self, n: usize) -> bool {
        let fits = n <= self.start;
        if fits {
            self.start -= n;
            self.len += n;
        }
        fits
    }

    fn adj(&mut self, n: usize) -> bool {
        let fits = n <= self.len;
        if fits {
            self.start += n;
            self.len -= n;
        }
        fits
    }
}

/// A port whose wire is a list of flow numbers, each with a frame of its own.
#[derive(Debug, Default)]
pub(crate) struct FlowPort {
    /// One frame a flow.
    pub(crate) frames: Vec<[u8; FRAME]>,
    /// Flows whose frames arrive next, last first.
    pub(crate) order: Vec<u32>,
    spare: Vec<FlowBuf>,
}

impl Port for FlowPort {
    type Buf = FlowBuf;

    fn rx_burst(&mut self, out: &mut RxBurst<FlowBuf>) -> usize {
        let n = self.order.len().min(out.remaining_capacity());
        for _ in 0..n {
            let (Some(flow), Some(mut buffer)) = (self.order.pop(), self.alloc()) else { return out.len() };
            buffer.set_len(FRAME);
            buffer.data_mut().copy_from_slice(&self.frames[flow as usize]);
            out.push(buffer);
        }
        n
    }

    fn tx_burst(&mut self, packets: &mut Vec<FlowBuf>) -> usize {
        let n = packets.len();
        self.spare.append(packets);
        n
    }

    fn alloc(&mut self) -> Option<FlowBuf> {
        let mut buffer = self.spare.pop().unwrap_or_else(FlowBuf::new);
        buffer.start = HEADROOM;
        buffer.len = 0;
        Some(buffer)
    }

    fn free_bulk(&mut self, packets: &mut Vec<FlowBuf>) {
        self.spare.append(packets);
    }
}

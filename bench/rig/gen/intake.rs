//! What happens to received frames: counted, read where somebody wants to know, answered where they ask.

use dataplane::port::{PacketBuf, Port, RxBurst};

use crate::check;
use crate::engine::Engine;
use crate::plan::End;
use crate::seen::{Packet, Seen};
use crate::traffic::Traffic;

/// Buffers kept for the next frames instead of going back to the pool.
const SPARES: usize = 512;

impl<P: Port> Engine<P> {
    /// Takes what has arrived. Returns how many frames.
    pub(crate) fn receive<T: Traffic>(&mut self, traffic: &mut T, now: u64) -> usize {
        let mut burst = RxBurst::new();
        let mut received = 0;
        for door in 0..self.doors.len() {
            for lane in 0..self.doors[door].width() {
                let n = self.doors[door].receive(lane, &mut burst);
                (received, self.tally.bursts) = (received + n, self.tally.bursts + u64::from(n > 0));
                for frame in burst.drain(..) {
                    self.take(door, frame.data(), traffic, now);
                    self.spares.push(frame);
                }
            }
        }
        if self.spares.len() > SPARES {
            let mut surplus = self.spares.split_off(SPARES);
            self.doors[0].free(&mut surplus);
        }
        received
    }

    fn take<T: Traffic>(&mut self, door: usize, frame: &[u8], traffic: &mut T, now: u64) {
        let verified = !self.manner.blind && self.is_to_be_verified();
        // Frames whose end is known by their door need not be read.
        let counted = self.manner.blind || (self.doors.len() == 2 && Seen::is_packet(frame));
        if counted && !verified && !traffic.follows() {
            self.tally.received[door] += 1;
            return;
        }
        match Seen::read(frame) {
            Seen::Packet(packet) => self.packet(door, &packet, verified, traffic, now),
            Seen::Refused(address, port) => {
                self.tally.refused += 1;
                traffic.refused(address, port);
            }
            Seen::Arp => {
                if let Some(answer) = self.arp.hear(frame) {
                    self.say(door, &answer);
                }
            }
            Seen::Other => self.tally.other += 1,
        }
    }

    fn packet<T: Traffic>(&mut self, door: usize, packet: &Packet<'_>, verified: bool, traffic: &mut T, now: u64) {
        let end = self.end_of(door, packet.dst);
        self.tally.received[end as usize] += 1;
        let mut result = Ok(());
        if verified || traffic.follows() {
            result = traffic.arrived(now, end, packet);
        }
        if verified {
            self.tally.verified += 1;
            let director = self.arp.director()[end as usize];
            result = result.and_then(|()| check::sums(packet)).and_then(|()| check::sender(packet, director));
        }
        if let Err(wrong) = result {
            self.tally.wrong[wrong as usize] += 1;
        }
    }

    /// Counts down to the next packet that is verified.
    fn is_to_be_verified(&mut self) -> bool {
        self.until_verified -= 1;
        let due = self.until_verified == 0;
        if due {
            self.until_verified = self.manner.verify.max(1);
        }
        due && self.manner.verify > 0
    }

    /// The end where a packet to this address arrives.
    fn end_of(&self, door: usize, address: u32) -> End {
        match (self.doors.len(), door) {
            (2, 0) => End::Clients,
            (2, _) => End::Servers,
            _ if self.plan.clients.contains(address) => End::Clients,
            _ => End::Servers,
        }
    }
}

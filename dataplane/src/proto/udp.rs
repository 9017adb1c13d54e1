//! UDP: one state to the kernel (`ip_vs_proto_udp.c`), and one name for the two that are told apart here. A datagram that
//! nobody answered is worth less than a conversation (`nf_conntrack_proto_udp.c`).

use crate::clock::ticks;

/// Seconds, where nobody tells the states apart.
const TIMEOUT: u32 = 300;
/// Seconds that appliances wait for an answer: `net.netfilter.nf_conntrack_udp_timeout`.
const APPLIANCE_ONE_WAY: u32 = 30;

/// Numbers that a state could have. Each has a timeout, so that a packet of a connection needs no check for one.
const NUMBERS: usize = 1 << u8::BITS;

/// A state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// The client has sent, nobody has answered. Where no reply passes here: one datagram.
    OneWay,
    /// Both have sent. Where no reply passes here: the client's next datagram finds it so.
    Stream,
}

/// Ticks without a packet, by the number of the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts(pub(crate) [u32; NUMBERS]);

impl Default for Timeouts {
    fn default() -> Self {
        Self([ticks(TIMEOUT); NUMBERS])
    }
}

impl Timeouts {
    /// Short ones, as appliances have them.
    #[must_use]
    pub(super) fn appliance() -> Self {
        let mut timeouts = Self::default();
        timeouts.set_one_way(ticks(APPLIANCE_ONE_WAY));
        timeouts
    }

    /// Of a state.
    #[must_use]
    pub const fn of(&self, state: State) -> u32 {
        self.0[state as usize]
    }

    /// Sets that of a conversation. One for a single datagram that was the same stays the same; no other is longer.
    pub fn set(&mut self, ticks: u32) {
        let [one_way, stream] = [State::OneWay, State::Stream].map(|state| self.of(state));
        self.0.fill(ticks);
        self.set_one_way(if one_way == stream { ticks } else { one_way.min(ticks) });
    }

    /// Sets that of a single datagram.
    pub const fn set_one_way(&mut self, ticks: u32) {
        self.0[State::OneWay as usize] = ticks;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_timeout_of_the_kernel_two_of_appliances() {
        let both = |timeouts: &Timeouts| [State::OneWay, State::Stream].map(|state| timeouts.of(state) / ticks(1));
        let (mut kernel, mut appliance) = (Timeouts::default(), Timeouts::appliance());
        assert_eq!((both(&kernel), both(&appliance)), ([300, 300], [30, 300]));
        for (seconds, now) in [(60, ([60, 60], [30, 60])), (9, ([9, 9], [9, 9])), (90, ([90, 90], [90, 90]))] {
            kernel.set(ticks(seconds));
            appliance.set(ticks(seconds));
            assert_eq!((both(&kernel), both(&appliance)), now, "--set 0 0 {seconds}");
        }
    }
}

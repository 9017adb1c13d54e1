//! What a kind of traffic is to the engine: it says what to send next, and hears what arrived.

use crate::check::Wrong;
use crate::frame::Order;
use crate::plan::End;
use crate::report::Report;
use crate::seen::Packet;

/// One kind of traffic. Times are nanoseconds since any beginning.
pub(crate) trait Traffic {
    /// The next packet to send; `None`: none now.
    fn next(&mut self, now: u64) -> Option<Order>;

    /// A packet arrived. Only those that are verified come here, unless [`Self::follows`] says otherwise; the others
    /// are counted.
    fn arrived(&mut self, now: u64, end: End, packet: &Packet<'_>) -> Result<(), Wrong>;

    /// Whether it must see every packet.
    fn follows(&self) -> bool;

    /// Somebody said by ICMP that a client's packet leads nowhere.
    fn refused(&mut self, _address: u32, _port: u16) {}

    /// No new work from now on; what has begun may end.
    fn wind_down(&mut self) {}

    /// Whether all work is done.
    fn is_over(&self) -> bool;

    /// Adds its own figures.
    fn report(&self, _seconds: f64, _report: &mut Report) {}
}

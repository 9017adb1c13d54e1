//! The first floor: what a packet is, and what it belongs to. Nothing is changed here but what is noted of the packet.
//!
//! ```text
//! parse   -> discovery, ip (options, martian), unwrap: headers, ports, what must not be
//! steer   -> the worker that it belongs to
//! lookup  -> the entry of the connection table that its key may lead to
//! known   -> its connection; of an ICMP error that of the packet in it (quote, quoted_tunnel)
//! path    -> towards whom it is routed (shared_route)
//! ```

mod discovery;
mod ip;
pub(super) mod known;
pub(super) mod lookup;
pub(super) mod martian;
pub(super) mod options;
pub(super) mod parse;
pub(super) mod path;
pub(super) mod quote;
pub(super) mod quoted_tunnel;
mod shared_route;
pub(super) mod steer;
mod unwrap;

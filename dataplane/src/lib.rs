//! The load balancer: packets in, packets out. No FFI, no sockets, no files, no clock of its own.

pub mod flow;
pub mod port;

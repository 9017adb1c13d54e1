//! The safe face of DPDK, one concern a file: the only room of the appliance where `unsafe` is allowed.
//!
//! ```text
//! eal      one environment per process; threads join it
//! runtime  the directory of its files     claim    a device is one director's
//! kernel   the interface of the kernel that a device stands on
//! journal  what DPDK says: to the log, or into the error of the call that failed
//! error    errno and driver text, as values
//! mempool  packet memory              mbuf     one packet of it
//! spec     "af_packet:eth0", parsed   eth_dev  a device, from start to stop
//! setup    the steps of its start     offer    what it can do, and what it has counted
//! queue    one receive/transmit queue pair, the door the dataplane defines
//! af_packet  the rings that one kind of device shares with the kernel
//! heap     the C library's, shared with DPDK: memory that is free goes back
//! ```
//!
//! **Who keeps whom alive.** Queues hold their device, devices hold their pools, pools and registered threads hold
//! the environment; each is released when the last holder goes, so no order of dropping reaches freed memory. A packet
//! holds nothing (it is one pointer, moved by the million): a pool that still misses packets when its last holder
//! goes is left in place, and the environment with it.

#![allow(unsafe_code)]

pub(crate) mod af_packet;
pub(crate) mod claim;
pub(crate) mod eal;
pub(crate) mod error;
pub(crate) mod eth_dev;
pub(crate) mod heap;
mod journal;
pub(crate) mod kernel;
pub(crate) mod mbuf;
pub(crate) mod mempool;
pub(crate) mod offer;
pub(crate) mod queue;
mod runtime;
mod setup;
pub(crate) mod spec;

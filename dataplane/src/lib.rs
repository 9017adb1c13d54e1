//! The load balancer: packets in, packets out. No FFI, no sockets, no files, no clock of its own.
//!
//! Inside, dependencies point downward only: `worker`, `pipeline`, then `sched`, `forward` and `proto`, then `conn`,
//! `service`, `route`, `mark`, `neighbor` and `steering`, then `packet`, `port`, `method` and `flow`, then `wire`, `clock` and `verdict`.

pub mod chance;
pub mod clock;
pub mod conn;
pub mod counters;
pub mod defence;
pub mod expected;
pub mod flow;
pub mod forward;
pub mod fragments;
pub mod handoff;
pub mod limiter;
pub mod list;
pub mod mailbox;
pub mod map;
pub mod mark;
pub mod method;
pub mod neighbor;
pub mod packet;
pub mod parking;
pub mod pipeline;
pub mod port;
pub mod prefetch;
pub mod proto;
pub mod route;
pub mod sched;
pub mod seeds;
pub mod service;
pub mod shard;
pub mod snapshot;
pub mod steering;
pub mod sysctl;
pub mod tables;
pub mod template;
pub mod trace;
pub mod verdict;
pub mod wire;
pub mod words;
pub mod worker;

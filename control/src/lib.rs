//! What a sluice director should know, and how it is told: configuration, requests, neighbours, routes, statistics.
//!
//! Pure and safe: time and frames are arguments. The only outside thing here is the control socket ([`socket`]) and
//! the operator's tool that speaks to it ([`tool`]).

pub mod api;
pub mod config;
pub mod director;
pub mod ipvs;
pub mod ipvsadm;
pub mod neighbors;
pub mod net;
pub mod procfs;
pub mod socket;
pub mod statistics;
pub mod tool;
pub mod watch;

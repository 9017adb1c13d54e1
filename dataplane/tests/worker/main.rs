//! A whole worker, turned by hand over ports in memory.

mod accounts;
mod allocations;
mod burst;
mod counters;
mod crew;
mod discovery;
mod frames;
mod handoff;
mod hooks;
mod lab;
mod limits;
mod local;
mod marks;
#[path = "../../../tests/helpers/allocations.rs"]
mod memory;
mod parking;
mod six;
mod stream;
mod trace;
mod tunnel;
mod vlan;

//! A whole worker, turned by hand over ports in memory.

mod allocations;
mod burst;
mod counters;
mod crew;
mod frames;
mod handoff;
mod lab;
mod limits;
mod listing;
#[path = "../../../tests/helpers/allocations.rs"]
mod memory;
mod parking;
mod stream;
mod trace;

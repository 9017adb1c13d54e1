//! A whole worker, turned by hand over ports in memory.

mod burst;
mod counters;
mod crew;
mod frames;
mod handoff;
mod lab;
mod limits;
mod parking;
mod stream;
mod trace;

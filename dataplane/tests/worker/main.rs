//! A whole worker, turned by hand over ports in memory.

mod accounts;
mod allocations;
mod burst;
mod calls;
mod counters;
mod crew;
mod discovery;
mod events;
mod floods;
mod fragments;
mod frames;
mod ftp;
mod full;
mod handoff;
mod hooks;
mod icmp;
mod journal;
mod lab;
mod limits;
mod listing;
mod local;
mod marks;
#[path = "../../../tests/helpers/allocations.rs"]
mod memory;
mod options;
mod parking;
mod path_mtu;
mod persist;
mod routed;
mod sctp;
mod shifted;
mod six;
mod stream;
mod trace;
mod tunnel;
mod vlan;

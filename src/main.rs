//! The sluice daemon.
fn main() {}

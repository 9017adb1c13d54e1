//! `sluice-gen`, the traffic generator of the rig and of the tests. No part of the product, but it goes through the
//! same doors: the appliance's safe face of DPDK.
//!
//! ```text
//! args -> plan         who is who                       door    a device's queues
//! opening steady syn conns    kinds of traffic          engine  the loop; intake: what arrives
//! frame -> (director) -> seen -> check                  arp     introductions
//! pace    how much may be sent                          tally, report    figures
//! frames                      what others wrote, as it is
//! distance                    no packets: how far two CPUs are from each other
//! ```

mod args;
mod arp;
mod check;
mod conns;
#[path = "../../../src/cores.rs"]
mod cores;
mod distance;
mod door;
// What the appliance needs of it and the generator does not is not dead.
#[allow(dead_code)]
#[path = "../../../src/dpdk/mod.rs"]
mod dpdk;
mod engine;
mod frame;
mod frames;
mod intake;
mod opening;
mod pace;
mod plan;
mod report;
mod run;
mod seen;
mod stage;
mod steady;
mod syn;
mod tally;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod toy;
mod traffic;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = args::Args::parse();
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).format_target(false).init();
    match run::run(&args) {
        Ok(report) => {
            // Who reads it may have seen enough, as `head` does.
            _ = io::stdout().write_all(if args.json { report.json() } else { report.lines() }.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            _ = writeln!(io::stderr(), "sluice-gen: {error}");
            ExitCode::FAILURE
        }
    }
}

//! `sluiced`, the appliance: plugs the pure libraries into DPDK. The only place where the outside world is touched.

mod args;
mod background;
mod boot;
mod chance;
mod check;
mod clock;
mod cores;
mod dpdk;
mod host;
mod logging;
mod panics;
mod plan;
mod ports;
mod reloads;
mod report;
mod serve;
mod words;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = args::Args::parse();
    logging::start();
    if args.check {
        return report::check(&args);
    }
    let ended = boot::run(&args);
    logging::finish();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody may be listening any more.
            _ = writeln!(io::stderr(), "sluiced: {error}");
            ExitCode::from(error.code)
        }
    }
}

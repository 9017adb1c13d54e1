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
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).format_target(false).init();
    if args.check {
        return report::check(&args);
    }
    match boot::run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody may be listening any more.
            _ = writeln!(io::stderr(), "sluiced: {error}");
            ExitCode::from(error.code)
        }
    }
}

//! `sluiced`, the appliance: plugs the pure libraries into DPDK. The only place where the outside world is touched.

mod args;
mod background;
mod boot;
mod chance;
mod clock;
mod cores;
mod dpdk;
mod panics;
mod plan;
mod ports;
mod reloads;
mod serve;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = args::Args::parse();
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).format_target(false).init();
    match boot::run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sluiced: {error}");
            ExitCode::from(error.code)
        }
    }
}

//! The command line.

use std::path::PathBuf;

use clap::Parser;

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (DPDK ", env!("SLUICE_DPDK_VERSION"), ")");

/// A Linux Virtual Server director in userspace, on DPDK.
#[derive(Debug, Parser)]
#[command(
    name = "sluiced",
    version = VERSION,
    after_help = "Exit codes: 0 after a clean stop, 1 after a refusal to start. Of --check: 0 good, 1 errors, 3 warnings only.\n\
                  Signals: SIGTERM and SIGINT stop cleanly, SIGHUP reads the configuration again.\n\
                  Environment: RUST_LOG sets what is logged (error, warn, info, debug); the default is info.\n\
                  The operator's tool is `sluice`."
)]
pub(crate) struct Args {
    /// Configuration file
    #[arg(long, short, value_name = "FILE", default_value = "/etc/sluice/sluice.toml")]
    pub(crate) config: PathBuf,
    /// Check the configuration and its rules, print the memory it needs, and exit
    #[arg(long)]
    pub(crate) check: bool,
    /// With --check: also look at this machine's devices, CPUs, huge pages and memory; nothing is touched
    #[arg(long, requires = "check")]
    pub(crate) host: bool,
    /// With --check: print what was found as one JSON object
    #[arg(long, requires = "check")]
    pub(crate) json: bool,
}

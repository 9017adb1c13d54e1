//! The command line.

use std::path::PathBuf;

use clap::Parser;

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (DPDK ", env!("SLUICE_DPDK_VERSION"), ")");

/// A Linux Virtual Server director in userspace, on DPDK.
#[derive(Debug, Parser)]
#[command(
    name = "sluiced",
    version = VERSION,
    after_help = "Signals: SIGTERM and SIGINT stop cleanly, SIGHUP reads the configuration again.\n\
                  Environment: RUST_LOG sets what is logged (error, warn, info, debug); the default is info.\n\
                  The operator's tool is `sluice`."
)]
pub(crate) struct Args {
    /// Configuration file
    #[arg(long, short, value_name = "FILE", default_value = "/etc/sluice/sluice.toml")]
    pub(crate) config: PathBuf,
    /// Check the configuration, print the memory it needs, and exit
    #[arg(long)]
    pub(crate) check: bool,
}

//! Stamps the version of DPDK that the appliance was built with.

fn main() {
    println!("cargo::rerun-if-env-changed=DEP_DPDK_VERSION");
    let version = std::env::var("DEP_DPDK_VERSION").unwrap_or_else(|_| "none".to_owned());
    println!("cargo::rustc-env=SLUICE_DPDK_VERSION={version}");
}

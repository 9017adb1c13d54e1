//! The golden cases against the product: `cargo test --test golden`. See tests/runner/suite.rs for what it listens to.

#[path = "runner/bursts.rs"]
mod bursts;
#[path = "runner/machine.rs"]
mod machine;
#[path = "runner/netfilter.rs"]
mod netfilter;
#[path = "runner/product.rs"]
mod product;
mod runner;
#[path = "runner/suite.rs"]
mod suite;

fn main() -> std::process::ExitCode {
    suite::main(product::make)
}

//! `sluice`, the operator's tool. Called as `ipvsadm`, it is ipvsadm.

use std::process::ExitCode;

fn main() -> ExitCode {
    control::tool::main()
}

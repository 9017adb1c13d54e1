//! Random scenarios, recorded from a real kernel on the spot and compared with what we do:
//! `make conformance [SEED=n] [COUNT=n]`, see docs/testing.md.
//!
//! ```text
//! seed -> generate -> guest (kernel, recorder) -> recording -> verdict -> minimise -> smallest scenario that differs
//! ```
//!
//! Where there is no guest kernel this says `SKIPPED: reason` and passes; with `SLUICE_MUST_RUN=1` it fails instead.

#[path = "runner/bursts.rs"]
mod bursts;
#[path = "conformance/campaign.rs"]
mod campaign;
#[path = "conformance/cuts.rs"]
mod cuts;
#[path = "conformance/dice.rs"]
mod dice;
#[path = "conformance/generate.rs"]
mod generate;
#[path = "conformance/guest.rs"]
mod guest;
#[path = "conformance/kernel.rs"]
mod kernel;
#[path = "conformance/kinds/mod.rs"]
mod kinds;
#[path = "conformance/known.rs"]
mod known;
#[path = "runner/machine.rs"]
mod machine;
#[path = "conformance/minimise.rs"]
mod minimise;
#[path = "runner/netfilter.rs"]
mod netfilter;
#[path = "conformance/pace.rs"]
mod pace;
#[path = "runner/product.rs"]
mod product;
#[path = "conformance/recorder.rs"]
mod recorder;
mod runner;
#[path = "conformance/verdict.rs"]
mod verdict;
#[path = "conformance/words.rs"]
mod words;

use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;

use crate::guest::Guest;

/// What runs with all the other tests: seconds on a machine that has nothing else to do, under a minute on one that has.
const SEED: u64 = 7;
const COUNT: u64 = 12;

fn main() -> ExitCode {
    if let Some(directory) = variable("CONFORMANCE_RECORD") {
        return recorder::main(Path::new(&directory));
    }
    // Another test was named on the command line.
    if std::env::args().skip(1).any(|word| word == "--list" || !word.starts_with('-') && !"conformance".contains(&word))
    {
        return ExitCode::SUCCESS;
    }
    match Guest::find(&std::env::temp_dir()) {
        Ok(guest) => scenarios().map_or_else(refused, |scenarios| campaign::run(&guest, &scenarios)),
        Err(reason) if variable("SLUICE_MUST_RUN").as_deref() == Some("1") => refused(format!("cannot run: {reason}")),
        Err(reason) => {
            println!("SKIPPED: {reason}");
            ExitCode::SUCCESS
        }
    }
}

fn refused(why: String) -> ExitCode {
    println!("{why}");
    ExitCode::FAILURE
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Those of `SCENARIO`, files separated by commas; else `COUNT` ones of `SEED` from number `FIRST` on, all of one `KIND` if told.
fn scenarios() -> Result<Vec<Value>, String> {
    if let Some(files) = variable("SCENARIO") {
        return files.split(',').map(scenario).collect();
    }
    let number = |name, default| variable(name).map_or(Ok(default), |text| text.parse());
    let numbers = (number("SEED", SEED), number("COUNT", COUNT), number("FIRST", 0));
    let (Ok(seed), Ok(count), Ok(first)) = numbers else { return Err("SEED, COUNT and FIRST are numbers".into()) };
    let kind = variable("KIND");
    if kind.as_ref().is_some_and(|kind| generate::KINDS.iter().all(|(name, _)| name != kind)) {
        return Err(format!("KIND is one of {}", generate::KINDS.map(|(name, _)| name).join(", ")));
    }
    println!("{count} scenarios of seed {seed}");
    Ok((first..first + count).map(|number| generate::scenario(seed, number, kind.as_deref())).collect())
}

/// The scenario in a file, which may be a golden file.
fn scenario(file: &str) -> Result<Value, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let mut value: Value = serde_json::from_str(&text).map_err(|error| format!("{file}: {error}"))?;
    Ok(match value.get_mut("scenario") {
        Some(scenario) => scenario.take(),
        None => value,
    })
}

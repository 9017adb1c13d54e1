//! One case against a director: run, written down if wanted, judged, and done again in bursts.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::bursts::{self, Bursts};
use crate::runner::case::{Case, Failure};
use crate::runner::stage::Stage;
use crate::runner::steps::{self, Observation, Run, message};
use crate::runner::write;

/// Sets a director on a stage.
pub(crate) type MakeDirector = fn(&Stage) -> Box<dyn Bursts>;

/// Runs, writes into `write_to` if wanted, and judges.
pub(crate) fn check(case: &Case, make: MakeDirector, write_to: Option<&Path>) -> Result<Vec<Observation>, Failure> {
    let scenario = &case.trace.scenario;
    let made = || make(&Stage::new(&scenario.net));
    let director =
        catch_unwind(AssertUnwindSafe(made)).map_err(|panic| format!("no director: {}", message(&*panic)))?;
    let Run { observations, stopped } = steps::run(scenario, director);
    if let Some(directory) = write_to {
        let results = observations.iter().map(|observation| observation.result.clone()).collect();
        write::write(&directory.join(format!("{}.json", case.name)), &case.head, results)?;
    }
    case.judge(&observations, stopped.as_deref())?;
    bursts::check(case, make)?;
    Ok(observations)
}

//! One golden case: read, and judged: compared, and compared again with a spoiled expectation.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::runner::abridged;
use crate::runner::compare::{self, Difference};
use crate::runner::observed::Observed;
use crate::runner::scenario::Scenario;
use crate::runner::spoil;
use crate::runner::steps::Observation;
use crate::runner::write::Head;

/// A golden file.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) trace: Trace,
    pub(crate) head: Head,
}

/// What the runner needs of a golden file.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Trace {
    pub(crate) scenario: Scenario,
    pub(crate) observed: Observed,
}

/// Why a case fails.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Failure {
    /// We did something else.
    Differs(Difference),
    /// It cannot be carried out, or its comparison sees nothing.
    Broken(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Differs(difference) => difference.fmt(f),
            Self::Broken(why) => f.write_str(why),
        }
    }
}

impl From<String> for Failure {
    fn from(why: String) -> Self {
        Self::Broken(why)
    }
}

impl Case {
    /// Reads a file; what it says and we do not know is an error.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let name = path.file_stem().map_or(String::new(), |stem| stem.to_string_lossy().into_owned());
        let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let wrong = |e: serde_json::Error| format!("{}: {e}", path.display());
        let mut whole: Value = serde_json::from_str(&text).map_err(wrong)?;
        abridged::restore(&mut whole).map_err(|e| format!("{}: {e}", path.display()))?;
        // Of the text, where nothing was left out: an error then says the line.
        let trace = serde_json::from_str(&text).or_else(|_| serde_json::from_value(whole)).map_err(wrong)?;
        Ok(Self { name, trace, head: serde_json::from_str(&text).map_err(wrong)? })
    }

    /// Compares; then spoils one place of what was expected, and the same must no longer compare.
    pub(crate) fn judge(&self, got: &[Observation], stopped: Option<&str>) -> Result<(), Failure> {
        let (scenario, expected) = (&self.trace.scenario, &self.trace.observed.steps);
        if let Some(difference) = compare::compare(scenario, expected, got) {
            return Err(Failure::Differs(difference));
        }
        if let Some(why) = stopped {
            return Err(Failure::Broken(why.into()));
        }
        let targets = spoil::targets(scenario, expected, got);
        let target = targets
            .get(spoil::hash(&self.name) % targets.len().max(1))
            .ok_or_else(|| "nothing in it is compared".to_owned())?;
        let place = target.places[spoil::hash(&format!("{}!", self.name)) % target.places.len()];
        let (step, what) = spoil::spoiled(&expected[target.step], target, place);
        let mut expected = expected.clone();
        expected[target.step] = step;
        match compare::compare(scenario, &expected, got) {
            Some(_) => Ok(()),
            None => Err(Failure::Broken(format!("     a spoiled expectation passed: {what}"))),
        }
    }
}

/// The golden files of a directory whose names a filter lets pass, in order of name.
pub(crate) fn files(directory: &Path, filter: &[String]) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(directory).map_err(|e| format!("{}: {e}", directory.display()))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|e| e.path())).collect();
    let name = |path: &Path| path.file_stem().map_or(String::new(), |stem| stem.to_string_lossy().into_owned());
    let wanted = |path: &Path| filter.is_empty() || filter.iter().any(|part| name(path).contains(part));
    files.retain(|path| path.extension().is_some_and(|e| e == "json") && wanted(path));
    files.sort();
    Ok(files)
}

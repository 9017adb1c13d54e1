//! All golden cases, one line each, and the count at the end.
//!
//! Environment: `GOLDEN_DIR` another directory than `tests/golden`; `GOLDEN_FILTER` parts of names, separated by
//! commas; `GOLDEN_WRITE` a directory for what we did. Words on the command line filter too.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::bursts::{self, MakeDirector};
use crate::runner::case::{self, Case, Failure};
use crate::runner::stage::Stage;
use crate::runner::steps::{self, Observation, Run, message};
use crate::runner::write;

struct Options {
    directory: PathBuf,
    /// The directory is that of the project.
    own: bool,
    filter: Vec<String>,
    write_to: Option<PathBuf>,
    /// The command line has named what it wants, perhaps nothing of ours.
    named: bool,
}

/// Runs what the environment and the command line ask for.
pub(crate) fn main(make: MakeDirector) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|a| a == "--list") {
        return ExitCode::SUCCESS;
    }
    let options = Options::new(&arguments);
    match case::files(&options.directory, &options.filter) {
        Ok(files) if files.is_empty() && !options.named => {
            complain(&format!("no golden files in {:?}", options.directory))
        }
        Ok(files) => run(&files, &options, make),
        Err(error) => complain(&error),
    }
}

impl Options {
    fn new(arguments: &[String]) -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        let words: Vec<String> = arguments.iter().filter(|a| !a.starts_with('-')).cloned().collect();
        let listed = variable("GOLDEN_FILTER").map(|text| text.split(',').map(|part| part.trim().into()).collect());
        let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let elsewhere = variable("GOLDEN_DIR").map(PathBuf::from);
        Self {
            own: elsewhere.is_none(),
            directory: elsewhere.unwrap_or_else(default),
            named: listed.is_none() && !words.is_empty(),
            filter: listed.unwrap_or(words),
            write_to: variable("GOLDEN_WRITE").map(PathBuf::from),
        }
    }
}

fn complain(text: &str) -> ExitCode {
    println!("{text}");
    ExitCode::FAILURE
}

/// How a case ends.
#[derive(Clone, Copy, PartialEq)]
enum Outcome {
    Passed,
    Failed,
    /// Somebody else's recording has something that this runner does not know. One of our own must not.
    Unread,
}

fn run(files: &[PathBuf], options: &Options, make: MakeDirector) -> ExitCode {
    let outcomes: Vec<Outcome> = files.iter().map(|path| outcome(path, options, make)).collect();
    let count = |outcome| outcomes.iter().filter(|each| **each == outcome).count();
    let (passed, failed, unread) = (count(Outcome::Passed), count(Outcome::Failed), count(Outcome::Unread));
    let skipped = if unread == 0 { String::new() } else { format!(", {unread} skipped") };
    println!("{passed} passed, {failed} failed{skipped}");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn outcome(path: &Path, options: &Options, make: MakeDirector) -> Outcome {
    let name = path.file_stem().map_or(String::new(), |stem| stem.to_string_lossy().into_owned());
    let case = match Case::read(path) {
        Err(why) if !options.own => {
            println!("SKIPPED {name}: cannot be read: {why}");
            return Outcome::Unread;
        }
        read => read,
    };
    match case.map_err(Failure::Broken).and_then(|case| check(&case, make, options.write_to.as_deref())) {
        Ok(observations) => {
            println!("pass {name}");
            note_shell(&observations);
            Outcome::Passed
        }
        Err(why) => {
            println!("FAIL {name}\n     {}", why.to_string().trim_start());
            Outcome::Failed
        }
    }
}

/// Runs, writes if wanted, and judges.
fn check(case: &Case, make: MakeDirector, write_to: Option<&Path>) -> Result<Vec<Observation>, Failure> {
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

/// A shell command that means nothing to the product is not compared; that is said, not hidden.
fn note_shell(observations: &[Observation]) {
    for command in observations.iter().filter(|o| o.no_shell).filter_map(|o| o.result.sh.as_deref()) {
        println!("     (not compared: {command})");
    }
}

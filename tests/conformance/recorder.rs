//! The recorder: what this program is inside the guest. It runs scenarios by the golden runner with the kernel as the
//! director, and writes what that did as golden files. Results leave by a directory that it shares with the host:
//! `in/NAME.json` becomes `out/NAME.json` and its times `out/NAME.pace`, or `out/NAME.error` with the reason.

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::rc::Rc;

use serde_json::{Value, json};

use crate::kernel::{Agent, Kernel};
use crate::runner::case;
use crate::runner::scenario::Scenario;
use crate::runner::stage::Stage;
use crate::runner::steps::{self, Run};
use crate::runner::write::{self, Head};

/// Records every scenario in `directory`.
pub(crate) fn main(directory: &Path) -> ExitCode {
    let files = match case::files(&directory.join("in"), &[]) {
        Ok(files) => files,
        Err(error) => {
            println!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let mut agent = None;
    for file in files {
        note(&file, &directory.join("out"), &mut agent);
    }
    ExitCode::SUCCESS
}

/// The agent, while it is well.
type Hands = Option<Rc<RefCell<Agent>>>;

/// Records one; what is under its final name is whole.
fn note(file: &Path, out: &Path, agent: &mut Hands) {
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    let (part, whole) = (out.join(format!("{name}.part")), out.join(format!("{name}.json")));
    let recorded = record(file, &part, agent);
    if let Err(error) = recorded.and_then(|()| fs::rename(&part, &whole).map_err(|error| error.to_string())) {
        *agent = None;
        fs::write(out.join(format!("{name}.error")), error).unwrap_or_else(|error| println!("{name}: {error}"));
    }
}

fn record(file: &Path, out: &Path, agent: &mut Hands) -> Result<(), String> {
    let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
    let scenario: Scenario = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let hands = match agent.take() {
        Some(agent) => agent,
        None => Rc::new(RefCell::new(Agent::start()?)),
    };
    let kernel = Kernel::new(Rc::clone(&hands), &Stage::new(&scenario.net))?;
    *agent = Some(hands);
    let pace = kernel.pace();
    let Run { observations, stopped } = steps::run(&scenario, Box::new(kernel));
    if let Some(why) = stopped {
        return Err(why);
    }
    let times = serde_json::to_string(&*pace.borrow()).map_err(|error| error.to_string())?;
    fs::write(out.with_extension("pace"), times).map_err(|error| error.to_string())?;
    write::write(out, &head(&text)?, observations.into_iter().map(|o| o.result).collect())
}

/// What stands above the results.
fn head(scenario: &str) -> Result<Head, String> {
    let scenario: Value = serde_json::from_str(scenario).map_err(|error| error.to_string())?;
    let (kernel, tool) = (said_by(&["uname", "-srv"]), said_by(&["ipvsadm", "--version"]));
    let head = json!({ "kernel": kernel, "ipvsadm_version": tool, "scenario": scenario });
    serde_json::from_value(head).map_err(|error| error.to_string())
}

/// The first line that a program says.
fn said_by(words: &[&str]) -> String {
    let output = Command::new(words[0]).args(&words[1..]).output();
    let text = output.map_or_else(|error| error.to_string(), |o| String::from_utf8_lossy(&o.stdout).into_owned());
    text.lines().next().unwrap_or("").to_owned()
}

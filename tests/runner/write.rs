//! Writes what we did in the format of the golden files, so that other tools can compare it.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{PrettyFormatter, Serializer};

use crate::runner::observed::{Observed, StepResult};

/// A golden file as it was read: the scenario and what else stays as it is.
#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct Head {
    kernel: Value,
    ipvsadm_version: Value,
    scenario: Value,
}

#[derive(Serialize)]
struct File<'a> {
    kernel: &'a Value,
    ipvsadm_version: &'a Value,
    scenario: &'a Value,
    observed: Observed,
}

/// Writes one file.
pub(crate) fn write(path: &Path, head: &Head, steps: Vec<StepResult>) -> Result<(), String> {
    let Head { kernel, ipvsadm_version, scenario } = head;
    let mut bytes = Vec::new();
    File { kernel, ipvsadm_version, scenario, observed: Observed::new(steps) }
        .serialize(&mut Serializer::with_formatter(&mut bytes, PrettyFormatter::with_indent(b" ")))
        .map_err(|e| e.to_string())?;
    bytes.push(b'\n');
    let directory = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory)
        .and_then(|()| std::fs::write(path, bytes))
        .map_err(|e| format!("{}: {e}", path.display()))
}

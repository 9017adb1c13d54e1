//! A run: scenarios are recorded and compared; those that differ, and differ again when they are recorded anew, are made as
//! small as they go and written down.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::Value;

use crate::guest::{Guest, Recorded, Recording};
use crate::known;
use crate::minimise::{self, Candidate};
use crate::runner::write;
use crate::verdict::Verdict;

/// Smallest scenarios that are looked for, of one kind and sort; the others are only named.
const OF_A_SORT: usize = 2;

/// One that differs.
struct Finding {
    name: String,
    scenario: Value,
    sort: String,
}

/// Where smallest scenarios are written.
pub(crate) fn directory() -> PathBuf {
    let target = option_env!("CARGO_TARGET_TMPDIR").map_or_else(std::env::temp_dir, PathBuf::from);
    target.with_file_name("conformance")
}

/// Runs scenarios and says what came of it, a line for each that is not as it should be.
pub(crate) fn run(guest: &Guest, scenarios: &[Value]) -> ExitCode {
    let recordings = guest.record(scenarios);
    let verdicts: Vec<Verdict> = recordings.iter().map(Verdict::of).collect();
    let mut unrecorded = 0;
    for (scenario, verdict) in scenarios.iter().zip(&verdicts) {
        if let Verdict::Unrecorded(why) = verdict {
            println!("UNRECORDED {}\n     {why}", name(scenario));
            unrecorded += 1;
        }
    }
    let differing = confirmed(guest, differing(scenarios, &verdicts));
    let (chosen, others) = chosen(differing);
    let unknown = reported(guest, chosen);
    for finding in &others {
        println!("differs as well: {} ({})", finding.name, finding.sort);
    }
    let differ = verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Differs(_))).count();
    let same = verdicts.len() - differ - unrecorded;
    println!("{same} the same, {differ} differed, {} of them for reasons unknown, {unrecorded} unrecorded", unknown);
    if unknown + unrecorded == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn name(scenario: &Value) -> &str {
    scenario["name"].as_str().unwrap_or("?")
}

fn differing(scenarios: &[Value], verdicts: &[Verdict]) -> Vec<Finding> {
    let pairs = scenarios.iter().zip(verdicts);
    let finding = |(scenario, verdict): (&Value, &Verdict)| {
        let sort = verdict.sort()?;
        Some(Finding { name: name(scenario).to_owned(), scenario: upto(scenario, verdict.step()), sort })
    };
    pairs.filter_map(finding).collect()
}

/// A scenario without the steps behind one.
fn upto(scenario: &Value, last: Option<usize>) -> Value {
    let mut scenario = scenario.clone();
    if let (Some(steps), Some(last)) = (scenario["steps"].as_array_mut(), last) {
        steps.truncate(last + 1);
    }
    scenario
}

/// Those that differ again in the same way. What does not was the clock's doing, or the scheduler's of the guest.
fn confirmed(guest: &Guest, findings: Vec<Finding>) -> Vec<Finding> {
    let scenarios: Vec<Value> = findings.iter().map(|finding| finding.scenario.clone()).collect();
    let again = guest.record(&scenarios).into_iter().map(|recording| Verdict::of(&recording).sort());
    let mut kept = Vec::new();
    for (finding, sort) in findings.into_iter().zip(again) {
        if sort.as_ref() == Some(&finding.sort) {
            kept.push(finding);
        } else {
            println!("differed once: {} ({}), then {}", finding.name, finding.sort, sort.unwrap_or("not".into()));
        }
    }
    kept
}

/// A few of each kind and sort, and the others.
fn chosen(findings: Vec<Finding>) -> (Vec<Finding>, Vec<Finding>) {
    let mut seen = BTreeMap::<(String, String), usize>::new();
    findings.into_iter().partition(|finding| {
        let kind = finding.name.split('-').next().unwrap_or("").to_owned();
        let count = seen.entry((kind, finding.sort.clone())).or_default();
        *count += 1;
        *count <= OF_A_SORT
    })
}

/// Makes them small, writes them down and says what they are; how many are of no known reason.
fn reported(guest: &Guest, findings: Vec<Finding>) -> usize {
    let sorts: Vec<String> = findings.iter().map(|finding| finding.sort.clone()).collect();
    let scenarios = findings.iter().map(|finding| finding.scenario.clone()).collect();
    let mut differs = |candidates: &[Candidate]| {
        let scenarios: Vec<Value> = candidates.iter().map(|candidate| candidate.scenario.clone()).collect();
        let verdicts = guest.record(&scenarios).into_iter().map(|recording| Verdict::of(&recording).sort());
        verdicts.zip(candidates).map(|(sort, candidate)| sort.as_ref() == Some(&sorts[candidate.origin])).collect()
    };
    let smallest = minimise::minimise(scenarios, &mut differs);
    let recordings = guest.record(&smallest);
    let reports = findings.iter().zip(smallest.iter().zip(&recordings));
    reports.filter(|(finding, (scenario, recording))| !report(&finding.name, scenario, recording)).count()
}

/// Says how a smallest scenario differs and writes it down. Whether the reason is known.
fn report(name: &str, scenario: &Value, recording: &Recording) -> bool {
    let (Ok(recorded), Verdict::Differs(failure)) = (recording, Verdict::of(recording)) else {
        println!("DIFFERS {name}, but not once more when it was small: {scenario}");
        return false;
    };
    let known = known::of(&recorded.kernel, scenario, &failure);
    match &known {
        Some(known) => println!("known {}: {name} ({})", known.name, known.why),
        None => println!("DIFFERS {name}"),
    }
    println!("{failure}\n     {}", written(name, recorded).unwrap_or_else(|error| error));
    known.is_some()
}

/// Writes a case down; how to run it again.
fn written(name: &str, recorded: &Recorded) -> Result<String, String> {
    let path = directory().join(format!("{name}.json"));
    write::write(&path, &recorded.case.head, recorded.case.trace.observed.steps.clone())?;
    Ok(format!("again: make conformance SCENARIO={}", path.display()))
}

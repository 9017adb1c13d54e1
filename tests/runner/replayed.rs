//! Every recording, replayed through the runner.

use std::path::{Path, PathBuf};

use crate::replay::{self, Replay};
use crate::runner::case::{self, Case};
use crate::runner::compare::{self, Chances};
use crate::runner::decode;
use crate::runner::observed::StepResult;
use crate::runner::scenario::OneOrMany;
use crate::runner::spoil;
use crate::runner::stage::Stage;
use crate::runner::steps::{self, Observation};
use crate::runner::{hex, write};

fn cases() -> Vec<Case> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let directory = std::env::var("GOLDEN_DIR").map_or_else(|_| default(), PathBuf::from);
    let files = case::files(&directory, &[]).expect("golden files");
    assert!(!files.is_empty());
    files.iter().map(|path| Case::read(path).expect("a golden file")).collect()
}

fn replayed(case: &Case) -> Vec<Observation> {
    let (scenario, observed) = (&case.trace.scenario, &case.trace.observed.steps);
    let director = Replay::new(scenario, observed);
    let run = steps::run(scenario, Box::new(director));
    assert_eq!(run.stopped, None, "{}", case.name);
    run.observations
}

#[test]
fn every_recording_compares_with_itself_and_not_when_spoiled() {
    for case in cases() {
        let got = replayed(&case);
        if let Err(why) = case.judge(&got, None) {
            panic!("{}: {why}", case.name);
        }
    }
}

#[test]
fn every_packet_is_built_and_described_as_recorded() {
    let (mut built, mut described) = (0, 0);
    for case in cases() {
        for (i, (got, expected)) in replayed(&case).iter().zip(&case.trace.observed.steps).enumerate() {
            assert_eq!(replay::sent(&got.result), replay::sent(expected), "{} step {i}", case.name);
            assert_eq!(got.result.sent, expected.sent, "{} step {i}", case.name);
            built += replay::sent(expected).len();
            described += described_right(&case.name, expected);
        }
    }
    println!("{built} packets built, {described} described");
    assert!(built > 0 && described > 0);
}

/// All packets of a step that have both bytes and words.
fn described_right(name: &str, step: &StepResult) -> usize {
    let frames = step
        .emitted
        .iter()
        .flat_map(|emitted| emitted.lists().concat())
        .chain(step.captured.clone().into_iter().flatten());
    let emitted =
        frames.filter(|frame| !frame.pkt.starts_with("ARP")).map(|frame| (frame.pkt, frame.hex.unwrap_or_default()));
    let sent = step.sent.as_ref().map_or(&[][..], OneOrMany::as_slice).iter().flat_map(|sent| {
        let texts = sent.hex.as_ref().map_or(&[][..], OneOrMany::as_slice);
        sent.pkt.as_slice().iter().cloned().zip(texts.iter().cloned())
    });
    let all: Vec<(String, String)> = emitted.chain(sent).collect();
    for (words, bytes) in &all {
        assert_eq!(decode::decode(&hex::decode(bytes).unwrap()), *words, "{name}");
    }
    all.len()
}

#[test]
fn every_stage_is_a_configuration() {
    for case in cases() {
        let stage = Stage::new(&case.trace.scenario.net);
        assert!(stage.to_toml().matches("[[interface]]").count() == 2, "{}", case.name);
        assert!(stage.ip_cmds.is_empty() && !stage.send_redirects, "{}", case.name);
    }
}

#[test]
fn all_results_are_those_recorded() {
    for case in cases() {
        let expected = case.trace.observed.steps.iter();
        for (i, (got, expected)) in replayed(&case).into_iter().zip(expected).enumerate() {
            let mut got = got.result;
            // Our clock is exact, the recorder's passes a little for each packet.
            got.t = expected.t;
            assert_eq!(format!("{got:?}"), format!("{expected:?}"), "{} step {i}", case.name);
        }
    }
}

#[test]
fn a_run_that_stops_is_judged_by_its_first_difference() {
    let case = cases().into_iter().find(|case| case.trace.observed.steps.len() > 2).expect("a longer case");
    let mut got = replayed(&case);
    got.truncate(2);
    assert_eq!(case.judge(&got, Some("stopped")), Err("stopped".to_owned().into()));
    got[1].result.rc = Some(77);
    assert!(case.judge(&got, Some("stopped")).unwrap_err().to_string().contains("step 1"));
}

#[test]
fn no_spoiled_place_goes_unseen() {
    let mut spoiled = 0;
    for case in cases() {
        let got = replayed(&case);
        let (scenario, expected) = (&case.trace.scenario, &case.trace.observed.steps);
        let chances = Chances::of(scenario);
        let targets = spoil::targets(scenario, expected, &got);
        for target in targets.iter().step_by(targets.len().div_ceil(PLACES)) {
            for place in target.places.iter().step_by(target.places.len().div_ceil(PLACES)) {
                let i = target.step;
                let (step, what) = spoil::spoiled(&expected[i], target, *place);
                let seen = compare::compare_step(i, &scenario.steps[i], &step, &got[i], chances[i]);
                assert!(seen.is_some(), "{}: {what}", case.name);
                spoiled += 1;
            }
        }
    }
    println!("{spoiled} places spoiled");
}

/// At most so many targets of a case are spoiled, at so many places each.
const PLACES: usize = 100;

#[test]
fn what_is_written_is_what_was_read() {
    let directory = std::env::temp_dir().join(format!("golden-write-{}", std::process::id()));
    for case in cases().into_iter().take(20) {
        let path = directory.join("written.json");
        write::write(&path, &case.head, case.trace.observed.steps.clone()).unwrap();
        let again = Case::read(&path).unwrap();
        assert_eq!(
            format!("{:?}", again.trace.observed.steps),
            format!("{:?}", case.trace.observed.steps),
            "{}",
            case.name
        );
    }
    std::fs::remove_dir_all(directory).unwrap();
}

//! The generator and the search for the smallest scenario, without a kernel.

use serde_json::{Value, json};

use crate::cuts;
use crate::dice::Dice;
use crate::generate::{KINDS, scenario};
use crate::minimise::{Candidate, minimise};
use crate::runner::scenario::Scenario;

#[test]
fn dice_roll_the_same_everywhere() {
    // Reckoned by another program, whose generator gives 6457827717110365317 first for 1234567, as its authors' does.
    let mut dice = Dice::new(0, 0);
    let rolls: Vec<u64> = (0..8).map(|_| dice.number(0..=999)).collect();
    assert_eq!(rolls, [55, 654, 231, 438, 763, 353, 990, 38]);
}

#[test]
fn scenarios_are_valid_short_and_the_same_for_the_same_seed() {
    for number in 0..600 {
        let one = scenario(7, number, None);
        assert_eq!(one, scenario(7, number, None));
        assert_ne!(one["steps"], scenario(8, number, None)["steps"]);
        let parsed: Scenario = serde_json::from_value(one.clone()).unwrap_or_else(|error| panic!("{error}: {one}"));
        assert!((2..=16).contains(&parsed.steps.len()), "{one}");
    }
}

#[test]
fn one_kind_can_be_asked_for() {
    for (kind, _) in KINDS {
        let name = scenario(1, 3, Some(kind))["name"].clone();
        assert_eq!(name, format!("{kind}-1-3"));
    }
}

/// A scenario like those that are generated.
fn long() -> Value {
    json!({
        "name": "long", "net": { "mtu_server": 1400 },
        "steps": [
            { "sysctl": { "net.ipv4.vs.sloppy_tcp": 1 } },
            { "ipvsadm": "-R", "stdin": "-A -t V -s rr\n-a -t V -r R\n-a -t V -r S\n" },
            { "ipvsadm": "-e -t V -r R -m -w 3 -x 5" },
            { "conns": { "vip": "V", "ops": ["S a", "S b", "E a", "S c", "F a"] } },
            { "send": { "src": "C", "dst": "V", "ttl": 1, "tos": 16, "inner": { "src": "V", "dst": "C", "data": 7 } } },
            { "flow": { "vip": "V", "paths": ["c:S s:SA c:A", "c:U"] } },
            { "dump": ["-Ln", "-Lnc"] },
        ],
    })
}

/// What is left of it when all that counts for an oracle are some words.
fn left(words: &[&str]) -> Value {
    let mut asked = 0;
    let mut differs = |candidates: &[Candidate]| {
        asked += 1;
        let text = |candidate: &Candidate| candidate.scenario.to_string();
        candidates.iter().map(|candidate| words.iter().all(|word| text(candidate).contains(word))).collect()
    };
    let smallest = minimise(vec![long()], &mut differs).remove(0);
    assert!(asked <= 14, "{asked} rounds");
    smallest
}

#[test]
fn nothing_is_left_but_what_counts() {
    let step = |step: Value| json!({ "name": "long", "net": {}, "steps": [step] });
    assert_eq!(left(&["-Lnc"]), step(json!({ "dump": ["-Lnc"] })));
    assert_eq!(left(&["S b"]), step(json!({ "conns": { "vip": "V", "ops": ["S b"] } })));
    assert_eq!(left(&["-x 5", "-e"]), step(json!({ "ipvsadm": "-e -x 5" })));
    assert_eq!(left(&["-r S"]), step(json!({ "ipvsadm": "-R", "stdin": "-a -t V -r S\n" })));
    assert_eq!(left(&["s:SA"]), step(json!({ "flow": { "vip": "V", "paths": ["s:SA"] } })));
    let quoting = json!({ "src": "C", "dst": "V", "inner": { "src": "V", "dst": "C", "data": 7 } });
    assert_eq!(left(&["\"data\":7"]), step(json!({ "send": quoting })));
}

#[test]
fn what_counts_together_stays_together() {
    let steps = left(&["sloppy_tcp", "S c", "-Lnc"])["steps"].clone();
    let conns = json!({ "conns": { "vip": "V", "ops": ["S c"] } });
    assert_eq!(steps, json!([{ "sysctl": { "net.ipv4.vs.sloppy_tcp": 1 } }, conns, { "dump": ["-Lnc"] }]));
}

#[test]
fn several_become_small_at_once_each_by_its_own_answers() {
    let words = ["S a", "c:U"];
    let mut differs = |candidates: &[Candidate]| {
        candidates.iter().map(|c| c.scenario.to_string().contains(words[c.origin])).collect()
    };
    let smallest = minimise(vec![long(), long()], &mut differs);
    assert_eq!(smallest[0]["steps"], json!([{ "conns": { "vip": "V", "ops": ["S a"] } }]));
    assert_eq!(smallest[1]["steps"], json!([{ "flow": { "vip": "V", "paths": ["c:U"] } }]));
}

#[test]
fn what_never_differs_again_stays_as_it_is() {
    let smallest = minimise(vec![long()], &mut |candidates: &[Candidate]| vec![false; candidates.len()]);
    assert_eq!(smallest, [long()]);
}

#[test]
fn all_cuts_at_once_leave_a_document() {
    let bare = cuts::made(&long(), &cuts::all(&long()));
    assert_eq!(bare, json!({ "name": "long", "net": {}, "steps": [] }));
}

//! The smallest scenario that still differs, of several at once: an oracle is asked about many candidates together,
//! because asking a kernel is a boot.
//!
//! ```text
//! each round: all cuts of the smallest so far, the coarsest first, and what passed last time, all made at once
//! the smallest that still differs is the next to be cut; over when nothing untried is left, or after so many rounds
//! ```

use std::collections::HashSet;

use serde_json::Value;

use crate::cuts::{self, Cut};

/// Candidates of one scenario in a round.
const WIDTH: usize = 16;

/// Rounds, so that a run ends.
const ROUNDS: usize = 14;

/// A smaller scenario, and which of those that are to become small it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    /// The number of the scenario that it comes from.
    pub(crate) origin: usize,
    /// The smaller one.
    pub(crate) scenario: Value,
}

/// Makes scenarios smaller as long as `differs` says that they still differ as their origin does.
pub(crate) fn minimise(scenarios: Vec<Value>, differs: &mut dyn FnMut(&[Candidate]) -> Vec<bool>) -> Vec<Value> {
    let mut searches: Vec<Search> = scenarios.into_iter().map(Search::new).collect();
    for _ in 0..ROUNDS {
        let rounds: Vec<Vec<Trial>> = searches.iter_mut().map(Search::round).collect();
        let candidates: Vec<Candidate> = rounds
            .iter()
            .enumerate()
            .flat_map(|(origin, round)| round.iter().map(move |t| Candidate { origin, scenario: t.scenario.clone() }))
            .collect();
        if candidates.is_empty() {
            break;
        }
        let mut answers = differs(&candidates).into_iter();
        for (search, round) in searches.iter_mut().zip(rounds) {
            let passed = round.into_iter().filter(|_| answers.next().unwrap_or(false)).collect();
            search.learn(passed);
        }
    }
    searches.into_iter().map(|search| search.best).collect()
}

/// One scenario on its way down.
struct Search {
    best: Value,
    /// Whatever was asked about already, as text.
    tried: HashSet<String>,
    /// All that passed in the last round, made at once.
    combined: Option<Value>,
}

/// A scenario to ask about, and how it came of the best one.
struct Trial {
    scenario: Value,
    cuts: Vec<Cut>,
}

impl Search {
    fn new(scenario: Value) -> Self {
        Self { best: scenario, tried: HashSet::new(), combined: None }
    }

    /// What to ask about next; nothing once all is tried.
    fn round(&mut self) -> Vec<Trial> {
        let combined = self.combined.take().map(|scenario| Trial { scenario, cuts: Vec::new() });
        let single = |cut| Trial { scenario: cuts::made(&self.best, std::slice::from_ref(&cut)), cuts: vec![cut] };
        let mut singles: Vec<Trial> = cuts::all(&self.best).into_iter().map(single).collect();
        singles.sort_by_key(|trial| size(&trial.scenario));
        let mut trials: Vec<Trial> = combined.into_iter().chain(singles).collect();
        trials.retain(|trial| !self.tried.contains(&trial.scenario.to_string()));
        trials.truncate(WIDTH);
        self.tried.extend(trials.iter().map(|trial| trial.scenario.to_string()));
        trials
    }

    /// Takes the smallest of those that still differ.
    fn learn(&mut self, passed: Vec<Trial>) {
        let cuts: Vec<Cut> = passed.iter().flat_map(|trial| trial.cuts.clone()).collect();
        let combined = (cuts.len() > 1).then(|| cuts::made(&self.best, &cuts));
        let smallest = passed.into_iter().map(|trial| trial.scenario).min_by_key(size);
        if let Some(smaller) = smallest.filter(|scenario| size(scenario) < size(&self.best)) {
            self.best = smaller;
        }
        self.combined = combined.filter(|scenario| size(scenario) < size(&self.best));
    }
}

/// How large a scenario is: what there is to read.
fn size(scenario: &Value) -> usize {
    scenario.to_string().len()
}

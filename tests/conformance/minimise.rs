//! The smallest scenario that still differs, of several at once: an oracle is asked about many candidates together,
//! because asking a kernel is a boot.
//!
//! ```text
//! each round: cuts of the smallest so far, steps first, then the coarsest, and those that passed last time, all made at once
//! the smallest that still differs is the next to be cut; a cut that was needed is not tried again in the same pass
//! over when a pass over all cuts made nothing smaller, or after so many rounds
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
        let answers = differs(&candidates);
        let mut rest = answers.as_slice();
        for (search, round) in searches.iter_mut().zip(rounds) {
            let (own, others) = rest.split_at(round.len());
            search.learn(round, own);
            rest = others;
        }
    }
    searches.into_iter().map(|search| search.best).collect()
}

/// One scenario on its way down.
struct Search {
    best: Value,
    /// Cuts without which it no longer differed, of this pass.
    needed: HashSet<Cut>,
    /// All that passed in the last round, made at once.
    combined: Option<Value>,
    /// Whether this pass made it smaller.
    progress: bool,
}

/// A scenario to ask about, and the cut of the best one that it is; without one it is all that passed last.
struct Trial {
    scenario: Value,
    cut: Option<Cut>,
}

impl Search {
    fn new(scenario: Value) -> Self {
        Self { best: scenario, needed: HashSet::new(), combined: None, progress: false }
    }

    /// What to ask about next; nothing once a whole pass has found nothing.
    fn round(&mut self) -> Vec<Trial> {
        let combined = self.combined.take().map(|scenario| Trial { scenario, cut: None });
        let mut singles = self.singles();
        if singles.is_empty() && combined.is_none() && std::mem::take(&mut self.progress) {
            self.needed.clear();
            singles = self.singles();
        }
        combined.into_iter().chain(singles).take(WIDTH).collect()
    }

    /// Every cut that is not known to be needed: steps first, then the coarsest.
    fn singles(&self) -> Vec<Trial> {
        let untried = cuts::all(&self.best).into_iter().filter(|cut| !self.needed.contains(cut));
        let trial = |cut: Cut| Trial { scenario: cuts::made(&self.best, std::slice::from_ref(&cut)), cut: Some(cut) };
        let mut trials: Vec<Trial> = untried.map(trial).collect();
        trials.sort_by_key(|trial| (!trial.cut.as_ref().is_some_and(Cut::takes_steps), size(&trial.scenario)));
        trials
    }

    /// Takes the smallest of those that still differ, and remembers what is needed.
    fn learn(&mut self, trials: Vec<Trial>, answers: &[bool]) {
        let (passed, failed): (Vec<_>, Vec<_>) = trials.into_iter().zip(answers).partition(|(_, differs)| **differs);
        self.needed.extend(failed.into_iter().filter_map(|(trial, _)| trial.cut));
        let cuts: Vec<Cut> = passed.iter().filter_map(|(trial, _)| trial.cut.clone()).collect();
        let combined = (cuts.len() > 1).then(|| cuts::made(&self.best, &cuts));
        if let Some((smallest, _)) = passed.into_iter().min_by_key(|(trial, _)| size(&trial.scenario)) {
            self.best = smallest.scenario;
            self.progress = true;
        }
        self.combined = combined.filter(|scenario| size(scenario) < size(&self.best));
    }
}

/// How large a scenario is: what there is to read.
fn size(scenario: &Value) -> usize {
    scenario.to_string().len()
}

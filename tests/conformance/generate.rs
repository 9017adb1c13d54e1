//! Random scenarios: valid by construction, four to a dozen steps, the same ones for the same seed. One file a kind.

use serde_json::{Value, json};

use crate::dice::Dice;
use crate::kinds;

/// What a kind makes of the dice.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// In words.
    pub(crate) about: String,
    /// What it changes of the stage.
    pub(crate) net: Value,
    /// What is done.
    pub(crate) steps: Vec<Value>,
}

type Kind = fn(&mut Dice) -> Draft;

/// Every kind; scenarios are of each in turn.
pub(crate) const KINDS: [(&str, Kind); 6] = [
    ("schedulers", kinds::schedulers::draft),
    ("states", kinds::states::draft),
    ("packets", kinds::packets::draft),
    ("persistence", kinds::persistence::draft),
    ("commands", kinds::commands::draft),
    ("settings", kinds::settings::draft),
];

/// Scenario `number` of a seed, of one kind or of all in turn.
pub(crate) fn scenario(seed: u64, number: u64, only: Option<&str>) -> Value {
    let named = KINDS.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)).collect::<Vec<_>>();
    let (name, kind) = named[number as usize % named.len()];
    let Draft { about, net, steps } = kind(&mut Dice::new(seed, number));
    json!({ "name": format!("{name}-{seed}-{number}"), "about": about, "net": net, "steps": steps })
}

//! What a step gave: the types of `observed` in a golden file, in the order in which `agent.py` fills them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use crate::runner::director::Leg;
use crate::runner::pairs::Pairs;
use crate::runner::scenario::OneOrMany;

/// All that was seen in one run.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Observed {
    pub(crate) steps: Vec<StepResult>,
    #[serde(default, rename = "kernel_log", skip_serializing)]
    _kernel_log: Value,
}

impl Observed {
    pub(crate) fn new(steps: Vec<StepResult>) -> Self {
        Self { steps, _kernel_log: Value::Null }
    }
}

/// What one step gave.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct StepResult {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ipvsadm: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sh: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stdin: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rc: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) out: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) err: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sysctl: Option<Pairs<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sent: Option<OneOrMany<Sent>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) emitted: Option<Emitted>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) flood: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) replayed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) choices: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) totals: Option<BTreeMap<String, usize>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) paths: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) slept: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) captured: Option<Vec<Frame>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dump: Option<Pairs<Vec<String>>>,
}

/// A packet that was injected: its datagrams for people and in hex.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sent {
    pub(crate) leg: Leg,
    pub(crate) pkt: OneOrMany<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hex: Option<OneOrMany<String>>,
}

/// The frames that one packet caused, or a list of them, one for each packet of the step.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum Emitted {
    One(Vec<Frame>),
    Many(Vec<Vec<Frame>>),
}

impl Emitted {
    /// One list of frames for each packet.
    pub(crate) fn lists(&self) -> Vec<&[Frame]> {
        match self {
            Self::One(frames) => vec![frames],
            Self::Many(lists) => lists.iter().map(Vec::as_slice).collect(),
        }
    }

    pub(crate) fn lists_mut(&mut self) -> Vec<&mut Vec<Frame>> {
        match self {
            Self::One(frames) => vec![frames],
            Self::Many(lists) => lists.iter_mut().collect(),
        }
    }
}

/// A frame that the director sent.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Frame {
    pub(crate) leg: Leg,
    pub(crate) to: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dmac: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) smac: Option<String>,
    pub(crate) pkt: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hex: Option<String>,
}

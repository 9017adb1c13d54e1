//! One recording against the product.

use crate::bursts;
use crate::guest::{Recorded, Recording};
use crate::pace::Paced;
use crate::product;
use crate::runner::case::Failure;
use crate::runner::compare::Difference;
use crate::runner::stage::Stage;
use crate::runner::steps::{self, Run};

/// What became of a scenario.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// The kernel and we did the same.
    Same,
    Differs(Failure),
    /// The kernel's side is missing, and why.
    Unrecorded(String),
}

impl Verdict {
    /// Of what the kernel did and what we do.
    pub(crate) fn of(recording: &Recording) -> Self {
        match recording {
            Ok(recorded) => compare(recorded).map_or_else(Self::Differs, |()| Self::Same),
            Err(why) => Self::Unrecorded(why.clone()),
        }
    }

    /// The first step that differs.
    pub(crate) fn step(&self) -> Option<usize> {
        match self {
            Self::Differs(Failure::Differs(difference)) => Some(difference.step),
            _ => None,
        }
    }

    /// Where it differs without numbers, and who did nothing: what two scenarios have in common that differ for the same
    /// reason.
    pub(crate) fn sort(&self) -> Option<String> {
        match self {
            Self::Differs(Failure::Differs(Difference { path, expected, got, .. })) => {
                let silent = [("kernel", expected), ("we", got)].into_iter().filter(|(_, text)| *text == "nothing");
                let who: String = silent.map(|(who, _)| format!("; nothing: {who}")).collect();
                Some(without_digits(path) + &who)
            }
            Self::Differs(Failure::Broken(why)) => Some(without_digits(why)),
            _ => None,
        }
    }
}

fn without_digits(text: &str) -> String {
    text.chars().filter(|c| !c.is_ascii_digit()).take(60).collect()
}

fn compare(Recorded { case, times, .. }: &Recorded) -> Result<(), Failure> {
    let scenario = &case.trace.scenario;
    let director = Paced::new(product::make(&Stage::new(&scenario.net)), times.clone());
    let Run { observations, stopped } = steps::run(scenario, Box::new(director));
    case.judge(&observations, stopped.as_deref())?;
    Ok(bursts::check(case, product::make)?)
}

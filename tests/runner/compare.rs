//! Compares what we did with what was recorded, by the rules of the golden format: frames byte by byte, texts line by
//! line, except what is random in the kernel (chance.rs, text.rs, paths.rs, due.rs).

use std::fmt;

use crate::runner::chance::{self, Cause};
use crate::runner::director::Leg;
use crate::runner::hex;
use crate::runner::observed::{Emitted, Frame, Sent, StepResult};
use crate::runner::pairs::Pairs;
use crate::runner::paths;
use crate::runner::scenario::{Inner, OneOrMany, Packet, Scenario, Step};
use crate::runner::steps::Observation;
use crate::runner::text::{self, Rules};

/// The first place where we did something else.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Difference {
    pub(crate) step: usize,
    pub(crate) path: String,
    pub(crate) expected: String,
    pub(crate) got: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(f, "     step {} {}", self.step, self.path)?;
        writeln!(f, "       expected {}", self.expected.replace('\n', "\n                "))?;
        write!(f, "       got      {}", self.got.replace('\n', "\n                "))
    }
}

/// What a scenario has made random up to some step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chances {
    pub(crate) twos: bool,
    pub(crate) thinned: bool,
}

impl Chances {
    /// One for each step.
    pub(crate) fn of(scenario: &Scenario) -> Vec<Self> {
        let twos = scenario.steps.iter().any(makes_twos);
        let thins = scenario.steps.iter().scan(false, |thinned, step| {
            *thinned |= sets_drop_entry(step);
            Some(*thinned)
        });
        thins.map(|thinned| Self { twos, thinned }).collect()
    }
}

fn makes_twos(step: &Step) -> bool {
    let texts = [step.ipvsadm.as_deref(), step.stdin.as_deref()];
    texts.into_iter().flatten().any(|text| text.contains("-s twos"))
}

fn sets_drop_entry(step: &Step) -> bool {
    let settings = step.sysctl.as_ref().map_or(&[][..], |Pairs(settings)| settings);
    settings.iter().any(|(name, value)| name.ends_with(".drop_entry") && matches!(value.as_i64(), Some(1..=3)))
}

/// Compares a run, as far as it came.
pub(crate) fn compare(scenario: &Scenario, expected: &[StepResult], got: &[Observation]) -> Option<Difference> {
    if expected.len() != scenario.steps.len() {
        let (steps, results) = (scenario.steps.len().to_string(), expected.len().to_string());
        return Some(Difference { step: 0, path: "of a broken recording".into(), expected: steps, got: results });
    }
    let chances = Chances::of(scenario);
    (0..got.len()).find_map(|i| compare_step(i, &scenario.steps[i], &expected[i], &got[i], chances[i]))
}

/// Compares one step.
pub(crate) fn compare_step(
    number: usize,
    step: &Step,
    expected: &StepResult,
    got: &Observation,
    chances: Chances,
) -> Option<Difference> {
    let one = OneStep { number, step, expected, got, chances };
    one.answers()
        .or_else(|| one.sent())
        .or_else(|| one.emitted())
        .or_else(|| one.choices())
        .or_else(|| one.paths())
        .or_else(|| one.captured())
        .or_else(|| one.dump())
}

struct OneStep<'a> {
    number: usize,
    step: &'a Step,
    expected: &'a StepResult,
    got: &'a Observation,
    chances: Chances,
}

impl OneStep<'_> {
    fn differ(&self, path: impl Into<String>, expected: impl Into<String>, got: impl Into<String>) -> Difference {
        Difference { step: self.number, path: path.into(), expected: expected.into(), got: got.into() }
    }

    /// Values that must be equal as they are.
    fn equal<T: PartialEq + fmt::Debug>(&self, path: &str, expected: &T, got: &T) -> Option<Difference> {
        (expected != got).then(|| self.differ(path, format!("{expected:?}"), format!("{got:?}")))
    }

    fn rules(&self, source: &str) -> Rules<'_> {
        let any_order = source == "/proc/net/ip_vs" || source.contains("--nosort");
        Rules { due: &self.got.due, twos: self.chances.twos, thinned: self.chances.thinned, any_order }
    }

    fn text(&self, path: &str, source: &str, expected: &[String], got: &[String]) -> Option<Difference> {
        let found = text::compare(expected, got, &self.rules(source))?;
        Some(self.differ(format!("{path}, {}", found.place), found.expected, found.got))
    }

    fn answers(&self) -> Option<Difference> {
        let (theirs, ours) = (self.expected, &self.got.result);
        let settings = || self.equal("sysctl", &theirs.sysctl, &ours.sysctl);
        if self.got.no_shell {
            return settings();
        }
        let source = theirs.ipvsadm.as_deref().or(theirs.sh.as_deref()).unwrap_or("");
        let lines = |text: &Option<Vec<String>>| text.clone().unwrap_or_default();
        self.equal("rc", &theirs.rc, &ours.rc)
            .map(|difference| self.with_words(difference))
            .or_else(|| self.text("err", source, &lines(&theirs.err), &lines(&ours.err)))
            .or_else(|| self.text("out", source, &lines(&theirs.out), &lines(&ours.out)))
            .or_else(settings)
    }

    /// A wrong exit code is better understood with what was said.
    fn with_words(&self, mut difference: Difference) -> Difference {
        let words = |r: &StepResult| [r.out.clone(), r.err.clone()].into_iter().flatten().flatten().collect::<Vec<_>>();
        difference.path = format!("rc of {:?}", self.expected.ipvsadm.as_ref().or(self.expected.sh.as_ref()));
        difference.expected += &format!("  {}", words(self.expected).join("\n"));
        difference.got += &format!("  {}", words(&self.got.result).join("\n"));
        difference
    }

    /// What we sent is what was sent. Only a packet that quotes what the director emitted may carry its random fields.
    fn sent(&self) -> Option<Difference> {
        let packets = self.step.send.as_ref().map_or(&[][..], OneOrMany::as_slice);
        if packets.iter().any(quotes_emitted) {
            return None;
        }
        self.equal("sent (the runner's own doing)", &self.expected.sent, &self.got.result.sent)
            .or_else(|| self.equal("flood", &self.expected.flood, &self.got.result.flood))
            .or_else(|| self.equal("replayed", &self.expected.replayed, &self.got.result.replayed))
    }

    fn emitted(&self) -> Option<Difference> {
        let none = Emitted::One(Vec::new());
        let theirs = self.expected.emitted.as_ref().unwrap_or(&none).lists();
        let ours = self.got.result.emitted.as_ref().unwrap_or(&none).lists();
        if theirs.len() != ours.len() {
            return Some(self.differ("emitted", format!("{} lists", theirs.len()), format!("{} lists", ours.len())));
        }
        let sent = sent_packets(self.expected.sent.as_ref());
        let several = theirs.len() > 1;
        theirs.iter().zip(ours).enumerate().find_map(|(i, (theirs, ours))| {
            let path = if several { format!("emitted[{i}]") } else { "emitted".into() };
            self.frames(&path, theirs, ours, sent.get(i).map_or(&[], Vec::as_slice))
        })
    }

    fn captured(&self) -> Option<Difference> {
        let frames = |r: &StepResult| r.captured.clone().unwrap_or_default();
        self.frames("captured", &frames(self.expected), &frames(&self.got.result), &[])
    }

    fn frames(&self, path: &str, theirs: &[Frame], ours: &[Frame], sent: &[(Leg, Vec<u8>)]) -> Option<Difference> {
        if theirs.len() != ours.len() {
            let path = format!("{path}: {} frames, not {}", ours.len(), theirs.len());
            return Some(self.differ(path, words(theirs), words(ours)));
        }
        let different = |i: &usize| !same_frame(&theirs[*i], &ours[*i], sent);
        let i = (0..theirs.len()).find(different)?;
        let line =
            |frame: &Frame| format!("{}\n{}", words(std::slice::from_ref(frame)), frame.hex.as_deref().unwrap_or(""));
        Some(self.differ(format!("{path}[{i}]"), line(&theirs[i]), line(&ours[i])))
    }

    fn choices(&self) -> Option<Difference> {
        let (theirs, ours) = (self.expected.choices.as_ref(), self.got.result.choices.as_ref());
        let (Some(theirs), Some(ours)) = (theirs, ours) else { return self.equal("choices", &theirs, &ours) };
        let wrong = |i: &usize| !self.same_choice(&theirs[*i], &ours[*i]);
        if let Some(i) = (0..theirs.len().min(ours.len())).find(wrong) {
            return Some(self.differ(format!("choices[{i}]"), &theirs[i], &ours[i]));
        }
        self.equal("choices.length", &theirs.len(), &ours.len()).or_else(|| self.totals())
    }

    /// A choice of `twos` is random, but among the servers that it ever chose.
    fn same_choice(&self, theirs: &str, ours: &str) -> bool {
        if !self.chances.twos {
            return theirs == ours;
        }
        let known = |end: &str| self.expected.totals.as_ref().is_some_and(|totals| totals.contains_key(end));
        match (theirs.split_once(" -> "), ours.split_once(" -> ")) {
            (Some((op, _)), Some((our_op, our_end))) => op == our_op && known(our_end),
            _ => theirs == ours,
        }
    }

    fn totals(&self) -> Option<Difference> {
        let (theirs, ours) = (&self.expected.totals, &self.got.result.totals);
        if !self.chances.twos {
            return self.equal("totals", theirs, ours);
        }
        let sum = |r: &StepResult| r.totals.iter().flat_map(|totals| totals.values()).sum::<usize>();
        self.equal("sum of totals", &sum(self.expected), &sum(&self.got.result))
    }

    fn paths(&self) -> Option<Difference> {
        let (theirs, ours) = (self.expected.paths.as_ref(), self.got.result.paths.as_ref());
        let (Some(theirs), Some(ours)) = (theirs, ours) else { return self.equal("paths", &theirs, &ours) };
        let wrong = |i: &usize| !paths::same(&theirs[*i], &ours[*i]);
        match (0..theirs.len().min(ours.len())).find(wrong) {
            Some(i) => Some(self.differ(format!("paths[{i}]"), &theirs[i], &ours[i])),
            None => self.equal("paths.length", &theirs.len(), &ours.len()),
        }
    }

    fn dump(&self) -> Option<Difference> {
        let list = |r: &StepResult| r.dump.as_ref().map_or(Vec::new(), |Pairs(pairs)| pairs.clone());
        let (theirs, ours) = (list(self.expected), list(&self.got.result));
        let names = |list: &[(String, Vec<String>)]| list.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let texts =
            || theirs.iter().zip(&ours).find_map(|((name, a), (_, b))| self.text(&format!("dump {name}"), name, a, b));
        self.equal("dumps", &names(&theirs), &names(&ours)).or_else(texts)
    }
}

/// Frames for people, a line each.
fn words(frames: &[Frame]) -> String {
    let line = |f: &Frame| format!("{:?} to {} {}", f.leg, f.to, f.pkt);
    if frames.is_empty() { "nothing".into() } else { frames.iter().map(line).collect::<Vec<_>>().join("\n") }
}

/// Leg and MAC addresses as they are, bytes but for chance.
fn same_frame(theirs: &Frame, ours: &Frame, sent: &[(Leg, Vec<u8>)]) -> bool {
    let outside = |f: &Frame| (f.leg, f.to.clone(), f.dmac.clone(), f.smac.clone());
    let inside = match (bytes(theirs), bytes(ours)) {
        (Some(expected), Some(got)) => chance::same(&expected, &got, &Cause { leg: theirs.leg, sent }),
        _ => theirs.hex == ours.hex && theirs.pkt == ours.pkt,
    };
    outside(theirs) == outside(ours) && inside
}

/// The bytes of a frame behind its Ethernet header.
pub(crate) fn bytes(frame: &Frame) -> Option<Vec<u8>> {
    frame.hex.as_deref().and_then(|text| hex::decode(text).ok())
}

/// The packets that were sent in a step: one list for each packet of the scenario.
pub(crate) fn sent_packets(sent: Option<&OneOrMany<Sent>>) -> Vec<Vec<(Leg, Vec<u8>)>> {
    let datagrams = |sent: &Sent| {
        let texts = sent.hex.as_ref().map_or(&[][..], OneOrMany::as_slice);
        texts.iter().filter_map(|text| Some((sent.leg, hex::decode(text).ok()?))).collect()
    };
    sent.map_or(&[][..], OneOrMany::as_slice).iter().map(datagrams).collect()
}

fn quotes_emitted(packet: &Packet) -> bool {
    match &packet.inner {
        Some(Inner::Earlier(name)) => !name.ends_with("_in"),
        Some(Inner::Described(inner)) => quotes_emitted(inner),
        None => false,
    }
}

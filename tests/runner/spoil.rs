//! Spoils one place of a recording, to prove that the comparison would see it: one hex digit of a frame, or one
//! character of a text or of what a setting was. Places that a rule leaves free are passed over.

use crate::runner::chance::{self, Cause};
use crate::runner::compare::{self, Chances};
use crate::runner::due::DueList;
use crate::runner::listing;
use crate::runner::observed::{Frame, StepResult};
use crate::runner::pairs::Pairs;
use crate::runner::paths;
use crate::runner::scenario::Scenario;
use crate::runner::steps::Observation;
use crate::runner::text::{self, Row};

/// A frame or a line of text with the places in it that must be equal.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) step: usize,
    part: Part,
    pub(crate) places: Vec<usize>,
}

#[derive(Clone, Copy, Debug)]
enum Part {
    /// The n-th frame of the step.
    Frame(usize),
    /// The n-th text of the step, and the line in it.
    Line(usize, usize),
    /// What the n-th setting of the step became, or how it was refused.
    Setting(usize),
    /// The exit code.
    Code,
}

/// All that can be spoiled in a recording; exit codes only if there is nothing else.
pub(crate) fn targets(scenario: &Scenario, expected: &[StepResult], got: &[Observation]) -> Vec<Target> {
    let chances = Chances::of(scenario);
    let all = |i: usize| {
        [frames(i, &expected[i]), lines(i, &expected[i], &got[i], chances[i]), settings(i, &expected[i])].concat()
    };
    let mut targets: Vec<Target> = (0..expected.len()).flat_map(all).collect();
    targets.retain(|target| !target.places.is_empty());
    if targets.is_empty() {
        let coded = (0..expected.len()).filter(|i| expected[*i].rc.is_some() && !got[*i].no_shell);
        targets = coded.map(|step| Target { step, part: Part::Code, places: vec![0] }).collect();
    }
    targets
}

/// The step with one place of a target spoiled, and what was done, for people.
pub(crate) fn spoiled(step: &StepResult, target: &Target, place: usize) -> (StepResult, String) {
    let mut step = step.clone();
    let what = match target.part {
        Part::Frame(i) => {
            let hex = frames_of(&mut step).swap_remove(i).hex.get_or_insert_default();
            replace(hex, place, other_digit)
        }
        Part::Line(text, line) => {
            replace(&mut texts_of(&mut step).swap_remove(text).lines[line], place, other_character)
        }
        Part::Setting(i) => {
            let Pairs(settings) = step.sysctl.get_or_insert(Pairs(Vec::new()));
            replace(&mut settings[i].1, place, other_character)
        }
        Part::Code => {
            step.rc = step.rc.map(|code| code + 1);
            "the exit code".into()
        }
    };
    (step, format!("step {}: {what}", target.step))
}

fn replace(text: &mut String, place: usize, other: fn(char) -> char) -> String {
    let before = text.clone();
    if let Some(old) = text[place..].chars().next() {
        text.replace_range(place..place + old.len_utf8(), &other(old).to_string());
    }
    format!("place {place} of {before:?}")
}

fn other_digit(digit: char) -> char {
    char::from_digit(digit.to_digit(16).unwrap_or(0) ^ 1, 16).unwrap_or('0')
}

fn other_character(old: char) -> char {
    match old {
        '0'..='8' => (old as u8 + 1) as char,
        '9' => '0',
        'x' => 'y',
        _ => 'x',
    }
}

/// A number that depends on a name only.
pub(crate) fn hash(name: &str) -> usize {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    (name.bytes().fold(0xcbf2_9ce4_8422_2325, fnv) >> 16) as usize
}

fn frames(step: usize, expected: &StepResult) -> Vec<Target> {
    let sent = compare::sent_packets(expected.sent.as_ref());
    let mut expected = expected.clone();
    let lists = expected.emitted.as_mut().map_or(Vec::new(), |emitted| emitted.lists_mut());
    let causes = lists.into_iter().enumerate().flat_map(|(i, list)| vec![i; list.len()]).collect::<Vec<_>>();
    let all = frames_of(&mut expected).into_iter().enumerate();
    all.map(|(i, frame)| {
        let sent = causes.get(i).and_then(|cause| sent.get(*cause)).map_or(&[][..], Vec::as_slice);
        let places = frame_places(frame, &Cause { leg: frame.leg, sent });
        Target { step, part: Part::Frame(i), places }
    })
    .collect()
}

fn frame_places(frame: &Frame, cause: &Cause) -> Vec<usize> {
    let bytes = compare::bytes(frame).unwrap_or_default();
    let free = chance::fields(&bytes, &bytes, cause);
    (0..bytes.len() * 2).filter(|i| !free.iter().any(|field| field.bytes.contains(&(i / 2)))).collect()
}

fn frames_of(step: &mut StepResult) -> Vec<&mut Frame> {
    let emitted = step.emitted.as_mut().map_or(Vec::new(), |emitted| emitted.lists_mut());
    emitted.into_iter().chain(step.captured.as_mut()).flatten().collect()
}

/// All of what settings became.
fn settings(step: usize, expected: &StepResult) -> Vec<Target> {
    let settings = expected.sysctl.as_ref().map_or(&[][..], |Pairs(settings)| settings);
    let target = |(i, (_, text)): (usize, &(String, String))| {
        let places = text.char_indices().map(|(at, _)| at).collect();
        Target { step, part: Part::Setting(i), places }
    };
    settings.iter().enumerate().map(target).collect()
}

/// A text of a step, and what it is.
struct Text<'a> {
    kind: Kind,
    lines: &'a mut Vec<String>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Answer,
    Choices,
    Paths,
    Dump,
}

fn texts_of(step: &mut StepResult) -> Vec<Text<'_>> {
    let mut texts = Vec::new();
    let plain = [(Kind::Answer, step.out.as_mut()), (Kind::Answer, step.err.as_mut())];
    let others = [(Kind::Choices, step.choices.as_mut()), (Kind::Paths, step.paths.as_mut())];
    for (kind, lines) in plain.into_iter().chain(others) {
        texts.extend(lines.map(|lines| Text { kind, lines }));
    }
    let dumps = step.dump.as_mut().map_or(&mut [][..], |Pairs(dumps)| dumps);
    texts.extend(dumps.iter_mut().map(|(_, lines)| Text { kind: Kind::Dump, lines }));
    texts
}

fn lines(step: usize, expected: &StepResult, got: &Observation, chances: Chances) -> Vec<Target> {
    let mut expected = expected.clone();
    let mut targets = Vec::new();
    for (t, text) in texts_of(&mut expected).into_iter().enumerate() {
        if text.kind == Kind::Answer && got.no_shell {
            continue;
        }
        let counts = text::has_counts(text.lines);
        for (l, line) in text.lines.iter().enumerate() {
            let places = match text.kind {
                Kind::Choices => choice_places(line, chances),
                Kind::Paths => paths::fixed_places(line),
                Kind::Answer | Kind::Dump => line_places(line, counts, &got.due, chances),
            };
            targets.push(Target { step, part: Part::Line(t, l), places });
        }
    }
    targets
}

/// All of a choice, but not which server `twos` chose.
fn choice_places(line: &str, chances: Chances) -> Vec<usize> {
    let end = if chances.twos { line.find(" -> ").unwrap_or(line.len()) } else { line.len() };
    line.char_indices().map(|(i, _)| i).filter(|i| *i < end).collect()
}

/// All of a line but times and doubtful counts; nothing of an entry that may be absent or dropped.
fn line_places(line: &str, counts: bool, due: &DueList, chances: Chances) -> Vec<usize> {
    let random = chances.twos || chances.thinned || !due.is_empty();
    let free = match (listing::parse(line), Row::parse(line)) {
        (Some(entry), _) if chances.thinned || entry.seconds == 0 => return Vec::new(),
        (Some(entry), _) => entry.time,
        (None, Some(_)) if counts && random => counts_start(line)..line.len(),
        _ if chances.thinned && line.parse::<u64>().is_ok() => return Vec::new(),
        _ => 0..0,
    };
    line.char_indices().map(|(i, _)| i).filter(|i| !free.contains(i)).collect()
}

/// Where the counts begin in a server's line: its last two words.
fn counts_start(line: &str) -> usize {
    let text = line.trim_end();
    let last = text.rfind(' ').map_or(0, |i| text[..i].trim_end().len());
    text[..last].rfind(' ').map_or(0, |i| i + 1)
}

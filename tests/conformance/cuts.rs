//! What can be taken out of a scenario: steps, operations, packets' fields, words of commands, lines of input.
//!
//! A cut says where, so that several can be made at once: from the end of the document to its beginning, so that none
//! moves what another one means.

use std::ops::Range;

use serde_json::Value;

/// One thing to take out.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Cut {
    /// The way to the value: names of members and numbers of items.
    path: Vec<Key>,
    part: Part,
}

#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum Key {
    Item(usize),
    Member(String),
}

/// The part of the value that goes.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum Part {
    /// Items of an array: the first one, and how many.
    Items(usize, usize),
    /// Words of a text.
    Words(usize, usize),
    /// Lines of a text.
    Lines(usize, usize),
    /// A member of an object.
    Member(String),
}

/// Every single cut.
pub(crate) fn all(scenario: &Value) -> Vec<Cut> {
    let mut cuts = Vec::new();
    walk(scenario, "", &mut Vec::new(), &mut cuts);
    cuts
}

/// The scenario without what some cuts name.
pub(crate) fn made(scenario: &Value, cuts: &[Cut]) -> Value {
    let mut sorted = cuts.to_vec();
    sorted.sort();
    let mut smaller = scenario.clone();
    for cut in sorted.iter().rev() {
        if let Some(value) = find(&mut smaller, &cut.path) {
            cut.part.take_from(value);
        }
    }
    smaller
}

impl Cut {
    /// Whether it takes out whole steps.
    pub(crate) fn takes_steps(&self) -> bool {
        self.path == [Key::Member("steps".into())]
    }
}

fn find<'a>(value: &'a mut Value, path: &[Key]) -> Option<&'a mut Value> {
    path.iter().try_fold(value, |value, key| match key {
        Key::Item(i) => value.get_mut(i),
        Key::Member(name) => value.get_mut(name),
    })
}

impl Part {
    fn take_from(&self, value: &mut Value) {
        match (self, value) {
            (Self::Items(first, count), Value::Array(items)) => drop(items.drain(clipped(*first, *count, items.len()))),
            (Self::Words(first, count), Value::String(text)) => *text = without(text, " ", *first, *count),
            (Self::Lines(first, count), Value::String(text)) => *text = without(text, "\n", *first, *count),
            (Self::Member(name), Value::Object(members)) => drop(members.remove(name)),
            _ => {}
        }
    }
}

fn clipped(first: usize, count: usize, length: usize) -> Range<usize> {
    first.min(length)..(first + count).min(length)
}

fn without(text: &str, separator: &str, first: usize, count: usize) -> String {
    let mut words: Vec<&str> = text.split(separator).collect();
    words.drain(clipped(first, count, words.len()));
    words.join(separator)
}

/// Collects the cuts in a value that is called `name` where it stands.
fn walk(value: &Value, name: &str, path: &mut Vec<Key>, cuts: &mut Vec<Cut>) {
    let mut add = |part| cuts.push(Cut { path: path.clone(), part });
    match value {
        Value::Array(items) => {
            chunks(items.len()).for_each(|(first, count)| add(Part::Items(first, count)));
            for (i, item) in items.iter().enumerate() {
                below(Key::Item(i), item, name, path, cuts);
            }
        }
        Value::Object(members) => {
            members.keys().filter(|member| can_do_without(name, member)).for_each(|m| add(Part::Member(m.clone())));
            for (member, item) in members {
                below(Key::Member(member.clone()), item, member, path, cuts);
            }
        }
        Value::String(text) if name == "stdin" => {
            chunks(text.lines().count()).for_each(|(first, count)| add(Part::Lines(first, count)));
        }
        // An option and its value, or a word alone. The command stays.
        Value::String(text) if name == "ipvsadm" || name == "paths" => {
            let first = usize::from(name == "ipvsadm");
            let words = text.split(' ').count();
            (first..words.max(first)).for_each(|i| (1..=2).for_each(|count| add(Part::Words(i, count))));
        }
        _ => {}
    }
}

fn below(key: Key, value: &Value, name: &str, path: &mut Vec<Key>, cuts: &mut Vec<Cut>) {
    path.push(key);
    walk(value, name, path, cuts);
    path.pop();
}

/// Whether a member may be missing from an object of this name: fields of packets, changes of the stage.
fn can_do_without(name: &str, member: &str) -> bool {
    match name {
        "send" | "inner" => !matches!(member, "leg" | "src" | "dst"),
        "net" => true,
        _ => false,
    }
}

/// Runs of items: quarters of many, and single ones; never all.
fn chunks(length: usize) -> impl Iterator<Item = (usize, usize)> {
    let quarter = Some(length / 4).filter(|size| *size > 1);
    let sizes = quarter.into_iter().chain((length > 1).then_some(1));
    sizes.flat_map(move |size| (0..length.div_ceil(size)).map(move |i| (i * size, size)))
}

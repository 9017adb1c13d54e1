//! Reads words into options, as `popt(3)` does.
//!
//! `-Ln`, `-t10.0.0.1:80`, `-t=10.0.0.1:80`, `-t 10.0.0.1:80`, `--tcp-service=...`, `--tcp-service ...`; an optional
//! value is the next word unless that begins with `-`; what is no option is left over, wherever it stands; `--` makes
//! all that follows left over.

use super::options::{SPELLINGS, Spelling, Value};

/// An option and its value.
pub(super) type Found<'a> = (&'static Spelling, Option<&'a str>);

/// The words of a line and how far they are read.
#[derive(Debug)]
pub(super) struct Words<'a> {
    words: &'a [&'a str],
    next: usize,
    /// Rest of a word of short options.
    cluster: &'a str,
    left_over: Vec<&'a str>,
}

/// A word that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable<'a> {
    /// The word.
    pub(super) word: &'a str,
    /// What is wrong with it.
    pub(super) why: &'static str,
}

impl<'a> Words<'a> {
    /// Starts at the first word.
    pub(super) fn new(words: &'a [&'a str]) -> Self {
        Self { words, next: 0, cluster: "", left_over: Vec::new() }
    }

    /// The next option; nothing at the end.
    pub(super) fn option(&mut self) -> Option<Result<Found<'a>, Unreadable<'a>>> {
        if !self.cluster.is_empty() {
            return Some(self.short());
        }
        while let Some(word) = self.take() {
            if word == "--" {
                self.left_over.extend(&self.words[self.next..]);
                self.next = self.words.len();
            } else if let Some(long) = word.strip_prefix("--") {
                return Some(self.long(long));
            } else if let Some(cluster) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) {
                self.cluster = cluster;
                return Some(self.short());
            } else {
                self.left_over.push(word);
            }
        }
        None
    }

    /// The word read last: the one to name in a complaint.
    pub(super) fn last(&self) -> &'a str {
        self.next.checked_sub(1).map_or("", |last| self.words[last])
    }

    /// What was no option. Complete once [`Self::option`] has come to the end.
    pub(super) fn left_over(&self) -> &[&'a str] {
        &self.left_over
    }

    fn take(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.next).copied()?;
        self.next += 1;
        Some(word)
    }

    fn long(&mut self, text: &'a str) -> Result<Found<'a>, Unreadable<'a>> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let spelling = SPELLINGS.iter().find(|s| s.long == name).ok_or(self.unreadable("unknown option"))?;
        self.with_value(spelling, value)
    }

    fn short(&mut self) -> Result<Found<'a>, Unreadable<'a>> {
        let mut letters = self.cluster.chars();
        let letter = letters.next();
        self.cluster = letters.as_str();
        let spelling = SPELLINGS.iter().find(|s| s.short.is_some() && s.short == letter);
        let spelling = spelling.ok_or(self.unreadable("unknown option"))?;
        let attached = match self.cluster.strip_prefix('=') {
            Some(value) => Some(value),
            None if spelling.value != Value::No && !self.cluster.is_empty() => Some(self.cluster),
            None => None,
        };
        if attached.is_some() {
            self.cluster = "";
        }
        self.with_value(spelling, attached)
    }

    fn with_value(
        &mut self,
        spelling: &'static Spelling,
        attached: Option<&'a str>,
    ) -> Result<Found<'a>, Unreadable<'a>> {
        match (spelling.value, attached) {
            (Value::No, Some(_)) => Err(self.unreadable("option does not take an argument")),
            (Value::No, None) => Ok((spelling, None)),
            (_, Some(value)) => Ok((spelling, Some(value))),
            (Value::Yes, None) => match self.take() {
                Some(value) => Ok((spelling, Some(value))),
                None => Err(self.unreadable("missing argument")),
            },
            (Value::Maybe, None) => {
                let here = self.words.get(self.next).is_some_and(|word| !word.starts_with('-'));
                Ok((spelling, if here { self.take() } else { None }))
            }
        }
    }

    fn unreadable(&self, why: &'static str) -> Unreadable<'a> {
        Unreadable { word: self.last(), why }
    }
}

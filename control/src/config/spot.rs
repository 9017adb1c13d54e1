//! A value of the file and where it stands. Each conversion answers `None` after it has noted what is wrong.

use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeInteger, DeValue};

use super::source::Source;
use super::suggest;
use crate::api::Named;

/// A value being read.
pub(super) struct Spot<'a> {
    source: &'a Source,
    value: &'a DeValue<'a>,
    at: usize,
    key: String,
}

impl<'a> Spot<'a> {
    pub(super) fn new(source: &'a Source, value: &'a Spanned<DeValue<'a>>, key: String) -> Self {
        Self { source, value: value.get_ref(), at: value.span().start, key }
    }

    /// Notes an error; `None`, so that a reader can end with it.
    pub(super) fn wrong<T>(&self, text: impl Into<String>) -> Option<T> {
        self.source.wrong(self.at, &self.key, text);
        None
    }

    fn wrong_type<T>(&self, wanted: &str) -> Option<T> {
        self.wrong(format!("is of type {}; it must be {wanted}", self.value.type_str()))
    }

    /// Whether it is a string, where other types are possible.
    pub(super) fn is_text(&self) -> bool {
        self.value.is_str()
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        self.value.as_bool().or_else(|| self.wrong_type("true or false"))
    }

    /// A number of a range that fits `T`.
    pub(super) fn number<T: TryFrom<i128>>(&self, range: RangeInclusive<i128>) -> Option<T> {
        let (low, high) = (*range.start(), *range.end());
        let Some(integer) = self.value.as_integer() else {
            return self.wrong_type(&format!("a whole number, {low} to {high}"));
        };
        // Numbers of more than 128 bits are as wrong as those that only exceed the range.
        let negative = integer.as_str().starts_with('-');
        let number = wide(integer).unwrap_or(if negative { i128::MIN } else { i128::MAX });
        if range.contains(&number) {
            return T::try_from(number).ok();
        }
        let fault = if number < low { "small" } else { "large" };
        self.wrong(format!("{integer} is too {fault}; {low} to {high}"))
    }

    /// A string that is not empty and has no control characters.
    pub(super) fn text(&self) -> Option<&'a str> {
        let value = self.value;
        match value.as_str() {
            None => self.wrong_type("a string"),
            Some("") => self.wrong("is empty"),
            Some(text) if text.chars().any(char::is_control) => self.wrong("has control characters"),
            Some(text) => Some(text),
        }
    }

    /// A string that `read` understands; `wanted` says what would be right.
    pub(super) fn read<T>(&self, wanted: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.text()?;
        read(text).or_else(|| self.wrong(format!("{text:?} is not {wanted}")))
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| *word == text).map(|&(_, value)| value);
        found.or_else(|| {
            let known: Vec<&str> = words.iter().map(|&(word, _)| word).collect();
            self.wrong(format!("unknown {text:?}{}", suggest::hint(text, &known)))
        })
    }

    /// One of these names.
    pub(super) fn one_of<'n>(&self, names: &[&'n str]) -> Option<&'n str> {
        let text = self.text()?;
        let found = names.iter().copied().find(|name| *name == text);
        found.or_else(|| self.wrong(format!("unknown {text:?}{}", suggest::hint(text, names))))
    }

    /// The value of a name.
    pub(super) fn named<T: Named>(&self) -> Option<T> {
        self.one_of(&T::names()).and_then(T::of)
    }

    /// The elements of a list.
    pub(super) fn list(&self) -> Option<Vec<Spot<'a>>> {
        let value = self.value;
        let Some(array) = value.as_array() else { return self.wrong_type("a list") };
        Some(array.iter().map(|element| Spot::new(self.source, element, self.key.clone())).collect())
    }

    /// A list of which every element can be read.
    pub(super) fn list_of<T>(&self, read: impl Fn(&Spot<'a>) -> Option<T>) -> Option<Vec<T>> {
        let spots = self.list()?;
        let values: Vec<T> = spots.iter().filter_map(read).collect();
        (values.len() == spots.len()).then_some(values)
    }
}

fn wide(integer: &DeInteger<'_>) -> Option<i128> {
    i128::from_str_radix(integer.as_str(), integer.radix()).ok()
}

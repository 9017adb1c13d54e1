//! A table of the file and its keys. Reading a key makes it known; what is left over at the end is refused.

use std::cell::RefCell;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Lines, Place};
use super::source::Source;
use super::spot::Spot;
use super::suggest;

/// A table being read.
pub(super) struct Scope<'a> {
    source: &'a Source,
    table: &'a DeTable<'a>,
    /// Where it begins.
    at: usize,
    /// `service.server`, empty at the top.
    path: String,
    known: RefCell<Vec<&'static str>>,
}

/// A value that was read, and the table it came from, for what other parts of the file have to say about it.
pub(super) struct Read<'a, T> {
    pub(super) value: T,
    pub(super) scope: Scope<'a>,
}

impl<'a> Scope<'a> {
    /// The whole file.
    pub(super) fn top(source: &'a Source, table: &'a DeTable<'a>) -> Self {
        Self { source, table, at: 0, path: String::new(), known: RefCell::default() }
    }

    fn within(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn find(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.known.borrow_mut().push(key);
        self.table.get(key)
    }

    /// Whether a key is there. It is known from now on.
    pub(super) fn has(&self, key: &'static str) -> bool {
        self.find(key).is_some()
    }

    /// The value of a key, if it is there.
    pub(super) fn value(&self, key: &'static str) -> Option<Spot<'a>> {
        self.find(key).map(|value| Spot::new(self.source, value, self.within(key)))
    }

    /// The value of a key that must be there.
    pub(super) fn need(&self, key: &'static str) -> Option<Spot<'a>> {
        let value = self.value(key);
        if value.is_none() {
            self.wrong(key, "is missing");
        }
        value
    }

    /// A table inside, if it is there.
    pub(super) fn table(&self, key: &'static str) -> Option<Scope<'a>> {
        let value = self.find(key)?;
        let scope = self.enter(key, value);
        if scope.is_none() {
            let found = value.get_ref().type_str();
            self.wrong(key, format!("is of type {found}; write [{}]", self.within(key)));
        }
        scope
    }

    /// Tables inside, `[[key]]`.
    pub(super) fn tables(&self, key: &'static str) -> Vec<Scope<'a>> {
        let Some(value) = self.find(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            let found = value.get_ref().type_str();
            self.wrong(key, format!("is of type {found}; write [[{}]]", self.within(key)));
            return Vec::new();
        };
        let scopes: Vec<Scope<'a>> = array.iter().filter_map(|value| self.enter(key, value)).collect();
        if scopes.len() < array.len() {
            self.wrong(key, format!("has entries that are not tables; write [[{}]]", self.within(key)));
        }
        scopes
    }

    fn enter(&self, key: &str, value: &'a Spanned<DeValue<'a>>) -> Option<Scope<'a>> {
        let table = value.get_ref().as_table()?;
        let known = RefCell::default();
        Some(Scope { source: self.source, table, at: value.span().start, path: self.within(key), known })
    }

    /// Notes an error about a key (`a.b` for one further in): at its line if it is there, else where its table begins.
    pub(super) fn wrong(&self, key: &str, text: impl Into<String>) {
        self.source.wrong(self.spot_of(key), &self.within(key), text);
    }

    /// Notes what a key is allowed to say and cannot work, at the key's line as an error is.
    pub(super) fn warn(&self, key: &str, text: impl Into<String>) {
        self.source.warn(self.spot_of(key), &self.within(key), text);
    }

    /// The byte at which a key stands (`a.b` for one further in): if it is absent, where its table begins.
    fn spot_of(&self, key: &str) -> usize {
        let (mut at, mut table) = (self.at, Some(self.table));
        for part in key.split('.') {
            let Some(value) = table.and_then(|table| table.get(part)) else { break };
            at = value.span().start;
            table = value.get_ref().as_table();
        }
        at
    }

    /// The byte at which the element of a list stands: if it is absent, where the list does.
    fn spot_of_element(&self, key: &str, index: usize) -> usize {
        let element = self.table.get(key).and_then(|list| list.get_ref().get(index));
        element.map_or_else(|| self.spot_of(key), |value| value.span().start)
    }

    /// Notes an error about the element of a list.
    pub(super) fn wrong_element(&self, key: &str, index: usize, text: impl Into<String>) {
        self.source.wrong(self.spot_of_element(key, index), &self.within(key), text);
    }

    /// Notes what the element of a list is allowed to say and cannot work.
    pub(super) fn warn_element(&self, key: &str, index: usize, text: impl Into<String>) {
        self.source.warn(self.spot_of_element(key, index), &self.within(key), text);
    }

    /// The table `[[key]]` inside that begins at this line, to say something about it later. They stand in the order of
    /// their lines: a service may have a hundred thousand servers, and each of them a fault.
    pub(super) fn nested(&self, key: &str, line: u32) -> Option<Scope<'a>> {
        let array = self.table.get(key)?.get_ref().as_array()?;
        let begins = |value: &Spanned<DeValue<'_>>| self.source.place(value.span().start).line;
        let first = array.partition_point(|value| begins(value) < line);
        let value = array.get(first).filter(|value| begins(value) == line)?;
        self.enter(key, value)
    }

    /// Where it begins, and the lines of its keys.
    pub(super) fn lines(&self) -> Lines {
        let line = |at| self.source.place(at).line;
        let keys = self.table.iter().map(|(key, value)| (key.get_ref().as_ref().into(), line(value.span().start)));
        Lines::new(self.place(), keys.collect())
    }

    /// Where it begins.
    pub(super) fn place(&self) -> Place {
        self.source.place(self.at)
    }

    /// The lines of a table that is absent: none, of this file.
    pub(super) fn no_lines(&self) -> Lines {
        Lines::new(Place { line: 0, ..self.place() }, Vec::new())
    }

    /// Refuses the keys that nobody asked for.
    pub(super) fn finish(&self) {
        let known = self.known.borrow();
        for (key, _) in self.table.iter().filter(|(key, _)| !known.contains(&key.get_ref().as_ref())) {
            let name = key.get_ref().as_ref();
            let text = format!("unknown key{}", suggest::hint(name, &known));
            self.source.wrong(key.span().start, &self.within(name), text);
        }
    }
}

/// The values alone.
pub(super) fn values<T>(read: Vec<Read<'_, T>>) -> Vec<T> {
    read.into_iter().map(|read| read.value).collect()
}

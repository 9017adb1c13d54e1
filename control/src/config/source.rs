//! The text of a file: which line a byte is on, and what has been found wrong so far.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use dataplane::words::counted;

use super::error::{ConfigError, Place};

/// A file being read.
pub(super) struct Source {
    file: Arc<str>,
    /// Where each line but the first begins.
    starts: Vec<usize>,
    errors: RefCell<Vec<ConfigError>>,
    warnings: RefCell<Vec<ConfigError>>,
    /// How many there are of each key.
    warned: RefCell<BTreeMap<String, usize>>,
}

/// Most warnings of a key that are told one by one: a large table may have the same fault a hundred thousand times.
const MOST_WARNINGS: usize = 20;

impl Source {
    pub(super) fn new(file: &str, text: &str) -> Self {
        let starts = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n').map(|(at, _)| at + 1).collect();
        Self {
            file: Arc::from(file),
            starts,
            errors: RefCell::default(),
            warnings: RefCell::default(),
            warned: RefCell::default(),
        }
    }

    /// The line that a byte is on.
    pub(super) fn place(&self, at: usize) -> Place {
        let line = self.starts.partition_point(|&start| start <= at) + 1;
        Place { file: Arc::clone(&self.file), line: u32::try_from(line).unwrap_or(u32::MAX) }
    }

    /// Notes an error at a byte.
    pub(super) fn wrong(&self, at: usize, key: &str, text: impl Into<String>) {
        self.note(self.place(at).error(key, text));
    }

    /// Notes what is allowed at a byte and cannot work.
    pub(super) fn warn(&self, at: usize, key: &str, text: impl Into<String>) {
        let mut warned = self.warned.borrow_mut();
        let count = warned.entry(key.to_owned()).or_default();
        *count += 1;
        if *count <= MOST_WARNINGS {
            self.warnings.borrow_mut().push(self.place(at).error(key, text));
        }
    }

    /// Notes an error about the whole file.
    pub(super) fn wrong_file(&self, key: &str, text: impl Into<String>) {
        self.note(Place { file: Arc::clone(&self.file), line: 0 }.error(key, text));
    }

    fn note(&self, error: ConfigError) {
        self.errors.borrow_mut().push(error);
    }

    /// Whether nothing is wrong so far.
    pub(super) fn is_clean(&self) -> bool {
        self.errors.borrow().is_empty()
    }

    /// All that was found: errors, and warnings.
    pub(super) fn findings(self) -> [Vec<ConfigError>; 2] {
        let whole = Place { file: Arc::clone(&self.file), line: 0 };
        let [mut errors, mut warnings] = [self.errors, self.warnings].map(RefCell::into_inner);
        errors.sort_by_key(|error| error.line);
        warnings.sort_by_key(|warning| warning.line);
        let unsaid = self.warned.into_inner().into_iter().filter(|(_, count)| *count > MOST_WARNINGS);
        let more = |count| format!("{} like these", counted((count - MOST_WARNINGS) as u64, "more warning"));
        warnings.extend(unsaid.map(|(key, count)| whole.error(key, more(count))));
        [errors, warnings]
    }
}

//! The text of a file: which line a byte is on, and what has been found wrong so far.

use std::cell::RefCell;
use std::sync::Arc;

use super::error::{ConfigError, ConfigErrors, Place};

/// A file being read.
pub(super) struct Source {
    file: Arc<str>,
    /// Where each line but the first begins.
    starts: Vec<usize>,
    errors: RefCell<Vec<ConfigError>>,
}

impl Source {
    pub(super) fn new(file: &str, text: &str) -> Self {
        let starts = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n').map(|(at, _)| at + 1).collect();
        Self { file: Arc::from(file), starts, errors: RefCell::default() }
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

    /// All that was found.
    pub(super) fn verdict(self) -> Result<(), ConfigErrors> {
        ConfigErrors::of(self.errors.into_inner()).map_or(Ok(()), Err)
    }
}

//! What is wrong with a file: where, which key, why, and what would be right. All of it at once, one line each.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// A line of a file.
///
/// Two places are always equal: moving an object within the file, or to another file, does not make it another one.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// Its line, from 1; 0 if it is about no line.
    pub line: u32,
}

impl PartialEq for Place {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Place {}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}", self.file),
        }
    }
}

impl Place {
    /// An error about this place.
    #[must_use]
    pub fn error(&self, key: impl Into<String>, text: impl Into<String>) -> ConfigError {
        ConfigError { file: self.file.to_string(), line: self.line, key: key.into(), text: text.into() }
    }
}

/// Where a table of a file begins, and the line of each of its keys. As with places, all of them are equal.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    table: Place,
    keys: Vec<(Box<str>, u32)>,
}

impl PartialEq for Lines {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Lines {}

impl Lines {
    pub(super) fn new(table: Place, keys: Vec<(Box<str>, u32)>) -> Self {
        Self { table, keys }
    }

    /// The place of a key; where it is absent, that of the table.
    #[must_use]
    pub fn of(&self, key: &str) -> Place {
        let line = self.keys.iter().find(|(name, _)| **name == *key).map_or(self.table.line, |(_, line)| *line);
        Place { file: Arc::clone(&self.table.file), line }
    }
}

/// One thing that is wrong with a file, or that is allowed and cannot work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigError {
    /// The file, as it was named.
    pub file: String,
    /// Its line, from 1; 0 if the error is about no line.
    pub line: u32,
    /// The key, `interface.mtu`; empty if the error is about no key.
    pub key: String,
    /// What is wrong and what would be right.
    pub text: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.text)
    }
}

impl std::error::Error for ConfigError {}

/// Everything that is wrong with a file, in the order of its lines; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// The errors in the order of their lines; `None` if there are none.
    #[must_use]
    pub fn of(mut errors: Vec<ConfigError>) -> Option<Self> {
        errors.sort_by_key(|error| error.line);
        (!errors.is_empty()).then_some(Self(errors))
    }

    /// One by one.
    pub fn iter(&self) -> std::slice::Iter<'_, ConfigError> {
        self.0.iter()
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

impl From<ConfigErrors> for Vec<ConfigError> {
    fn from(errors: ConfigErrors) -> Self {
        errors.0
    }
}

impl IntoIterator for ConfigErrors {
    type Item = ConfigError;
    type IntoIter = std::vec::IntoIter<ConfigError>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a ConfigErrors {
    type Item = &'a ConfigError;
    type IntoIter = std::slice::Iter<'a, ConfigError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let newline = if index > 0 { "\n" } else { "" };
            write!(f, "{newline}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

//! Refusals: for programs, and for people.

use serde::{Deserialize, Serialize};

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiError {
    /// For programs.
    pub code: Code,
    /// What part of the request (a field, a service, a file and line).
    #[serde(rename = "where")]
    pub place: String,
    /// For people: what is wrong and what would be right.
    pub text: String,
}

impl ApiError {
    /// The error of the request at `position` of a batch: its place begins with `requests[position]`.
    #[must_use]
    pub fn in_batch(self, position: usize) -> Self {
        Self { place: format!("requests[{position}] {}", self.place).trim_end().to_owned(), ..self }
    }

    /// What is understood, and not possible with this director.
    #[must_use]
    pub fn unsupported(text: &str) -> Self {
        Self { code: Code::Unsupported, place: String::new(), text: text.to_owned() }
    }

    /// The position that [`ApiError::in_batch`] noted and the error without it; nothing if it is not of a batch.
    #[must_use]
    pub fn batch_position(&self) -> Option<(usize, Self)> {
        let (position, place) = self.place.strip_prefix("requests[")?.split_once(']')?;
        Some((position.parse().ok()?, Self { place: place.trim_start().to_owned(), ..self.clone() }))
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.place.is_empty() { f.write_str(&self.text) } else { write!(f, "{}: {}", self.place, self.text) }
    }
}

impl std::error::Error for ApiError {}

/// Kinds of refusal. The first block mirrors the errno that the kernel gives ipvsadm for the same request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// EEXIST: the service, server or daemon exists.
    Exists,
    /// ESRCH: no such service (or daemon).
    NoService,
    /// ENOENT: no such server, scheduler or persistence engine.
    NoEntry,
    /// EINVAL: a value that cannot be.
    Invalid,
    /// ERANGE: thresholds in the wrong order.
    Range,
    /// ENODEV: no such interface.
    NoDevice,
    /// ENOMEM: a configured capacity is used up.
    Full,
    /// EPERM: who asks may not.
    Permission,
    /// EOPNOTSUPP: understood, and not possible with this director.
    Unsupported,
    /// The line is not a request.
    BadRequest,
    /// The director, or a worker, did not answer in time.
    Timeout,
    /// It is done and published; a worker has not taken it over yet.
    Late,
    /// The configuration file is wrong.
    Config,
    /// Anything else that went wrong inside.
    Internal,
}

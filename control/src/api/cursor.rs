//! Where a list goes on: what a page's answer gives and the next request hands back.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A place in a list of services and servers, by the numbers that they got when they were added; newest first. On the
/// wire it is text (`"1200.37"`) that only the director understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Cursor {
    /// Go on with this service, or the next older one if it is gone.
    pub service: u64,
    /// Of that service, servers older than this one.
    pub server: u64,
}

impl Cursor {
    /// Before everything.
    pub const START: Self = Self { service: u64::MAX, server: u64::MAX };
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A service that has not been begun needs no second number.
        write!(f, "{}", self.service)?;
        if self.server == Self::START.server { Ok(()) } else { write!(f, ".{}", self.server) }
    }
}

impl From<Cursor> for String {
    fn from(cursor: Cursor) -> Self {
        cursor.to_string()
    }
}

impl FromStr for Cursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<u64>().ok();
        let (service, server) = match text.split_once('.') {
            Some((service, server)) => (number(service), number(server)),
            None => (number(text), Some(Self::START.server)),
        };
        let cursor = service.zip(server).map(|(service, server)| Self { service, server });
        cursor.ok_or_else(|| format!("{text:?} is not a cursor; pass on what \"next\" of the page before says"))
    }
}

impl TryFrom<String> for Cursor {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_as_it_went() {
        for (text, service, server) in [("7", 7, u64::MAX), ("7.3", 7, 3), ("0.0", 0, 0)] {
            let cursor: Cursor = text.parse().unwrap();
            assert_eq!((cursor, cursor.to_string()), (Cursor { service, server }, text.to_owned()));
        }
        for wrong in ["", ".", "7.", "-1", "7.3.1", "99999999999999999999", " 7"] {
            assert!(wrong.parse::<Cursor>().is_err(), "{wrong:?}");
        }
    }
}

//! An Ethernet address as people write it: `02:00:00:00:00:01` (dashes are taken too).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An Ethernet address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Whether it names a group of stations (broadcast included) rather than one.
    #[must_use]
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// Whether it is all zeros, which is not a unicast address.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0 == [0; 6]
    }

    /// What keeps it from being the address of one station, if anything does.
    #[must_use]
    pub fn fault(self) -> Option<&'static str> {
        if self.is_group() {
            Some("is a multicast address; the first byte of a unicast address is even")
        } else if self.is_zero() {
            Some("is not a unicast address")
        } else {
            None
        }
    }
}

impl TryFrom<String> for Mac {
    type Error = MacError;

    fn try_from(text: String) -> Result<Self, MacError> {
        text.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> Self {
        mac.to_string()
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// The text is not an Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MacError;

impl fmt::Display for MacError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an Ethernet address is six pairs of hexadecimal digits, as 02:00:00:00:00:01")
    }
}

impl std::error::Error for MacError {}

impl FromStr for Mac {
    type Err = MacError;

    fn from_str(text: &str) -> Result<Self, MacError> {
        let separator = if text.contains('-') { '-' } else { ':' };
        let mut bytes = [0; 6];
        let mut pairs = text.split(separator);
        for byte in &mut bytes {
            *byte = pairs.next().and_then(pair).ok_or(MacError)?;
        }
        if pairs.next().is_some() { Err(MacError) } else { Ok(Self(bytes)) }
    }
}

/// One byte of exactly two digits (`from_str_radix` alone would take `+f`).
fn pair(text: &str) -> Option<u8> {
    let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| u8::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        let mac: Mac = "02:00:00:00:AB:fe".parse().unwrap();
        assert_eq!(mac, Mac([2, 0, 0, 0, 0xab, 0xfe]));
        assert_eq!(mac.to_string(), "02:00:00:00:ab:fe");
        assert_eq!("02-00-00-00-ab-fe".parse(), Ok(mac));
    }

    #[test]
    fn refuses_what_is_none() {
        for text in ["", "02", "02:00:00:00:00", "02:00:00:00:00:00:00", "02:00:00:00:00:0g", "2:0:0:0:0:1", "é:00"] {
            assert_eq!(text.parse::<Mac>(), Err(MacError), "{text}");
        }
        assert_eq!("+2:00:00:00:00:01".parse::<Mac>(), Err(MacError));
    }

    #[test]
    fn groups_and_nobody() {
        assert!(Mac([1, 0, 0x5e, 0, 0, 1]).fault().is_some());
        assert!(Mac([0xff; 6]).fault().is_some());
        assert!(Mac([0; 6]).fault().is_some());
        assert!(Mac([2, 0, 0, 0, 0, 1]).fault().is_none());
    }
}

//! What a row says of an option of a service or a server ([`super::SERVICE`], [`super::SERVER`]).

/// An option. `K` is what kind of value it has.
pub struct Row<K> {
    /// The key of the file.
    pub key: &'static str,
    /// What the log calls it.
    pub log: &'static str,
    /// What the log says behind a value.
    pub unit: &'static str,
    /// Its value.
    pub kind: K,
    /// How ipvsadm has it; nothing where it is no option, or several, of its own there.
    pub ipvsadm: Option<Ipvsadm>,
    /// The note of `sluice services`: what stands before the value and behind it. Notes have the order of complaints.
    pub note: Option<[&'static str; 2]>,
}

/// A value that is read and shown alike for every option: of a `T`, or set of a `W`.
pub enum Plain<T: 'static, W: 'static = T> {
    /// Off, unless it is on.
    Flag {
        /// Whether it is on.
        is: fn(&T) -> bool,
        /// Has it on or off.
        set: fn(&mut W, bool),
    },
    /// A whole number.
    Number {
        /// The least one.
        least: u32,
        /// The greatest one.
        most: u32,
        /// The number; nothing where it is not set.
        is: fn(&T) -> Option<u32>,
        /// Has another number.
        set: fn(&mut W, u32),
    },
    /// One of a set of names.
    Name {
        /// The names.
        known: fn() -> Vec<&'static str>,
        /// The name; nothing where it is not set.
        is: fn(&T) -> Option<&'static str>,
        /// Has another name; ipvsadm may set one that is not known.
        set: fn(&mut W, String),
    },
}

/// How ipvsadm has an option.
pub struct Ipvsadm {
    /// Behind `--`, and in complaints.
    pub long: &'static str,
    /// Behind `-`.
    pub short: Option<char>,
    /// Where it stands among all options of ipvsadm, 0 to 63: the order of complaints. From 34 on: none of the real tool.
    pub place: u8,
    /// The number that it stands for where no value follows.
    pub bare: Option<u32>,
    /// The complaint about a value.
    pub wrong: fn(&str) -> String,
    /// Where it stands behind a service in `-L`, and the word before its value; nothing where it is not shown there.
    pub listed: Option<(u8, Listed)>,
    /// Where it stands in a line of `-S`.
    pub saved: u8,
    /// Whether the real tool leaves it out of `-S`, as this one does in strict parity.
    pub lost: bool,
}

/// How `-L` shows an option of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// The value alone.
    Bare,
    /// The value in parentheses.
    Parentheses,
    /// Behind a word.
    Word(&'static str),
    /// Behind a word, and of persistent services only.
    OfPersistent(&'static str),
}

impl<T, W> Plain<T, W> {
    /// The value as text, empty for a flag; nothing where it is not set.
    pub fn text(&self, of: &T) -> Option<String> {
        match self {
            Self::Flag { is, .. } => is(of).then(String::new),
            Self::Number { is, .. } => is(of).map(|number| number.to_string()),
            Self::Name { is, .. } => is(of).map(str::to_owned),
        }
    }
}

/// An option without a unit and a note, which the log calls as the file does.
pub(super) const fn row<K>(key: &'static str, kind: K, ipvsadm: Option<Ipvsadm>) -> Row<K> {
    Row { key, log: key, unit: "", kind, ipvsadm, note: None }
}

/// An option that ipvsadm has; the rows say the rest.
pub(super) const IPVSADM: Ipvsadm = Ipvsadm {
    long: "",
    short: None,
    place: 0,
    bare: None,
    wrong: |text| format!("invalid value `{text}' specified"),
    listed: None,
    saved: 0,
    lost: false,
};

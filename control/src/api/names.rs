//! Values of small sets, each of which has a name: in the file, on the socket, in listings and in the log.

use dataplane::flow::{Family, Protocol};
use dataplane::sched::Scheduler;
use dataplane::service::Engine;
use serde::{Deserialize, Serialize};

/// A value that has a name.
pub trait Named: Copy + PartialEq + 'static {
    /// Every value, in the order in which the names are told.
    const ALL: &'static [Self];

    /// Its name.
    fn name(self) -> &'static str;

    /// The value of a name.
    #[must_use]
    fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.name() == name)
    }

    /// Every name.
    #[must_use]
    fn names() -> Vec<&'static str> {
        Self::ALL.iter().map(|value| value.name()).collect()
    }
}

impl Named for Scheduler {
    const ALL: &'static [Self] = Scheduler::ALL;

    fn name(self) -> &'static str {
        Scheduler::name(self)
    }
}

impl Named for Engine {
    const ALL: &'static [Self] = Engine::ALL;

    fn name(self) -> &'static str {
        Engine::name(self)
    }
}

impl Named for Protocol {
    const ALL: &'static [Self] = &[Self::Tcp, Self::Udp, Self::Sctp];

    fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

impl Named for Family {
    const ALL: &'static [Self] = &[Self::Ipv4, Self::Ipv6];

    fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        }
    }
}

/// A name as a request gives it. One that nobody knows is kept as text: the kernel refuses it only after other faults,
/// and so does the director.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String", bound = "T: Named")]
pub enum Name<T: Named> {
    /// Of a value that there is.
    Known(T),
    /// Of none.
    Unknown(String),
}

impl<T: Named> Name<T> {
    /// The value, or the name that has none.
    ///
    /// # Errors
    /// The name.
    pub fn known(self) -> Result<T, String> {
        match self {
            Self::Known(value) => Ok(value),
            Self::Unknown(name) => Err(name),
        }
    }
}

impl<T: Named> From<String> for Name<T> {
    fn from(name: String) -> Self {
        T::of(&name).map_or_else(|| Self::Unknown(name), Self::Known)
    }
}

impl<T: Named> From<Name<T>> for String {
    fn from(name: Name<T>) -> Self {
        name.known().map_or_else(|unknown| unknown, |value| value.name().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Forward, TunnelChecksum, TunnelKind};

    fn agree<T: Named + Serialize + for<'de> Deserialize<'de> + std::fmt::Debug>() {
        for value in T::ALL {
            assert_eq!(serde_json::to_string(value).expect("a name"), format!("{:?}", value.name()));
            assert_eq!(serde_json::from_str::<T>(&format!("{:?}", value.name())).expect("a value"), *value);
            assert_eq!(T::of(value.name()), Some(*value));
        }
        assert_eq!(T::of("nosuch"), None);
    }

    #[test]
    fn the_socket_has_the_names() {
        agree::<Scheduler>();
        agree::<Engine>();
        agree::<Protocol>();
        agree::<Family>();
        agree::<Forward>();
        agree::<TunnelKind>();
        agree::<TunnelChecksum>();
    }

    #[test]
    fn an_unknown_name_is_kept() {
        for text in ["\"wlc\"", "\"nosuch\"", "\"\""] {
            let name: Name<Scheduler> = serde_json::from_str(text).expect("a name");
            assert_eq!(matches!(name, Name::Known(_)), text == "\"wlc\"");
            assert_eq!(serde_json::to_string(&name).expect("a name"), text);
        }
    }
}

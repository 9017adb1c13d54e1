//! The words of a filter. A conjunction, in the words of tcpdump as far as they go:
//!
//! ```text
//! filter = [ term { ["and"] term } ]
//! term   = ["not"] ( "tcp" | "udp" | "sctp" | "icmp" | "arp" | "ip" | "ip6"
//!                  | [side] "host" ADDRESS | side ADDRESS | [side] "port" NUMBER | "interface" NAME )
//! side   = "src" | "dst"
//! ADDRESS = an IPv4 or IPv6 address, or a prefix
//! NAME    = an interface; one on a device is everything that its device carries, VLANs too
//! ```

use dataplane::flow::Protocol;
use dataplane::route::Prefix;
use dataplane::trace::{Filter, PacketEnd, Term};
use dataplane::wire::vlan::Lan;

use crate::api::{ApiError, Code};
use crate::net::host_or_prefix;

const WORDS: &str = "tcp, udp, sctp, icmp, arp, ip, ip6, host, src, dst, port, interface, not, and";

/// Terms of one filter.
const MOST_TERMS: usize = 32;

/// Reads a filter. `place` knows where an interface is by its name.
///
/// # Errors
/// The word that is wrong, and what would be right.
pub fn parse(text: &str, place: impl Fn(&str) -> Option<Lan>) -> Result<Filter, ApiError> {
    let mut words = text.split_whitespace().peekable();
    let mut filter = Filter::default();
    while words.peek().is_some() {
        let wanted = words.next_if_eq(&"not").is_none();
        let Some(word) = words.next() else {
            return Err(wrong("\"not\" is the last word; write a condition after it"));
        };
        let term = one(word, &mut words, &place)?;
        filter.terms.push((term, wanted));
        if filter.terms.len() > MOST_TERMS {
            return Err(wrong(format!("more than {MOST_TERMS} conditions")));
        }
        if words.next_if_eq(&"and").is_some() && words.peek().is_none() {
            return Err(wrong("\"and\" is the last word; write a condition after it"));
        }
    }
    Ok(filter)
}

fn one<'a>(
    word: &str,
    words: &mut impl Iterator<Item = &'a str>,
    place: &impl Fn(&str) -> Option<Lan>,
) -> Result<Term, ApiError> {
    Ok(match word {
        "tcp" => Term::Protocol(Protocol::Tcp.number()),
        "udp" => Term::Protocol(Protocol::Udp.number()),
        "sctp" => Term::Protocol(Protocol::Sctp.number()),
        "icmp" => Term::Icmp,
        "arp" => Term::Arp,
        "ip" => Term::Ipv4,
        "ip6" => Term::Ipv6,
        "host" => Term::Address(PacketEnd::Either, address(word, words.next())?),
        "port" => Term::Port(PacketEnd::Either, port(words.next())?),
        "src" => sided(PacketEnd::Source, word, words)?,
        "dst" => sided(PacketEnd::Destination, word, words)?,
        "interface" => {
            let Some(name) = words.next() else { return Err(wrong("\"interface\" needs a name after it")) };
            let lan = place(name).ok_or_else(|| wrong(format!("no interface {name:?}; see: sluice status")))?;
            if lan.vlan() == 0 { Term::Device(lan.port()) } else { Term::Vlan(lan) }
        }
        "or" => {
            return Err(wrong(
                "\"or\" is not possible: all conditions must hold; start one trace or capture for each side",
            ));
        }
        "and" => return Err(wrong("\"and\" belongs between two conditions")),
        other => return Err(wrong(format!("unknown word {other:?}; known: {WORDS}"))),
    })
}

fn sided<'a>(side: PacketEnd, word: &str, words: &mut impl Iterator<Item = &'a str>) -> Result<Term, ApiError> {
    Ok(match words.next() {
        Some("port") => Term::Port(side, port(words.next())?),
        Some("host") => Term::Address(side, address("host", words.next())?),
        other => Term::Address(side, address(word, other)?),
    })
}

fn address(before: &str, word: Option<&str>) -> Result<Prefix, ApiError> {
    let forms = "an address as 10.0.0.1, fd00::1 or a prefix as 10.0.0.0/24";
    let Some(word) = word else { return Err(wrong(format!("{before:?} needs {forms} after it"))) };
    let net = host_or_prefix(word).ok_or_else(|| wrong(format!("{word:?} after {before:?} is not {forms}")))?.trunc();
    Ok(Prefix { address: net.addr(), length: net.prefix_len() })
}

fn port(word: Option<&str>) -> Result<u16, ApiError> {
    let Some(word) = word else { return Err(wrong("\"port\" needs a number after it, 0 to 65535")) };
    word.parse().map_err(|_| wrong(format!("{word:?} after \"port\" is not a number from 0 to 65535")))
}

fn wrong(text: impl Into<String>) -> ApiError {
    ApiError { code: Code::Invalid, place: "filter".to_owned(), text: text.into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Filter, ApiError> {
        parse(text, |name| match name {
            "lan" => Some(Lan::untagged(1)),
            "lan.7" => Some(Lan::new(1, 7)),
            _ => None,
        })
    }

    fn prefix(address: &str, length: u8) -> Prefix {
        Prefix { address: address.parse().unwrap(), length }
    }

    #[test]
    fn words() {
        let terms = |text: &str| read(text).unwrap_or_else(|error| panic!("{text}: {error}")).terms;
        let yes = |term| vec![(term, true)];
        assert_eq!(terms(""), []);
        assert_eq!(terms("tcp"), yes(Term::Protocol(6)));
        assert_eq!(terms("icmp"), yes(Term::Icmp));
        assert_eq!(terms("host 10.0.0.1"), yes(Term::Address(PacketEnd::Either, prefix("10.0.0.1", 32))));
        assert_eq!(terms("src 10.0.0.77/24"), yes(Term::Address(PacketEnd::Source, prefix("10.0.0.0", 24))));
        assert_eq!(terms("dst host fd00::1"), yes(Term::Address(PacketEnd::Destination, prefix("fd00::1", 128))));
        assert_eq!(terms("dst port 80"), yes(Term::Port(PacketEnd::Destination, 80)));
        assert_eq!(terms("interface lan"), yes(Term::Device(1)));
        assert_eq!(terms("interface lan.7"), yes(Term::Vlan(Lan::new(1, 7))));
        let both = vec![(Term::Protocol(17), true), (Term::Port(PacketEnd::Either, 53), false)];
        assert_eq!(terms("udp and not port 53"), both);
        assert_eq!(terms("udp not port 53"), both, "and goes without saying");
    }

    #[test]
    fn errors_name_the_word_and_what_would_be_right() {
        for (text, said) in [
            ("tpc", "unknown word \"tpc\"; known: tcp, udp,"),
            ("host", "\"host\" needs an address as 10.0.0.1"),
            ("host x", "\"x\" after \"host\" is not an address"),
            ("src and", "\"and\" after \"src\" is not an address"),
            ("port http", "\"http\" after \"port\" is not a number from 0 to 65535"),
            ("port 65536", "\"65536\" after \"port\""),
            ("dst port", "\"port\" needs a number"),
            ("interface wan", "no interface \"wan\"; see: sluice status"),
            ("tcp or udp", "\"or\" is not possible: all conditions must hold"),
            ("tcp and", "\"and\" is the last word"),
            ("and tcp", "\"and\" belongs between two conditions"),
            ("tcp not", "\"not\" is the last word"),
        ] {
            let error = read(text).expect_err(text);
            assert_eq!((error.code, error.place.as_str()), (Code::Invalid, "filter"));
            assert!(error.text.starts_with(said), "{text}: {error}");
        }
        assert!(read(&"tcp ".repeat(33)).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(words in prop::collection::vec("tcp|not|and|src|dst|host|port|interface|lan|80|10\\.0\\.0\\.0/[0-9]{1,2}|\\PC*", 0..40)) {
            let _ = read(&words.join(" "));
        }
    }
}

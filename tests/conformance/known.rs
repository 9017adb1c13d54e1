//! What Debian's kernel is known to do otherwise than Linux 6.12, which the product follows. A smallest scenario that
//! differs in one of these is told apart; it is not hidden, and it is no failure.

use serde_json::Value;

use crate::runner::case::Failure;

/// A difference by name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// What it is called.
    pub(crate) name: &'static str,
    /// What that kernel does, and since when it does otherwise.
    pub(crate) why: &'static str,
    /// Whether a smallest scenario and where it differs are an example of it. Both in words.
    holds: fn(&str, &str) -> bool,
}

/// Those of 6.1, in the order in which they are tried.
const OF_6_1: [Known; 6] = [
    Known {
        name: "twos",
        why: "the scheduler is of 6.2; Debian's 6.1 has no module of it",
        holds: |scenario, _| scenario.contains("-s twos"),
    },
    Known {
        name: "edited-thresholds",
        why: "an edit of a server looks at its thresholds anew since 6.12.74; before, an overloaded server stayed so until a connection ended",
        holds: |scenario, _| scenario.contains("-x ") && scenario.contains("-e "),
    },
    Known {
        name: "icmpv6-nat",
        why: "6.1 leaves checksums of translated ICMPv6 errors as they were where 6.12 makes them anew",
        holds: |scenario, _| scenario.contains("icmp6") && scenario.contains("inner") && scenario.contains("-m"),
    },
    Known {
        name: "icmp-checksum",
        why: "6.1 drops an ICMP error with a wrong checksum for DR and TUN; 6.12 sends it on",
        holds: |scenario, _| scenario.contains("icmp") && scenario.contains("\"csum\":\"bad\""),
    },
    Known {
        name: "ftp-ipv6",
        why: "6.1 drops every packet from the client of an IPv6 service on port 21",
        holds: |scenario, _| scenario.contains("[fd00::100]:21"),
    },
    Known {
        name: "estimator-settings",
        why: "est_cpulist and est_nice are of 6.2",
        holds: |scenario, _| scenario.contains("est_cpulist") || scenario.contains("est_nice"),
    },
];

/// The known difference that a smallest scenario shows, if the kernel is one that has such.
pub(crate) fn of(kernel: &str, scenario: &Value, failure: &Failure) -> Option<Known> {
    let (text, place) = (scenario.to_string(), failure.to_string());
    OF_6_1.into_iter().find(|known| kernel.starts_with("Linux 6.1.") && (known.holds)(&text, &place))
}

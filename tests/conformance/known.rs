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
const OF_6_1: [Known; 7] = [
    Known {
        name: "twos",
        why: "Debian's user-mode Linux is built without this scheduler",
        holds: |scenario, _| scenario.contains("-s twos"),
    },
    Known {
        name: "edited-thresholds",
        why: "6.12 looks anew whether a server is overloaded when its thresholds are edited; 6.1 does at the next connection",
        holds: |scenario, _| scenario.contains("-x ") && scenario.contains("-e "),
    },
    Known {
        name: "icmpv6-nat",
        why: "6.1 does not pass on ICMPv6 errors about connections by NAT that 6.12 does",
        holds: |scenario, _| scenario.contains("icmp6") && scenario.contains("inner") && scenario.contains("-m"),
    },
    Known {
        name: "icmp-checksum",
        why: "6.1 drops an ICMP error with a wrong checksum for DR and TUN; 6.12 sends it on",
        holds: |scenario, _| scenario.contains("icmp") && scenario.contains("\"csum\":\"bad\""),
    },
    Known {
        name: "tunnel-fragments-ipv6",
        why: "6.1 cuts an IPv6 datagram that came in fragments inside its tunnel, too; 6.12 sends it whole where it fits",
        holds: |scenario, _| {
            scenario.contains("frag_size") && scenario.contains("fd00::100") && scenario.contains(" -i")
        },
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

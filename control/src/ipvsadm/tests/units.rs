//! The small parts: where they are easier to see alone.

use std::net::Ipv4Addr;

use dataplane::flow::{Family, Protocol, ServiceKey};
use dataplane::sched::Scheduler;

use super::fake::{server_info, service_info};
use crate::api::{Forward, ServerSpec, ServiceSpec};
use crate::ipvsadm::names::address_text;
use crate::ipvsadm::options::{Given, OPTS, SPELLINGS};
use crate::ipvsadm::{sort, values};

#[test]
fn every_option_has_a_place_of_its_own() {
    let mut given = Given::default();
    for opt in OPTS.iter() {
        assert!(given.insert(*opt), "{}", opt.name());
    }
    assert!(OPTS.windows(2).all(|two| two[0] != two[1]));
}

#[test]
fn no_spelling_is_taken_twice() {
    for (at, one) in SPELLINGS.iter().enumerate() {
        for other in &SPELLINGS[at + 1..] {
            assert!(one.short.is_none() || one.short != other.short, "{}", one.long);
            assert!(one.long != other.long || one.entry == other.entry, "{}", one.long);
        }
    }
}

#[test]
fn numbers_as_strtol_reads_them() {
    assert_eq!(values::number(" +12", 0, 99), Some(12));
    assert_eq!(values::number("010", 0, 99), Some(10));
    assert_eq!(values::number("-1", -5, 99), Some(-1));
    for bad in ["", " ", "x", "1x", "12 ", "0x10", "+", "--1", "100", "99999999999999999999"] {
        assert_eq!(values::number(bad, 0, 99), None, "{bad}");
    }
    assert_eq!(values::leading_number(" 64x"), 64);
    assert_eq!(values::leading_number("x"), 0);
    assert_eq!(values::leading_number("-5"), -5);
}

#[test]
fn addresses_as_inet_aton_reads_them() {
    let good = [
        ("10.1", [10, 0, 0, 1]),
        ("0x0a.1.1.1", [10, 1, 1, 1]),
        ("0x0a010101", [10, 1, 1, 1]),
        ("012.1.1.1", [10, 1, 1, 1]),
        ("167837953", [10, 1, 1, 1]),
        ("1.2.3", [1, 2, 0, 3]),
        ("1.2.3.4\tx", [1, 2, 3, 4]),
        ("4294967295", [255; 4]),
        ("0", [0; 4]),
    ];
    for (text, octets) in good {
        assert_eq!(values::inet_aton(text), Some(Ipv4Addr::from(octets)), "{text}");
    }
    let bad = ["", " ", "1.", ".1", "1..2", "256.1.1.1", "1.2.3.256", "1.2.65536", "1.16777216", "4294967296", "0x"];
    for text in bad.into_iter().chain(["08.1.1.1", "1.2.3.4.5", "1.2.3.4x", "+1.2.3.4", "0x+1.1.1.1", "-1"]) {
        assert_eq!(values::inet_aton(text), None, "{text}");
    }
}

#[test]
fn addresses_as_inet_ntop_writes_them() {
    for text in ["::0.1.0.128", "::1", "::", "::ffff:10.0.0.3", "fd00::1", "fe80::1:0:0:1"] {
        assert_eq!(address_text(text.parse().unwrap()), text);
    }
}

/// Recorded: the order of the kernel's hash table, and what ipvsadm made of it.
#[test]
fn the_order_that_is_none() {
    let tcp = |text: &str| ServiceKey::Address { protocol: Protocol::Tcp, address: text.parse().unwrap(), port: 80 };
    let mark = |fwmark, family| ServiceKey::Mark { fwmark, family };
    let addresses = ["127.0.0.5", "128.0.0.5", "10.0.0.5", "224.0.0.5", "0.0.0.0"].map(tcp);
    let marks = [(u32::MAX, Family::Ipv4), (1 << 31, Family::Ipv4), (5, Family::Ipv6), (5, Family::Ipv4)];
    let marks = marks.map(|(fwmark, family)| mark(fwmark, family));
    let keys = [tcp("2001:db8::1")].into_iter().chain(addresses).chain([tcp("fd00::1")]).chain(marks);
    let mut services: Vec<_> = keys.map(|key| service_info(ServiceSpec::new(key, Scheduler::Wlc))).collect();
    sort::services(&mut services);
    let got: Vec<_> = services.iter().map(|s| s.spec.key.to_string()).collect();
    let wanted = [
        "FWM 4294967295",
        "TCP 0.0.0.0:80",
        "TCP 127.0.0.5:80",
        "TCP 128.0.0.5:80",
        "TCP 224.0.0.5:80",
        "TCP 10.0.0.5:80",
        "TCP [fd00::1]:80",
        "TCP [2001:db8::1]:80",
        "FWM 5",
        "FWM 5 IPv6",
        "FWM 2147483648",
    ];
    assert_eq!(got, wanted);
}

#[test]
fn servers_of_two_families() {
    let recorded = ["200.1.0.5:8", "200.1.0.5:0", "[fd00::5]:0", "[2001:db8::5]:0", "10.1.0.5:0"];
    let server = |text: &str| server_info(ServerSpec::new(text.parse().unwrap(), Forward::Tun));
    let mut servers: Vec<_> = recorded.map(server).into();
    sort::servers(&mut servers);
    let got: Vec<_> = servers.iter().map(|s| s.spec.address.to_string()).collect();
    assert_eq!(got, ["200.1.0.5:0", "200.1.0.5:8", "[fd00::5]:0", "10.1.0.5:0", "[2001:db8::5]:0"]);
}

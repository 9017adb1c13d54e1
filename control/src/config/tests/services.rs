//! How services and servers can be wrong.

use super::{BASE, refused};
use crate::config::parse;

#[test]
fn services() {
    let tcp = "[[service]]\nprotocol = \"tcp\"\naddress = \"10.0.0.9:80\"\n";
    refused(
        BASE,
        &[
            (&format!("{tcp}{tcp}"), "t.toml:15: service.address: TCP 10.0.0.9:80 is a duplicate of line 10"),
            (
                "[[service]]\nprotocol = \"tcp\"\naddress = \"10.0.0.9\"",
                "t.toml:12: service.address: has no port; only a persistent service takes every port",
            ),
            (
                "[[service]]\nprotocol = \"tcp\"\naddress = \"10.0.0.9\"\npersistence = 0",
                "t.toml:13: service.persistence: 0 is too small; 1 to 2678400",
            ),
            (
                "[[service]]\nprotocol = \"tpc\"\naddress = \"10.0.0.9:1\"",
                "t.toml:11: service.protocol: unknown \"tpc\"; did you mean tcp?",
            ),
            ("[[service]]\nfwmark = 0", "t.toml:11: service.fwmark: 0 is too small; 1 to 4294967295"),
            (
                "[[service]]\nfwmark = 1\nprotocol = \"tcp\"",
                "t.toml:12: service.protocol: is not for a service by mark",
            ),
            (
                "[[service]]\nfwmark = 1\naddress = \"10.0.0.9:1\"",
                "t.toml:11: service.fwmark: is not allowed together with address; a service is by mark or by address",
            ),
            ("[[service]]\nprotocol = \"tcp\"", "t.toml:10: service.address: is missing; or give fwmark"),
            (
                "[[service]]\nprotocol = \"udp\"\naddress = \"localhost:1\"",
                "t.toml:12: service.address: \"localhost:1\" is not an address and port as 10.0.0.1:80 or [fd00::1]:80",
            ),
        ],
    );
    refused(
        &format!("{BASE}{tcp}"),
        &[
            ("ops = true", "t.toml:13: service.ops: one-packet scheduling is for UDP services only"),
            ("schedular = \"rr\"", "t.toml:13: service.schedular: unknown key; did you mean scheduler?"),
            (
                "scheduler = \"a-very-long-name\"",
                "t.toml:13: service.scheduler: unknown \"a-very-long-name\"; known: rr, wrr, lc, wlc, lblc, lblcr, dh, sh, mh, sed, nq, fo, ovf, twos, none",
            ),
            (
                "scheduler = \"rr\"\nflags = [\"sh-port\"]",
                "t.toml:14: service.flags: sh-port is for scheduler sh, not rr",
            ),
            (
                "flags = [\"flag-4\"]",
                "t.toml:13: service.flags: unknown \"flag-4\"; did you mean flag-1 or flag-2 or flag-3?",
            ),
            ("netmask = 24", "t.toml:13: service.netmask: 24 is the length of a prefix; give a mask as 255.255.255.0"),
            ("netmask = \"24\"", "t.toml:13: service.netmask: \"24\" is not a mask as 255.255.255.0"),
            ("family = \"ipv4\"", "t.toml:13: service.family: is for a service by mark; the address says it here"),
        ],
    );
}

#[test]
fn addresses_without_a_port() {
    let of = |service: &str, server: &str| {
        let text = format!(
            "{BASE}[[service]]\nprotocol = \"tcp\"\naddress = \"{service}\"\npersistence = 60\n\
             [[service.server]]\naddress = \"{server}\"\n"
        );
        let service = parse(&text, "t.toml").expect("a right file").services.remove(0);
        (service.spec.key.to_string(), service.servers[0].spec.address.to_string())
    };
    let said = |key: &str, server: &str| (key.to_owned(), server.to_owned());
    assert_eq!(of("10.0.0.9:80", "10.1.0.9"), said("TCP 10.0.0.9:80", "10.1.0.9:80"));
    for server in ["fd00::9", "[fd00::9]", "[fd00::9]:80"] {
        assert_eq!(of("[fd00::8]:80", server), said("TCP [fd00::8]:80", "[fd00::9]:80"), "{server}");
    }
    assert_eq!(of("[fd00::8]", "[fd00::9]:0"), said("TCP [fd00::8]:0", "[fd00::9]:0"));
}

#[test]
fn servers() {
    let base = format!("{BASE}[[service]]\nprotocol = \"tcp\"\naddress = \"10.0.0.9:80\"\n[[service.server]]\n");
    refused(
        &base,
        &[
            ("", "t.toml:13: service.server.address: is missing"),
            (
                "address = \"10.1.0.9\"\n[[service.server]]\naddress = \"10.1.0.9:80\"",
                "t.toml:16: service.server.address: 10.1.0.9:80 is a duplicate of line 13",
            ),
            (
                "address = \"10.1.0.9\"\nupper = 1\nlower = 2",
                "t.toml:16: service.server.lower: 2 is above upper, which is 1",
            ),
            (
                "address = \"10.1.0.9\"\nweight = 2147483648",
                "t.toml:15: service.server.weight: 2147483648 is too large; 0 to 2147483647",
            ),
            (
                "address = \"10.1.0.9\"\nweight = 99999999999999999999999999999999999999999",
                "t.toml:15: service.server.weight: 99999999999999999999999999999999999999999 is too large; 0 to 2147483647",
            ),
            (
                "address = \"10.1.0.9\"\nwieght = 1",
                "t.toml:15: service.server.wieght: unknown key; did you mean weight?",
            ),
            (
                "address = \"fd00::9\"",
                "t.toml:14: service.server.address: fd00::9 is not of the family of the service; only forward = \"tun\" allows another family",
            ),
            ("address = \"224.0.0.9\"", "t.toml:14: service.server.address: 224.0.0.9 is not a unicast address"),
            (
                "address = \"127.255.255.255\"",
                "t.toml:14: service.server.address: 127.255.255.255 is not a unicast address",
            ),
            (
                "address = \"fe80::9\"\nforward = \"tun\"",
                "t.toml:14: service.server.address: fe80::9 is link-local; a real server needs one that is routed",
            ),
            (
                "address = \"::ffff:10.1.0.9\"\nforward = \"tun\"",
                "t.toml:14: service.server.address: ::ffff:10.1.0.9 is an IPv4 address written as IPv6; write it as IPv4",
            ),
            (
                "address = \"10.1.0.9\"\nupper = 2147483648",
                "t.toml:15: service.server.upper: 2147483648 is too large; 0 to 2147483647",
            ),
            (
                "address = \"[10.1.0.9]\"",
                "t.toml:14: service.server.address: \"[10.1.0.9]\" is not an address and port as 10.0.0.1:80 or [fd00::1]:80",
            ),
            (
                "address = \"10.1.0.9:81\"\nforward = \"dr\"",
                "t.toml:14: service.server.address: port 81 is not the service's: dr and tun do not change the port, so it must be 80",
            ),
            (
                "address = \"10.1.0.9\"\nforward = \"masq\"",
                "t.toml:15: service.server.forward: unknown \"masq\"; known: nat, dr, tun, fullnat",
            ),
            (
                "address = \"10.1.0.9\"\ntunnel = { kind = \"ipip\" }",
                "t.toml:15: service.server.tunnel: is for forward = \"tun\" only",
            ),
            (
                "address = \"10.1.0.9\"\ntunnel = 3",
                "t.toml:15: service.server.tunnel: is of type integer; write [service.server.tunnel]",
            ),
        ],
    );
    let tun = format!("{base}address = \"10.1.0.9\"\nforward = \"tun\"\n[service.server.tunnel]\n");
    refused(
        &tun,
        &[
            (
                "kind = \"gue\"",
                "t.toml:16: service.server.tunnel.port: is missing; gue needs the UDP port of the server",
            ),
            ("kind = \"gre\"\nport = 1", "t.toml:18: service.server.tunnel.port: is for gue only"),
            (
                "kind = \"gre\"\nchecksum = \"remote\"",
                "t.toml:18: service.server.tunnel.checksum: remote is for gue only; none or full",
            ),
            (
                "kind = \"ipip\"\nchecksum = \"full\"",
                "t.toml:18: service.server.tunnel.checksum: is for gue and gre; ipip has none",
            ),
            ("kind = \"ipip\"\nprot = 1", "t.toml:18: service.server.tunnel.prot: unknown key; did you mean port?"),
        ],
    );
}

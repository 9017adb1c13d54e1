//! How interfaces, routes, neighbours and VIPs can be wrong.

use super::{BASE, refused};
use crate::config::parse;

#[test]
fn interfaces() {
    let new = |rest: &str| format!("[[interface]]\nname = \"x\"\n{rest}");
    let case = |rest: &str, wanted: &str| refused(BASE, &[(&new(rest), wanted)]);
    case("device = \"tap:x\"\nmtu = 80000", "t.toml:13: interface.mtu: 80000 is too large; 68 to 9600");
    case("", "t.toml:10: interface.device: is missing; or give parent and vlan");
    case("parent = \"wan\"", "t.toml:12: interface.parent: is given without vlan; give both");
    case("vlan = 3", "t.toml:12: interface.vlan: is given without parent; give both");
    case(
        "device = \"tap:x\"\nvlan = 3",
        "t.toml:12: interface.device: is not allowed with parent and vlan: a VLAN uses the device of its parent",
    );
    case("parent = \"wan\"\nvlan = 4095", "t.toml:13: interface.vlan: 4095 is too large; 1 to 4094");
    case("parent = \"wen\"\nvlan = 3", "t.toml:12: interface.parent: there is no interface \"wen\"; did you mean wan?");
    case(
        "parent = \"wan\"\nvlan = 3\nmtu = 1501",
        "t.toml:14: interface.mtu: 1501 is too large; wan, which carries it, has 1500",
    );
    case("device = \"tup:x\"", "t.toml:12: interface.device: unknown kind of device \"tup\"; did you mean tap?");
    case("device = \"tap:wan\"", "t.toml:12: interface.device: tap:wan is a duplicate of line 2");
    case(
        "device = \"tap:x\"\nmac = \"03:00:00:00:00:01\"",
        "t.toml:13: interface.mac: 03:00:00:00:00:01 is a multicast address; the first byte of a unicast address is even",
    );
    case(
        "device = \"tap:x\"\nmac = \"zz\"",
        "t.toml:13: interface.mac: \"zz\" is not an Ethernet address as 02:00:00:00:00:01",
    );
    case(
        "device = \"tap:x\"\naddresses = [\n\"10.0.0.1/8\"]",
        "t.toml:14: interface.addresses: 10.0.0.1 is a duplicate",
    );
    case(
        "device = \"tap:x\"\naddresses = [\"10.9.0.0/24\"]",
        "t.toml:13: interface.addresses: 10.9.0.0/24 is the network address, not the address of a host",
    );
    case(
        "device = \"tap:x\"\naddresses = [\"10.9.0.255/24\"]",
        "t.toml:13: interface.addresses: 10.9.0.255/24 is the broadcast address of its network",
    );
    case(
        "device = \"tap:x\"\naddresses = [\"10.9.0.1\"]",
        "t.toml:13: interface.addresses: \"10.9.0.1\" is not an address with the length of its prefix as 10.0.0.1/24",
    );
    case(
        "device = \"tap:x\"\naddresses = [\"224.0.0.1/24\"]",
        "t.toml:13: interface.addresses: 224.0.0.1/24 is a multicast address",
    );
    case(
        "device = \"tap:x\"\naddresses = [\"fd00:9::1/64\"]\nmtu = 1000",
        "t.toml:14: interface.mtu: 1000 is too small for IPv6; 1280 to 9600",
    );
    case("device = \"tap:x\"\nmut = 1500", "t.toml:13: interface.mut: unknown key; did you mean mtu?");
    refused(
        BASE,
        &[
            ("[[interface]]\ndevice = \"tap:x\"", "t.toml:10: interface.name: is missing"),
            (
                "[[interface]]\nname = \"wan\"\ndevice = \"tap:x\"",
                "t.toml:11: interface.name: wan is a duplicate of line 2",
            ),
            (
                "[[interface]]\nname = \"a b\"\ndevice = \"tap:x\"",
                "t.toml:11: interface.name: \"a b\" is not a name: letters, digits, dots, dashes and underscores, at most 31",
            ),
        ],
    );
    let vlan = "[[interface]]\nname = \"v\"\nparent = \"wan\"\nvlan = 5\n";
    let twice = vlan.replace("\"v\"", "\"w\"");
    let on_vlan = "[[interface]]\nname = \"q\"\nparent = \"v\"\nvlan = 6\n";
    refused(
        &format!("{BASE}{vlan}"),
        &[
            (&twice, "t.toml:17: interface.vlan: VLAN 5 of wan is a duplicate of line 10"),
            (
                "[[interface]]\nname = \"w\"\nparent = \"wan\"\nvlan = 0",
                "t.toml:17: interface.vlan: 0 is too small; 1 to 4094",
            ),
            (on_vlan, "t.toml:16: interface.parent: v is a VLAN itself; name an interface that has a device"),
        ],
    );
}

#[test]
fn a_vlan_takes_after_its_parent() {
    let vlan = |more: &str| format!("[[interface]]\nname = \"v\"\nparent = \"wan\"\nvlan = 5\n{more}\n");
    let wrong = "is not for a VLAN, which has its parent's";
    refused(
        BASE,
        &[
            (&vlan("mac = \"02:00:00:00:00:09\""), &format!("t.toml:14: interface.mac: {wrong}")),
            (&vlan("side = \"client\""), &format!("t.toml:14: interface.side: {wrong}")),
        ],
    );
    let mtu = |parent: u16, more: &str| {
        let device = format!("[[interface]]\nname = \"jumbo\"\ndevice = \"tap:x\"\nmtu = {parent}\n");
        // The parent may stand behind its VLANs.
        let text = format!("{BASE}{}{device}", vlan(more).replace("wan", "jumbo"));
        parse(&text, "t.toml").map(|config| config.interfaces[config.interfaces.len() - 2].mtu)
    };
    assert_eq!((mtu(9000, "").unwrap(), mtu(9000, "mtu = 1400").unwrap()), (9000, 1400));
    let error = mtu(1000, "addresses = [\"fd00:9::1/64\"]").unwrap_err().to_string();
    assert!(error.contains("interface.mtu: 1000 is too small for IPv6"), "{error}");
}

#[test]
fn default_is_everything_of_the_gateways_family() {
    let to =
        |route: &str| parse(&format!("{BASE}[[route]]\nto = \"default\"\n{route}"), "t.toml").unwrap().routes[0].to;
    assert_eq!(to("via = \"10.1.0.2\"").to_string(), "0.0.0.0/0");
    assert_eq!(to("via = \"fe80::1\"\ninterface = \"wan\"").to_string(), "::/0");
    assert_eq!(to("unreachable = true").to_string(), "0.0.0.0/0");
    let twice = "[[route]]\nto = \"0.0.0.0/0\"\nblackhole = true\n[[route]]\nto = \"default\"\nvia = \"10.1.0.2\"";
    refused(BASE, &[(twice, "t.toml:14: route.to: 0.0.0.0/0 is a duplicate of line 10")]);
}

#[test]
fn routes_neighbors_vips() {
    refused(
        BASE,
        &[
            (
                "[[route]]\nto = \"0.0.0.0/0\"\nvia = \"10.2.0.1\"",
                "t.toml:12: route.via: 10.2.0.1 is on no connected prefix; connected are 10.0.0.0/24, fd00:1::/64, 10.1.0.0/24",
            ),
            (
                "[[route]]\nto = \"0.0.0.0/0\"\nvia = \"10.1.0.2\"\ninterface = \"wan\"",
                "t.toml:12: route.via: 10.1.0.2 is on no prefix of wan",
            ),
            (
                "[[route]]\nto = \"::/0\"\nvia = \"fe80::1\"",
                "t.toml:12: route.via: fe80::1 is on every link; give interface too",
            ),
            (
                "[[route]]\nto = \"0.0.0.0/0\"\nvia = \"fd00:1::2\"",
                "t.toml:12: route.via: fd00:1::2 is not of the family of 0.0.0.0/0",
            ),
            (
                "[[route]]\nto = \"0.0.0.0/0\"\nvia = \"10.0.0.1\"",
                "t.toml:12: route.via: 10.0.0.1 is an address of this director",
            ),
            (
                "[[route]]\nto = \"10.0.0.1/8\"\nblackhole = true",
                "t.toml:11: route.to: 10.0.0.1/8 has bits beyond its prefix; 10.0.0.0/8 would be right",
            ),
            (
                "[[route]]\nto = \"10.0.0.0/8\"",
                "t.toml:10: route.via: is missing; or give interface, unreachable = true or blackhole = true",
            ),
            (
                "[[route]]\nto = \"10.0.0.0/8\"\nblackhole = true\nunreachable = true",
                "t.toml:11: route.to: has more than one target; give via or interface, unreachable = true or blackhole = true",
            ),
            (
                "[[route]]\nto = \"10.0.0.0/8\"\ninterface = \"lam\"",
                "t.toml:12: route.interface: there is no interface \"lam\"; did you mean lan?",
            ),
            (
                "[[route]]\nto = \"10.0.0.0/8\"\nblackhole = true\n[[route]]\nto = \"10.0.0.0/8\"\nblackhole = true",
                "t.toml:14: route.to: 10.0.0.0/8 is a duplicate of line 10",
            ),
            (
                "[[neighbor]]\naddress = \"10.1.0.9\"\ninterface = \"wan\"\nmac = \"02:00:00:00:00:01\"",
                "t.toml:11: neighbor.address: 10.1.0.9 is on no prefix of wan",
            ),
            (
                "[[neighbor]]\naddress = \"10.1.0.9\"\nmac = \"ff:ff:ff:ff:ff:ff\"",
                "t.toml:10: neighbor.interface: is missing\nt.toml:12: neighbor.mac: ff:ff:ff:ff:ff:ff is a multicast address; the first byte of a unicast address is even",
            ),
            (
                "[[vip]]\naddress = \"10.0.0.9\"\ninterfaces = [\"wan\", \"dmz\"]",
                "t.toml:12: vip.interfaces: there is no interface \"dmz\"; known: wan, lan",
            ),
            (
                "[[vip]]\naddress = \"10.0.0.9\"\ninterfaces = [\"wan\", \"wan\"]",
                "t.toml:12: vip.interfaces: wan is a duplicate",
            ),
            (
                "[[vip]]\naddress = \"10.0.0.9/32\"\ninterfaces = []",
                "t.toml:11: vip.address: \"10.0.0.9/32\" is not an IP address",
            ),
            ("[[vip]]\naddress = \"10.0.0.9\"", "t.toml:10: vip.interfaces: is missing"),
        ],
    );
}

#[test]
fn link_local_addresses_are_of_one_link() {
    let lan = "[[interface]]\nname = \"x\"\ndevice = \"tap:x\"\naddresses = [\"fe80::1/64\", \"fd00:9::1/64\"]\n";
    let again = lan.replace("\"x\"", "\"y\"").replace("tap:x", "tap:y").replace("fd00:9", "fd00:8");
    let uses = "[[neighbor]]\naddress = \"fe80::9\"\ninterface = \"x\"\nmac = \"02:00:00:00:00:09\"\n\
                [[route]]\nto = \"::/0\"\nvia = \"fe80::9\"\ninterface = \"wan\"\n";
    let good = format!("{BASE}{lan}{again}{uses}");
    crate::config::parse(&good, "t.toml").unwrap_or_else(|errors| panic!("{errors}"));
    refused(
        BASE,
        &[
            (&lan.replace("fd00:9::1/64", "fe80::1/10"), "t.toml:13: interface.addresses: fe80::1 is a duplicate"),
            (
                "[[route]]\nto = \"::/0\"\nvia = \"fe80::1\"\ninterface = \"lan\"",
                "t.toml:12: route.via: fe80::1 is not reachable: lan has no IPv6 address",
            ),
            (
                "[[neighbor]]\naddress = \"fe80::1\"\ninterface = \"lan\"\nmac = \"02:00:00:00:00:09\"",
                "t.toml:11: neighbor.address: fe80::1 is not reachable: lan has no IPv6 address",
            ),
        ],
    );
}

#[test]
fn marks() {
    let case = |rest: &str, wanted: &str| refused(BASE, &[(&format!("[[mark]]\n{rest}"), wanted)]);
    case("", "t.toml:10: mark.mark: is missing");
    case("mark = -1", "t.toml:11: mark.mark: -1 is too small; 0 to 4294967295");
    case(
        "mark = 1\ninterface = \"wen\"",
        "t.toml:12: mark.interface: there is no interface \"wen\"; did you mean wan?",
    );
    case(
        "mark = 1\nsource_mac = \"02:00:00:00:00:01\"\nnot_source_mac = \"02:00:00:00:00:02\"",
        "t.toml:13: mark.not_source_mac: is not allowed together with source_mac; give one of them",
    );
    case(
        "mark = 1\ndestination = \"10.3.0.1/16\"",
        "t.toml:12: mark.destination: 10.3.0.1/16 has bits beyond its prefix; 10.3.0.0/16 would be right",
    );
    case(
        "mark = 1\nsource = \"10.0.0.0/8\"\ndestination = \"fd00::/8\"",
        "t.toml:13: mark.destination: fd00::/8 is not of the family of 10.0.0.0/8",
    );
    case(
        "mark = 1\ndestination_port = 80",
        "t.toml:12: mark.destination_port: needs protocol = \"tcp\", \"udp\" or \"sctp\"",
    );
    case(
        "mark = 1\nprotocol = \"icmp\"\nsource_port = \"1-2\"",
        "t.toml:13: mark.source_port: needs protocol = \"tcp\", \"udp\" or \"sctp\"",
    );
    case(
        "mark = 1\nprotocol = \"gre\"",
        "t.toml:12: mark.protocol: \"gre\" is not tcp, udp, sctp, icmp or a number up to 255",
    );
    case("mark = 1\nprotocol = 256", "t.toml:12: mark.protocol: 256 is not tcp, udp, sctp, icmp or a number up to 255");
    case(
        "mark = 1\nprotocol = 6\nsource_port = \"9-8\"",
        "t.toml:13: mark.source_port: \"9-8\" is not a port as 80, or a range as 8000-8999",
    );
    case("mark = 1\n[[mark]]\nmark = 1", "t.toml:13: mark.mark: 1 is a duplicate of line 10");
}

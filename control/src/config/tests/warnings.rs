//! What is allowed and cannot work, and what looks like it and works.

use super::{BASE, conf};
use crate::config::{read, read_text};

/// The warnings of a right text, a line each.
fn warnings(text: &str) -> String {
    let reading = read_text(text, "t.toml");
    assert_eq!(reading.errors, [], "in\n{text}");
    reading.warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn warned(base: &str, cases: &[(&str, &str)]) {
    for (text, wanted) in cases {
        assert_eq!(warnings(&format!("{base}{text}")), *wanted, "in\n{text}");
    }
}

const SERVICE: &str = "[[service]]\nprotocol = \"tcp\"\naddress = \"10.0.0.9:80\"\n[[service.server]]\n";

#[test]
fn servers_that_no_packet_reaches() {
    let routed =
        "[[route]]\nto = \"10.7.0.0/16\"\nvia = \"10.1.0.250\"\n[[route]]\nto = \"10.8.0.0/16\"\nblackhole = true\n";
    warned(
        &format!("{BASE}{routed}{SERVICE}"),
        &[
            ("address = \"10.1.0.9\"", ""),
            ("address = \"10.1.0.9\"\nforward = \"dr\"", ""),
            ("address = \"10.7.0.9\"", ""),
            ("address = \"10.7.0.9\"\nforward = \"tun\"", ""),
            (
                "address = \"10.7.0.9\"\nforward = \"dr\"",
                "t.toml:20: service.server.address: 10.7.0.9 is behind the router 10.1.0.250; direct routing reaches \
                 servers on the director's own links only: use tun or nat, or a link that has it",
            ),
            (
                "weight = 2\naddress = \"10.9.0.9\"",
                "t.toml:21: service.server.address: no route leads to 10.9.0.9; connected are 10.0.0.0/24, 10.1.0.0/24",
            ),
            (
                "address = \"10.8.0.9\"",
                "t.toml:20: service.server.address: 10.8.0.9 is behind a route that is a blackhole",
            ),
            (
                "address = \"10.0.0.9:8080\"",
                "t.toml:20: service.server.address: 10.0.0.9 is the service's own virtual address; name the server by an \
                 address of its own",
            ),
            (
                "address = \"10.1.0.1\"",
                "t.toml:20: service.server.address: 10.1.0.1 is an address of this director, on which no program listens",
            ),
            (
                "address = \"10.1.0.0\"",
                "t.toml:20: service.server.address: 10.1.0.0 is the network address of 10.1.0.0/24, on lan: no server has it",
            ),
            (
                "address = \"fd00:9::1\"\nforward = \"tun\"",
                "t.toml:20: service.server.address: no route leads to fd00:9::1; connected are fd00:1::/64",
            ),
            (
                "address = \"10.0.0.8\"\n[[vip]]\naddress = \"10.0.0.8\"\ninterfaces = [\"wan\"]",
                "t.toml:20: service.server.address: 10.0.0.8 is a virtual address of this director, on which no program listens",
            ),
        ],
    );
}

#[test]
fn a_broadcast_address_is_refused_with_its_line() {
    let text = format!("{BASE}{SERVICE}address = \"10.1.0.255\"");
    let errors = read_text(&text, "t.toml").errors;
    let said: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let wanted = "t.toml:14: service.server.address: 10.1.0.255 is the broadcast address of a link; a real server needs a \
                  unicast address";
    assert_eq!(said, [wanted]);
}

#[test]
fn virtual_addresses_that_nobody_can_use() {
    let of = |address: &str| SERVICE.replace("10.0.0.9:80", address) + "address = \"10.1.0.9:80\"\nforward = \"tun\"\n";
    let case = |address: &str, more: &str, wanted: &str| warned(BASE, &[(&format!("{}{more}", of(address)), wanted)]);
    let vip =
        |address: &str, interfaces: &str| format!("[[vip]]\naddress = \"{address}\"\ninterfaces = [{interfaces}]\n");
    case("10.0.0.1:80", "", "");
    case("[fd00:1::9]:80", "", "");
    case("[fe80::9]:80", "", "");
    case("10.9.0.9:80", &vip("10.9.0.9", ""), "");
    case("10.9.0.9:80", &vip("10.9.0.9", "\"wan\""), "");
    case(
        "10.9.0.9:80",
        "",
        "t.toml:12: service.address: 10.9.0.9 is on no interface's prefix: every interface answers for it, and hosts need \
         a route to it through this director; name the interfaces with a [[vip]], or, where it is only routed here, a \
         [[vip]] with interfaces = []",
    );
    case("127.0.0.1:80", "", "t.toml:12: service.address: 127.0.0.1 is a loopback address: no client connects to it");
    case(
        "10.0.0.255:80",
        "",
        "t.toml:12: service.address: 10.0.0.255 is the broadcast address of 10.0.0.0/24, on wan: no client connects to it",
    );
    let named = vip("10.0.0.255", "\"wan\"");
    case(
        "10.0.0.9:80",
        &named,
        "t.toml:17: vip.address: 10.0.0.255 is the broadcast address of 10.0.0.0/24, on wan: no client connects to it",
    );
}

#[test]
fn services_without_a_server_for_anybody() {
    let bare = "[[service]]\nprotocol = \"tcp\"\naddress = \"10.0.0.9:80\"\n";
    let none = "t.toml:10: service.server: is missing: without a server, connections are refused; add [[service.server]], or \
                servers at run time";
    let weight = "t.toml:15: service.server.weight: every server has weight 0: no new connection is taken";
    let drained = "[[service.server]]\naddress = \"10.1.0.9\"\nweight = 0\n";
    let used = "[[service.server]]\naddress = \"10.1.0.8\"\n";
    warned(
        BASE,
        &[
            (bare, none),
            (&format!("{bare}{drained}"), weight),
            (&format!("{bare}{drained}{used}"), ""),
            // What is restored may bring servers, and weights.
            (&format!("{bare}[control]\nrules = \"/etc/rules\""), ""),
        ],
    );
}

#[test]
fn a_prefix_on_two_links() {
    let third = "[[interface]]\nname = \"dmz\"\ndevice = \"tap:dmz\"\naddresses = [\n\"10.1.0.2/24\"]\n";
    let twice = "t.toml:14: interface.addresses: 10.1.0.0/24 is on lan, too: its hosts are looked for there only";
    let second =
        "[[interface]]\nname = \"dmz\"\ndevice = \"tap:dmz\"\naddresses = [\"10.2.0.1/24\", \"10.2.0.2/24\"]\n";
    let narrow = third.replace("10.1.0.2/24", "10.1.0.2/25");
    warned(BASE, &[(third, twice), (second, ""), (&narrow, "")]);
}

#[test]
fn every_server_is_found_again_at_its_line() {
    let server =
        |n: usize| format!("[[service.server]]\n\naddress = \"10.{}.0.{}:80\"\n", if n < 3 { 1 } else { 9 }, n + 11);
    let all: String = (0..19).map(server).collect();
    let said = warnings(&format!("{BASE}{}{all}", SERVICE.replace("[[service.server]]\n", "")));
    let lines: Vec<&str> = said.lines().map(|line| line.split(": ").next().unwrap_or_default()).collect();
    let at: Vec<String> = (3..19).map(|n| format!("t.toml:{}", 15 + 3 * n)).collect();
    assert_eq!(lines, at, "{said}");
    let inline = "server = [\n{ address = \"10.1.0.9\" },\n\n{ weight = 2,\naddress = \"10.9.0.9\" },\n]\n";
    let said = warnings(&format!("{BASE}{}{inline}", SERVICE.replace("[[service.server]]\n", "")));
    assert!(said.starts_with("t.toml:17: service.server.address: no route leads to 10.9.0.9"), "{said}");
}

#[test]
fn warnings_are_bounded() {
    let bare = |n: usize| format!("[[service]]\nprotocol = \"tcp\"\naddress = \"10.0.0.9:{n}\"\n");
    let text = format!("{BASE}{}", (1..=250).map(bare).collect::<String>());
    let said = warnings(&text);
    assert_eq!(said.lines().count(), 21);
    assert!(said.ends_with("\nt.toml: service.server: 230 more warnings like these"), "{said}");
}

#[test]
fn errors_and_warnings_are_told_together() {
    let text = format!("{BASE}{SERVICE}address = \"10.9.0.9\"\n{}addres = \"10.1.0.9\"", SERVICE.replace(":80", ":81"));
    let reading = read_text(&text, "t.toml");
    assert_eq!(reading.warnings.iter().map(|warning| warning.line).collect::<Vec<_>>(), [14]);
    assert_eq!(reading.errors.iter().map(|error| error.line).collect::<Vec<_>>(), [18, 19]);
}

#[test]
fn shipped_files_have_none() {
    for name in ["sluice.toml", "lab/veth.toml"] {
        let reading = read(&conf(name));
        assert_eq!((reading.errors, reading.warnings), (Vec::new(), Vec::new()), "{name}");
    }
}

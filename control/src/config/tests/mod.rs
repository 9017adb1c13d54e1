//! Files that are right, and every way to be wrong that has a text of its own.

use std::path::PathBuf;

mod network;
mod restart;
mod services;
mod warnings;

use super::*;
use crate::api::{Forward, Granularity};

/// Two interfaces on lines 1 to 9; what a case adds begins on line 10.
const BASE: &str = r#"schema = 1
[[interface]]
name = "wan"
device = "tap:wan"
addresses = ["10.0.0.1/24", "fd00:1::1/64"]
[[interface]]
name = "lan"
device = "tap:lan"
addresses = ["10.1.0.1/24"]
"#;

/// The errors of a text, a line each.
fn errors(text: &str) -> String {
    parse(text, "t.toml").map_or_else(|errors| errors.to_string(), |_| String::new())
}

/// Every case must give exactly its errors.
fn refused(base: &str, cases: &[(&str, &str)]) {
    for (text, wanted) in cases {
        assert_eq!(errors(&format!("{base}{text}")), *wanted, "in\n{text}");
    }
}

fn conf(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../conf").join(name)
}

fn round_trip(config: &Config) {
    let text = render(config);
    match parse(&text, "rendered") {
        Ok(again) => assert_eq!(again, *config, "{text}"),
        Err(errors) => panic!("{errors}\nin\n{text}"),
    }
}

#[test]
fn shipped_files_parse_and_round_trip() {
    for name in ["sluice.toml", "lab/veth.toml"] {
        let config = load(&conf(name)).unwrap_or_else(|errors| panic!("{errors}"));
        round_trip(&config);
    }
}

/// A line of an example without the mark of a comment, where what follows is a key or the head of a table.
fn uncommented(line: &str) -> &str {
    let name = |word: &str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let is_key = |rest: &str| rest.split_once(" = ").is_some_and(|(word, _)| name(word));
    line.strip_prefix("# ").filter(|rest| rest.starts_with('[') || is_key(rest)).unwrap_or(line)
}

#[test]
fn options_in_comments_of_the_example_are_right() {
    let text = std::fs::read_to_string(conf("sluice.toml")).unwrap();
    let mut paragraphs: Vec<String> = text.split("\n\n").map(str::to_owned).collect();
    // One more at a time, for the fault to be told with its paragraph.
    for at in 0..paragraphs.len() {
        paragraphs[at] = paragraphs[at].lines().map(uncommented).collect::<Vec<_>>().join("\n");
        parse(&paragraphs.join("\n\n"), "live").unwrap_or_else(|errors| panic!("{}\n{errors}", paragraphs[at]));
    }
    let config = parse(&paragraphs.join("\n\n"), "live").unwrap();
    assert_eq!(config.control.group.as_deref(), Some("netadmin"));
    // What is written out differs from what is absent by the kind of device.
    let (eal, written) = (config.dataplane.eal.clone(), Some(1024));
    let wanted = Dataplane { eal, rx_descriptors: written, tx_descriptors: written, ..Default::default() };
    assert_eq!(config.dataplane, wanted);
    let counts = [config.interfaces.len(), config.routes.len(), config.services.len()];
    assert_eq!(counts, [3, 4, 2], "interfaces, routes, services");
    let others = [config.neighbors.len(), config.vips.len(), config.marks.len()];
    assert_eq!(others, [1; 3], "neighbours, virtual addresses, marks");
    round_trip(&config);
}

#[test]
fn what_is_active_in_the_example_is_what_everybody_needs() {
    let config = load(&conf("sluice.toml")).unwrap();
    let usual = Config::default();
    assert_eq!((config.dataplane, config.control, config.ipvs), (usual.dataplane, usual.control, usual.ipvs));
    assert_eq!((config.interfaces.len(), config.services.len()), (2, 1));
    assert_eq!(config.services[0].servers.len(), 2);
    assert_eq!(config.routes.iter().map(|route| route.to.to_string()).collect::<Vec<_>>(), ["0.0.0.0/0"]);
    assert_eq!([config.neighbors.len(), config.vips.len(), config.marks.len()], [0; 3]);
}

#[test]
fn the_lab_says_what_it_says() {
    let config = load(&conf("lab/veth.toml")).unwrap();
    assert_eq!(config.dataplane.eal, ["--no-huge", "-m", "512"]);
    assert_eq!((config.dataplane.connections, config.interfaces.len()), (200_000, 2));
    let servers: Vec<usize> = config.services.iter().map(|service| service.servers.len()).collect();
    assert_eq!(servers, [3, 3]);
    assert_eq!(config.services[0].place.to_string(), format!("{}:36", conf("lab/veth.toml").display()));
}

#[test]
fn defaults() {
    let config = parse("schema = 1", "t.toml").unwrap();
    assert_eq!(config, Config::default());
    round_trip(&config);
    assert_eq!(config.control.socket, PathBuf::from("/run/sluice/control.sock"));
    let text = format!(
        "{BASE}[[service]]\nprotocol = \"tcp\"\naddress = \"10.0.0.9:80\"\n[[service.server]]\naddress = \"10.1.0.9\""
    );
    let service = parse(&text, "t.toml").unwrap().services.remove(0);
    assert_eq!((service.spec.scheduler.name(), service.place.line), ("wlc", 10));
    let server = &service.servers[0];
    assert_eq!((server.spec.address.port(), server.spec.weight, server.spec.forward), (80, 1, Forward::Nat));
    assert_eq!(server.place.line, 13);
}

#[test]
fn everything_round_trips() {
    let text = r#"
[dataplane]
workers = [3, 1]
main_cpu = 1
connections = 5
ip_forward = false
eal = ["--a \"b\"", 'c\d']
steering = "client"
icmp_rate = 0
icmp_target_rate = 2
path_mtu_rate = 3
echo_rate = 4
reset_rate = 5
rx_descriptors = 512
tx_descriptors = 0x100
[control]
socket = "/tmp/s"
group = "wheel"
rules = "/etc/ipvsadm.rules"
[ipvs]
strict_parity = true
timeouts = { tcp = 9, sctp_c_sent = 7, udp = 8, udp_one_way = 4 }
[[interface]]
name = "lan.7"
parent = "lan"
vlan = 7
mtu = 1400
[[route]]
to = "::/0"
via = "fe80::1"
interface = "wan"
[[route]]
to = "192.0.2.0/24"
blackhole = true
[[route]]
to = "198.51.100.0/24"
unreachable = true
blackhole = false
[[route]]
to = "203.0.113.0/24"
interface = "lan"
[[neighbor]]
address = "10.0.0.2"
interface = "wan"
mac = "02-00-00-00-00-02"
[[vip]]
address = "10.0.0.9"
interfaces = []
[[mark]]
mark = 4294967295
local = false
interface = "wan"
not_source_mac = "02:00:00:00:00:09"
source = "172.16.0.0/12"
destination = "10.3.0.0/16"
protocol = 17
source_port = 53
destination_port = "1-65535"
[[mark]]
mark = 0
source_mac = "02:00:00:00:00:09"
protocol = "47"
[[service]]
fwmark = 4294967295
family = "ipv6"
persistence = 1
netmask = 64
engine = "sip"
scheduler = "mh"
flags = ["mh-port", "flag-1", "flag-3"]
[[service.server]]
address = "[fd00::1]:0"
forward = "dr"
upper = 2
lower = 1
[[service.server]]
address = "192.0.2.1"
forward = "tun"
weight = 0
tunnel = { kind = "gre", checksum = "full" }
[[service]]
protocol = "sctp"
address = "10.0.0.9"
persistence = 2678400
netmask = "255.0.255.0"
"#;
    let config = parse(&format!("{BASE}{text}"), "t.toml").unwrap_or_else(|errors| panic!("{errors}"));
    round_trip(&config);
    assert_eq!(config.services[0].spec.sched_flags, 7);
    assert_eq!(config.services[0].spec.granularity, Some(Granularity::Prefix(64)));
    assert_eq!(config.dataplane.descriptors(), [512, 256]);
    assert_eq!(config.routes[2].action, RouteAction::Unreachable);
}

#[test]
fn the_file_as_a_whole() {
    refused(
        "",
        &[
            ("", "t.toml: schema: is missing; begin the file with schema = 1"),
            (
                "\nschema = 2\nnonsense = 1",
                "t.toml:2: schema: 2 is a schema that this version does not know; it knows 1",
            ),
            ("schema = \"1\"", "t.toml:1: schema: is of type string; it must be a whole number, 0 to 4294967295"),
            (
                "schema = 1\nservices = 1\n[[interfaces]]",
                "t.toml:2: services: unknown key; did you mean service?\n\
            t.toml:3: interfaces: unknown key; did you mean interface?",
            ),
            ("schema = 1\n[interface]", "t.toml:2: interface: is of type table; write [[interface]]"),
            ("schema = 1\n[[control]]", "t.toml:2: control: is of type array; write [control]"),
            ("schema = 1\nvip = [1]", "t.toml:2: vip: has entries that are not tables; write [[vip]]"),
        ],
    );
    assert!(errors("schema = 1\na = \nb = 2\nb = 3").starts_with("t.toml:2: "), "{}", errors("a = "));
    assert!(errors("schema = 1\nschema = 1").contains("t.toml:2: duplicate key"));
    let deep = format!("schema = 1\na = {}", "[".repeat(100_000));
    assert!(!errors(&deep).is_empty());
}

#[test]
fn dataplane_and_control() {
    let long = format!("[control]\nsocket = \"/{}\"", "x".repeat(107));
    refused(
        "schema = 1\n",
        &[
            (
                "[dataplane]\nworkers = [1, 2, 1]",
                "t.toml:3: dataplane.workers: CPU 1 is a duplicate; one worker on each CPU (in a lab, share_cpus = true allows it)",
            ),
            ("[dataplane]\nworkers = []", "t.toml:3: dataplane.workers: is empty; name at least one CPU"),
            ("[dataplane]\nworkers = 1", "t.toml:3: dataplane.workers: is of type integer; it must be a list"),
            ("[dataplane]\nworkers = [\n1,\n-2]", "t.toml:5: dataplane.workers: -2 is too small; 0 to 1023"),
            ("[dataplane]\nconnections = 0", "t.toml:3: dataplane.connections: 0 is too small; 1 to 268435456"),
            ("[dataplane]\nworker = [1]", "t.toml:3: dataplane.worker: unknown key; did you mean workers?"),
            (
                "[dataplane]\nsteering = \"cliant\"",
                "t.toml:3: dataplane.steering: unknown \"cliant\"; did you mean client?",
            ),
            (
                "[dataplane]\nip_forward = 1",
                "t.toml:3: dataplane.ip_forward: is of type integer; it must be true or false",
            ),
            ("[dataplane]\neal = [\"\"]", "t.toml:3: dataplane.eal: is empty"),
            ("[dataplane]\neal = [\"\\u0000\"]", "t.toml:3: dataplane.eal: has control characters"),
            ("[dataplane]\nrx_descriptors = 7", "t.toml:3: dataplane.rx_descriptors: 7 is too small; 32 to 32768"),
            ("[ipvs.timeouts]\nudp = 0", "t.toml:3: ipvs.timeouts.udp: 0 is too small; 1 to 2678400"),
            ("[ipvs.timeouts]\ntcpfin = 1", "t.toml:3: ipvs.timeouts.tcpfin: unknown key; did you mean tcp_fin?"),
            ("[control]\nrules = \"rules\"", "t.toml:3: control.rules: \"rules\" is relative; begin with a slash"),
            ("[control]\nrules = \"/etc/\"", "t.toml:3: control.rules: \"/etc/\" names a directory; name the file"),
            ("[control]\nsocket = \"a.sock\"", "t.toml:3: control.socket: \"a.sock\" is relative; begin with a slash"),
            ("[control]\nsocket = \"/run/\"", "t.toml:3: control.socket: \"/run/\" names a directory; name the socket"),
            (&long, "t.toml:3: control.socket: 108 bytes are too long for the path of a socket; at most 107"),
        ],
    );
}

#[test]
fn all_errors_at_once_in_order() {
    let text = format!(
        "{BASE}[[vip]]\naddress = 1\ninterfaces = [\"no\"]\n[dataplane]\nworkers = [1, 1]\nx = 1\n[[route]]\nto = \"::/0\"\nvia = \"::\""
    );
    let errors = parse(&text, "t.toml").unwrap_err();
    let lines: Vec<u32> = errors.iter().map(|error| error.line).collect();
    assert_eq!(lines, [11, 14, 15, 18], "{errors}");
}

#[test]
fn files_that_cannot_be_read() {
    let missing = load(std::path::Path::new("/nonexistent/sluice.toml")).unwrap_err().to_string();
    assert!(missing.starts_with("/nonexistent/sluice.toml: cannot read the file: "), "{missing}");
    let path = std::env::temp_dir().join(format!("sluice-utf8-{}.toml", std::process::id()));
    std::fs::write(&path, b"schema = 1\n\n# \xff\n").unwrap();
    let bad = load(&path).unwrap_err().to_string();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(bad, format!("{}:3: is not UTF-8 text", path.display()));
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "(schema = 1\n)?[\\PC\n\\[\\]=\"]{0,200}") {
        let _ = parse(&text, "t.toml");
    }

    #[test]
    fn no_damaged_file_panics(cut in 0usize..3000, at in 0usize..3000, with in "[\\PC\n]{0,6}") {
        let mut text: Vec<char> = std::fs::read_to_string(conf("sluice.toml")).unwrap().chars().collect();
        let at = at.min(text.len());
        text.splice(at..(at + cut % 20).min(text.len()), with.chars());
        if let Ok(config) = parse(&text.into_iter().collect::<String>(), "t.toml") {
            round_trip(&config);
        }
    }
}

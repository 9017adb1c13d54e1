//! Command lines, and what they print for known answers.

use super::*;
use crate::api::{
    ArpLeak, Code, ConnInfo, Counter, DoctorReport, Forward, InterfaceStatus, MarkInfo, NeighborInfo, NeighborState,
    Observe, Rates, RouteInfo, RouteKind, ServerInfo, ServerSpec, ServiceInfo, ServiceSpec, StatsReport, Status,
    StoreStatus, Totals, VipInfo, VipOrigin, WorkerStatus,
};
use clap::CommandFactory;
use dataplane::flow::{Protocol, ServiceKey};
use dataplane::sched::Scheduler;

/// A director that knows its lines.
#[derive(Default)]
pub(super) struct Script {
    pub(super) answers: Vec<Result<Answer, ApiError>>,
    pub(super) asked: Vec<Request>,
}

impl Client for Script {
    fn ask(&mut self, request: Request) -> Result<Answer, ApiError> {
        self.asked.push(request);
        self.answers.remove(0)
    }
}

/// Exit code, output, errors, and what was asked.
pub(super) fn call(line: &str, answers: Vec<Result<Answer, ApiError>>) -> (u8, String, String, Vec<Request>) {
    let arguments = Arguments::try_parse_from(like_ip_route(line.split_whitespace().map(str::to_owned).collect()))
        .unwrap_or_else(|error| panic!("{error}"));
    let mut script = Script { answers, asked: Vec::new() };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run(&arguments, &mut io::empty(), &mut script, &mut out, &mut err);
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap(), script.asked)
}

fn printed(line: &str, answer: Answer) -> String {
    let (code, out, err, _) = call(line, vec![Ok(answer)]);
    assert_eq!((code, err.as_str()), (0, ""));
    out
}

fn conn(port: u16, protocol: Protocol) -> ConnInfo {
    ConnInfo {
        protocol: Some(protocol),
        client: ([192, 0, 2, 1], port).into(),
        vip: ([10, 0, 0, 100], 80).into(),
        destination: ([10, 1, 0, 11], 8080).into(),
        state: "ESTABLISHED".into(),
        expires: 899,
        engine: None,
        worker: 0,
        in_packets: 12,
    }
}

fn service() -> ServiceInfo {
    let key = ServiceKey::Address { protocol: Protocol::Tcp, address: [10, 0, 0, 100].into(), port: 80 };
    let spec = ServiceSpec { persistence: Some(300), ..ServiceSpec::new(key, Scheduler::Wlc) };
    let address = ([10, 1, 0, 11], 8080).into();
    let server = ServerInfo {
        spec: ServerSpec { weight: 3, upper: 9, lower: 5, ..ServerSpec::new(address, Forward::Nat) },
        runtime: true,
        active: 2,
        inactive: 7,
        persistent: 1,
        overloaded: true,
        unresolved: 4,
        totals: Totals { connections: 9, in_packets: 100, out_packets: 90, in_bytes: 1, out_bytes: 1 },
        rates: Rates { in_bytes: 1000, ..Rates::default() },
    };
    let (totals, rates) = (server.totals, server.rates);
    ServiceInfo { spec, runtime: false, totals, rates, servers: vec![server] }
}

#[test]
fn services() {
    let answer = Answer::Services { table_size: 4096, services: vec![service()], next: None };
    let wanted = "\
SERVICE / SERVER   SCHED/FWD  WEIGHT  ACTIVE  INACTIVE  CONNS  PACKETS IN  PACKETS OUT  CONNS/S        RATE  UNRESOLVED  NOTES
TCP 10.0.0.100:80  wlc                     2         7      9         100           90        0  8.0 kbit/s           4  persistent 300s
  10.1.0.11:8080   nat             3       2         7      9         100           90        0  8.0 kbit/s           4  1 persistent, upper 9, lower 5, overloaded, runtime
";
    assert_eq!(printed("sluice services", answer.clone()), wanted);
    let json = printed("sluice services --json", answer.clone());
    assert_eq!(serde_json::from_str::<Answer>(&json).unwrap(), answer);
    assert_eq!(
        printed("sluice services", Answer::Services { table_size: 1, services: vec![], next: None }),
        "no services\n"
    );
}

#[test]
fn conns_pages_filters_and_stops() {
    let page = |ports: std::ops::Range<u16>, next| {
        let connections = ports.map(|p| conn(p, if p % 2 == 0 { Protocol::Udp } else { Protocol::Tcp })).collect();
        Ok(Answer::Connections { connections, next, late: None })
    };
    let pages = || vec![page(0..4, Some(7)), page(4..8, None)];
    let count = |line: &str| {
        let (code, out, _, asked) = call(line, pages());
        assert_eq!(code, 0);
        (out.lines().count() - 1, asked.len())
    };
    assert_eq!(count("sluice conns"), (8, 2));
    assert_eq!(count("sluice conns --protocol udp"), (4, 2));
    assert_eq!(count("sluice conns -n 3"), (3, 1));
    assert_eq!(count("sluice conns -n 3 --protocol TCP"), (3, 2));
    assert_eq!(count("sluice conns -n 0"), (0, 0));
    assert_eq!(count("sluice conns --client 192.0.2.0/24:5"), (1, 2));
    assert_eq!(count("sluice conns --virtual 10.0.0.100 --server 10.1.0.0/16 --state established"), (8, 2));
    assert_eq!(count("sluice conns --server 10.1.0.12"), (0, 2));
    let (_, out, _, asked) = call("sluice conns", pages());
    assert!(out.contains("UDP       192.0.2.1:0  10.0.0.100:80  10.1.0.11:8080  ESTABLISHED  14m 59s"), "{out}");
    assert_eq!(asked[1], Query::Connections { cursor: Some(7), limit: None }.into());
    for (line, wanted) in [("sluice --json conns", 8), ("sluice --json conns --state syn_recv", 0)] {
        let Ok(Answer::Connections { connections, next: None, late: None }) =
            serde_json::from_str(&call(line, pages()).1)
        else {
            panic!("{line}");
        };
        assert_eq!(connections.len(), wanted);
    }
}

/// What the command line is refused with.
fn mistake(line: &str) -> String {
    Arguments::try_parse_from(line.split_whitespace()).expect_err(line).to_string()
}

#[test]
fn a_filter_that_nothing_can_pass_is_refused() {
    assert!(mistake("sluice conns --state FOO").contains("known: NONE, ESTABLISHED, "));
    assert!(mistake("sluice conns --state establishd").contains("did you mean ESTABLISHED?"));
    for line in
        ["sluice mark add x", "sluice mark add 4294967296", "sluice trace --seconds 1s", "sluice capture --snaplen x"]
    {
        assert!(mistake(line).contains("write a whole number, 0 to 4294967295"), "{line}");
    }
    assert!(mistake("sluice conns --protocol icmp").contains("known: tcp, udp, sctp"));
    for state in ["udp", "INIT1", "assured", "TIME_WAIT"] {
        let (code, ..) = call(
            &format!("sluice conns --state {state}"),
            vec![Ok(Answer::Connections { connections: vec![], next: None, late: None })],
        );
        assert_eq!(code, 0, "{state}");
    }
}

/// Every word of the command line says what it is; words that need a value have an example, or say its form.
#[test]
fn help_is_enough() {
    fn look(command: &clap::Command, path: &str, silent: &mut Vec<String>) {
        if command.get_about().is_none() {
            silent.push(path.to_owned());
        }
        let own = command.get_arguments().filter(|arg| !arg.is_global_set() && arg.get_id() != "help");
        silent.extend(own.filter(|arg| arg.get_help().is_none()).map(|arg| format!("{path} {}", arg.get_id())));
        let valued = command.get_arguments().any(|arg| arg.get_action().takes_values() && !arg.is_global_set());
        let told = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let help = command.get_arguments().filter_map(|arg| arg.get_help()).map(ToString::to_string);
        if valued
            && !told.contains("Example")
            && !help.into_iter().any(|help| help.contains(" as ") || help.starts_with("As "))
        {
            silent.push(format!("{path}: an example"));
        }
        command.get_subcommands().for_each(|each| look(each, &format!("{path} {}", each.get_name()), silent));
    }
    let mut silent = Vec::new();
    look(&Arguments::command(), "sluice", &mut silent);
    silent.retain(|path| !path.starts_with("sluice mark del"));
    assert_eq!(silent, [""; 0]);
}

#[test]
fn ipvsadm_has_no_json() {
    let (code, out, err, asked) = call("sluice --json ipvsadm -Ln", vec![]);
    assert_eq!((code, &*out, asked.len()), (2, "", 0));
    assert_eq!(err, "sluice: ipvsadm has no JSON; use sluice --json services, conns, stats or sysctl\n");
}

#[test]
fn routes_may_be_written_as_for_ip_route() {
    let asked = |line: &str| call(line, vec![Ok(Answer::Done)]).3;
    for (words, options) in [
        ("add default via 10.0.0.254", "add default --via 10.0.0.254"),
        ("add 10.2.0.0/16 via fe80::1 dev wan", "add 10.2.0.0/16 --via fe80::1 --interface wan"),
        ("add blackhole 10.2.0.0/16", "add 10.2.0.0/16 --blackhole"),
        ("add 10.2.0.0/16 unreachable", "add 10.2.0.0/16 --unreachable"),
        ("add 10.2.0.0/16 dev via", "add 10.2.0.0/16 --interface=via"),
    ] {
        let [as_words, as_options] = [words, options].map(|line| asked(&format!("sluice route {line}")));
        assert_eq!(as_words, as_options, "{words}");
        assert!(matches!(as_words[..], [Request::Edit(Edit::AddRoute { .. })]), "{as_words:?}");
    }
    assert_eq!(asked("sluice route del default"), [Edit::DeleteRoute { to: "default".into() }.into()]);
}

#[test]
fn stats() {
    let counter = |name: &str, value| Counter { name: name.into(), value };
    let counters = vec![counter("forward", 12), counter("drop_malformed", 0)];
    let workers = vec![vec![counter("forward", 5)], vec![counter("drop_malformed", 0), counter("forward", 7)]];
    let interfaces =
        vec![crate::api::InterfaceCounters { name: "wan".into(), counters: vec![counter("rx_packets", 9)] }];
    let report = StatsReport { counters, workers, interfaces, ..StatsReport::default() };
    let answer = Answer::Stats(Box::new(report));
    let out = printed("sluice stats", answer.clone());
    assert!(out.contains("forward     12\n") && out.contains("INTERFACE wan  COUNT\nrx_packets         9\n"), "{out}");
    assert!(!out.contains("drop_malformed"), "{out}");
    assert!(printed("sluice stats --all", answer.clone()).contains("drop_malformed      0\n"));
    let out = printed("sluice stats --workers", answer);
    assert!(out.contains("COUNTER  SUM  WORKER 0  WORKER 1\nforward   12         5         7\n"), "{out}");
}

#[test]
fn the_rest() {
    let interface = InterfaceStatus {
        name: "wan".into(),
        device: "tap:wan".into(),
        parent: None,
        vlan: None,
        driver: "net_tap".into(),
        mac: "02:00:00:00:00:01".into(),
        mtu: 1500,
        link: true,
        gone: false,
        speed: 10000,
        addresses: vec!["10.0.0.1/24".into(), "10.0.0.100".into()],
        virtual_addresses: 1,
        counters: vec![],
    };
    let worker = WorkerStatus {
        id: 0,
        cpu: 1,
        connections: 5,
        capacity: 10,
        turns: 200,
        busy_turns: 3,
        load: 12.5,
        longest_turn: 70,
        longest_turn_1s: 9,
        stalls: 2,
        stalled_for: None,
        tables: 4,
    };
    let still = WorkerStatus { id: 1, stalled_for: Some(7), ..worker.clone() };
    let (version, config) = ("0.1.0".into(), "/etc/sluice/sluice.toml".into());
    let (name, parent, device) = ("office".into(), Some("wan".into()), String::new());
    let on_it = InterfaceStatus { name, parent, vlan: Some(100), device, ..interface.clone() };
    let gone = InterfaceStatus { name: "lan".into(), link: false, gone: true, ..interface.clone() };
    let (interfaces, workers) = (vec![interface, on_it, gone], vec![worker, still]);
    let store = |store: &str, worker, refused| StoreStatus {
        store: store.into(),
        worker,
        service: None,
        used: 5,
        capacity: 10,
        refused,
        displaced: 0,
        full: refused > 0,
    };
    let stores = vec![store("connections", Some(0), 0), store("connections", Some(1), 7), store("neighbours", None, 3)];
    let strict_parity = false;
    let status =
        Status { version, config, uptime: 61, services: 2, servers: 6, interfaces, strict_parity, workers, stores };
    let out = printed("sluice status", Answer::Status(Box::new(status)));
    assert!(out.starts_with("sluice 0.1.0, up 1m 1s, /etc/sluice/sluice.toml\n2 services, 6 real servers\n"), "{out}");
    assert!(out.contains("up 10000 Mbit/s  1500") && out.contains("1  stalled for 7 s "), "{out}");
    assert!(out.contains("02:00:00:00:00:01  VLAN 100 of wan  net_tap  10.0.0.1/24 10.0.0.100\n"), "{out}");
    assert!(out.contains("\nlan        gone             1500"), "{out}");
    assert!(out.contains("12.5 %    200       1.5 %       70        9       2      v4\n"), "{out}");
    let rows = "STORE        USED  CAPACITY  REFUSED  DISPLACED  STATE\n\
                connections    10        20        7          0  full on worker 1\n\
                neighbours      5        10        3          0  full\n";
    assert!(out.ends_with(rows), "{out}");
    let (address, interface, state) = ([10, 0, 0, 2].into(), "wan".to_owned(), NeighborState::Stale);
    let neighbors = vec![NeighborInfo { address, interface: interface.clone(), mac: None, state, age: 7 }];
    assert!(
        printed("sluice neigh", Answer::Neighbors { neighbors }).contains("10.0.0.2  wan        -    stale     7s")
    );
    let (to, kind) = ("0.0.0.0/0".to_owned(), RouteKind::Static);
    let routes = vec![RouteInfo { to, via: Some(address), interface: Some(interface), kind, runtime: true }];
    assert!(
        printed("sluice routes", Answer::Routes { routes }).contains("0.0.0.0/0  10.0.0.2  wan        static  runtime")
    );
    let vip = VipInfo { address, interfaces: vec!["wan".to_owned()], origin: VipOrigin::Runtime, services: 0 };
    let vips = printed("sluice vip list", Answer::Vips { vips: vec![vip], next: None });
    assert!(vips.contains("10.0.0.2  wan         runtime         0"), "{vips}");
    assert_eq!(printed("sluice reload", Answer::Reloaded { changes: vec![], late: None }), "nothing changed\n");
    assert_eq!(printed("sluice config show", Answer::Text { text: "schema = 1\n".into(), next: None }), "schema = 1\n");
    let (.., asked) = call("sluice reload --prune", vec![Ok(Answer::Done)]);
    assert_eq!(asked, [Reload { prune: true }.into()]);
    let (.., asked) = call("sluice proc ip_vs", vec![Ok(Answer::Done)]);
    assert_eq!(asked, [Query::Proc { name: "ip_vs".into(), cursor: None }.into()]);
}

#[test]
fn the_doctor_asks_until_it_is_over_and_says_what_to_do() {
    let (asked, unasked) = (4, 0);
    let begun = DoctorReport { examination: 7, over: false, asked, unasked, leaks: vec![] };
    let good = Answer::DoctorArp(DoctorReport { over: true, ..begun.clone() });
    let (code, out, err, requests) = call("sluice doctor arp", vec![Ok(Answer::DoctorArp(begun.clone())), Ok(good)]);
    assert_eq!((code, &*err), (0, ""));
    assert_eq!(out, "no other host answers for a virtual address: 4 requests, each sent twice\n");
    assert_eq!(requests, [None, Some(7)].map(|examination| Observe::DoctorArp { examination }.into()));

    let leak = |address: &str, servers| ArpLeak {
        interface: "wan".into(),
        address: address.parse().unwrap(),
        mac: "02:00:00:00:02:0b".into(),
        servers,
    };
    let leaks = vec![leak("10.0.0.100", vec![[10, 1, 0, 11].into()]), leak("fd00::100", vec![])];
    let bad = Answer::DoctorArp(DoctorReport { over: true, unasked: 3, leaks, ..begun });
    let (code, out, err, _) = call("sluice doctor arp", vec![Ok(bad.clone())]);
    assert_eq!((code, &*err), (1, ""));
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "10.0.0.100 is answered on wan by 02:00:00:00:02:0b (10.1.0.11) too");
    assert_eq!(lines[1], "fd00::100 is answered on wan by 02:00:00:00:02:0b too");
    assert!(
        lines[2].contains("arp_ignore = 1")
            && lines[3].contains("/128")
            && lines[4] == "too many for one run, not sent: 3 requests",
        "{out}"
    );
    let (code, out, ..) = call("sluice doctor arp --json", vec![Ok(bad.clone())]);
    assert_eq!((code, serde_json::from_str::<Answer>(&out).unwrap()), (1, bad));
}

#[test]
fn mark_rules() {
    let words = "--interface wan --not-source-mac 02:00:00:00:00:09 --source 172.16.0.0/12 --destination 10.3.0.9/32 \
                 --protocol tcp --source-port 1-9 --destination-port 80 --not-local";
    let (.., asked) = call(&format!("sluice mark add 7 {words}"), vec![Ok(Answer::Done)]);
    let [Request::Edit(Edit::AddMark { rule })] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!(rule.to_string(), format!("7 {words}"));
    let (.., asked) = call(&format!("sluice mark del {rule}"), vec![Ok(Answer::Done)]);
    assert_eq!(asked, [Edit::DeleteMark { rule: rule.clone() }.into()]);
    let (.., asked) = call("sluice mark add 1 --destination 10.3.0.9", vec![Ok(Answer::Done)]);
    let [Request::Edit(Edit::AddMark { rule: bare })] = &asked[..] else { panic!("{asked:?}") };
    assert!(bare.local && bare.to_string() == "1 --destination 10.3.0.9/32", "{bare}");
    let rules = [(rule, false), (bare, true)].map(|(spec, runtime)| MarkInfo { spec: spec.clone(), runtime });
    let out = printed("sluice mark list", Answer::Marks { rules: rules.to_vec() });
    let squeezed: Vec<_> = out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let first = "7 wan not 02:00:00:00:00:09 172.16.0.0/12 10.3.0.9/32 tcp 1-9 > 80 not local";
    assert_eq!(squeezed[1..], [first, "1 any any any 10.3.0.9/32 any any > any runtime"]);
    assert_eq!(printed("sluice mark list", Answer::Marks { rules: vec![] }), "no mark rules\n");
    for wrong in ["", "add", "add x", "add 1 --source-port 5", "add 1 --protocol gre", "del 1 --destination x"] {
        assert!(Arguments::try_parse_from(format!("sluice mark {wrong}").split_whitespace()).is_err(), "{wrong}");
    }
}

#[test]
fn refusals() {
    let refused = ApiError { code: Code::NoEntry, place: "proc".into(), text: "no such file".into() };
    let (code, out, err, _) = call("sluice proc x", vec![Err(refused)]);
    assert_eq!((code, out.as_str(), err.as_str()), (1, "", "sluice: proc: no such file\n"));
    let (code, _, err, _) = call("sluice conns", vec![Ok(Answer::Done)]);
    assert_eq!(code, 1);
    assert!(err.contains("unexpected answer"), "{err}");
    for line in ["sluice", "sluice nonsense", "sluice config", "sluice conns --client x", "sluice conns -n x"] {
        assert!(Arguments::try_parse_from(line.split_whitespace()).is_err(), "{line}");
    }
}

#[test]
fn ipvsadm_takes_its_own_words() {
    let words = |line: &str| match Arguments::try_parse_from(line.split_whitespace()).unwrap().command {
        Command::Ipvsadm { args } => args.join(" "),
        other => panic!("{other:?}"),
    };
    for own in ["-Ln --stats", "--help", "-h", "-A -t 10.0.0.1:80 -s rr", "-L --socket", "-L --json", ""] {
        assert_eq!(words(&format!("sluice ipvsadm {own}")), own);
    }
    assert_eq!(words("sluice --socket /x ipvsadm -L"), "-L");
    let as_program = |line: &str| {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let mut script = Script {
            answers: vec![Err(ApiError { code: Code::Permission, place: String::new(), text: String::new() })],
            asked: Vec::new(),
        };
        of_ipvsadm(&words, &mut io::empty(), &mut script).map(|outcome| (outcome.code, script.asked.len()))
    };
    for program in ["/sbin/ipvsadm -C", "ipvsadm -C", "/usr/sbin/ipvsadm-save -n", "ipvsadm-restore"] {
        assert!(as_program(program).is_some_and(|(code, asked)| code != 0 && asked == 1), "{program}");
    }
    assert_eq!(as_program("ipvsadm-save -x"), Some((1, 0)));
    assert_eq!([as_program("sluice -C"), as_program(""), as_program("ipvsadm-other")], [None; 3]);
}

/// A reader who has gone.
pub(super) struct Gone;

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

#[test]
fn a_broken_pipe_is_no_error() {
    for line in ["sluice services", "sluice services --json"] {
        let arguments = Arguments::try_parse_from(line.split_whitespace()).unwrap();
        let answer = Answer::Services { table_size: 1, services: vec![service()], next: None };
        let mut script = Script { answers: vec![Ok(answer)], asked: vec![] };
        assert_eq!(run(&arguments, &mut io::empty(), &mut script, &mut Gone, &mut Gone), 0);
    }
}

#[test]
fn nobody_listens() {
    let mut client = LazyClient::new(PathBuf::from("/nonexistent/control.sock"));
    let arguments = Arguments::try_parse_from(["sluice", "status"]).unwrap();
    let mut err = Vec::new();
    assert_eq!(run(&arguments, &mut io::empty(), &mut client, &mut Vec::new(), &mut err), 1);
    let err = String::from_utf8(err).unwrap();
    assert!(err.starts_with("sluice: no director listens on /nonexistent/control.sock; start one with"), "{err}");
}

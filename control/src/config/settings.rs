//! The tables that exist once: `[dataplane]`, `[control]`, `[ipvs]`.

use std::path::{Path, PathBuf};

use dataplane::limiter::Limits;
use dataplane::proto::{sctp, tcp};
use dataplane::steering::Steering;
use dataplane::sysctl::Sysctls;

use super::model::{Control, Dataplane, Ipvs, Profile, Timeouts};
use super::scope::Scope;
use super::spot::Spot;

/// The most CPUs that a Linux CPU mask names by default, less one.
const CPU_MAX: i128 = 1023;
/// DPDK's threads, less the main one.
const WORKERS_MAX: usize = 127;
/// More than any machine has memory for.
const CONNECTIONS_MAX: i128 = 1 << 28;
/// Answers a second that a worker may be allowed.
const RATE_MAX: i128 = 1_000_000;
/// Bytes of a Unix socket's path, with its final zero.
const SOCKET_PATH_MAX: usize = 108;
/// What `ipvsadm` takes as a timeout: 31 days.
pub(super) const TIMEOUT_MAX: i128 = 31 * 24 * 3600;

const STEERING: [(&str, Steering); 2] = [("tuple", Steering::Tuple), ("client", Steering::Client)];

pub(super) fn steering_name(steering: Steering) -> &'static str {
    STEERING.iter().find(|(_, value)| *value == steering).map_or("tuple", |&(name, _)| name)
}

pub(super) fn dataplane(top: &Scope<'_>) -> Dataplane {
    let base = Dataplane::default();
    let Some(scope) = top.table("dataplane") else { return Dataplane { lines: top.no_lines(), ..base } };
    let share_cpus = scope.value("share_cpus").and_then(|spot| spot.boolean()).unwrap_or(base.share_cpus);
    let read = Dataplane {
        workers: workers(&scope, share_cpus).unwrap_or(base.workers),
        share_cpus,
        main_cpu: scope.value("main_cpu").and_then(|spot| spot.number(0..=CPU_MAX)).unwrap_or(base.main_cpu),
        connections: scope
            .value("connections")
            .and_then(|spot| spot.number(1..=CONNECTIONS_MAX))
            .unwrap_or(base.connections),
        ip_forward: scope.value("ip_forward").and_then(|spot| spot.boolean()).unwrap_or(base.ip_forward),
        accept_source_route: scope
            .value("accept_source_route")
            .and_then(|spot| spot.boolean())
            .unwrap_or(base.accept_source_route),
        unwrap_ipip: scope.value("unwrap_ipip").and_then(|spot| spot.boolean()).unwrap_or(base.unwrap_ipip),
        eal: scope
            .value("eal")
            .and_then(|spot| spot.list_of(|word| word.text().map(str::to_owned)))
            .unwrap_or(base.eal),
        steering: scope.value("steering").and_then(|spot| spot.word(&STEERING)).unwrap_or(base.steering),
        limits: limits(&scope, base.limits),
        rx_descriptors: descriptors(&scope, "rx_descriptors"),
        tx_descriptors: descriptors(&scope, "tx_descriptors"),
        lines: scope.lines(),
    };
    scope.finish();
    read
}

/// How much the director says of its own accord.
fn limits(scope: &Scope<'_>, base: Limits) -> Limits {
    let rate = |key, base| scope.value(key).and_then(|spot| spot.number(0..=RATE_MAX)).unwrap_or(base);
    Limits {
        icmp_rate: rate("icmp_rate", base.icmp_rate),
        icmp_target_rate: rate("icmp_target_rate", base.icmp_target_rate),
        path_mtu_rate: rate("path_mtu_rate", base.path_mtu_rate),
        echo_rate: rate("echo_rate", base.echo_rate),
        reset_rate: rate("reset_rate", base.reset_rate),
    }
}

fn workers(scope: &Scope<'_>, share_cpus: bool) -> Option<Vec<usize>> {
    let spots = scope.value("workers")?.list()?;
    if spots.is_empty() {
        scope.wrong("workers", "is empty; name at least one CPU");
    }
    if spots.len() > WORKERS_MAX {
        scope.wrong("workers", format!("too many workers: {}; 1 to {WORKERS_MAX}", spots.len()));
    }
    let mut cpus = Vec::new();
    for spot in &spots {
        let Some(cpu) = spot.number::<usize>(0..=CPU_MAX) else { continue };
        if cpus.contains(&cpu) && !share_cpus {
            let text =
                format!("CPU {cpu} is a duplicate; one worker on each CPU (in a lab, share_cpus = true allows it)");
            let _: Option<()> = spot.wrong(text);
        }
        cpus.push(cpu);
    }
    (!cpus.is_empty()).then_some(cpus)
}

/// DPDK drivers differ in what they take; none takes more, and few take less.
fn descriptors(scope: &Scope<'_>, key: &'static str) -> Option<u16> {
    scope.value(key)?.number(32..=32768)
}

pub(super) fn control(top: &Scope<'_>) -> Control {
    let base = Control::default();
    let Some(scope) = top.table("control") else { return Control { lines: top.no_lines(), ..base } };
    let read = Control {
        socket: scope.value("socket").and_then(|spot| socket(&spot)).unwrap_or(base.socket),
        group: scope.value("group").and_then(|spot| spot.text().map(str::to_owned)),
        rules: scope.value("rules").and_then(|spot| absolute(&spot, "file")),
        lines: scope.lines(),
    };
    scope.finish();
    read
}

fn socket(spot: &Spot<'_>) -> Option<PathBuf> {
    let text = spot.text()?;
    if text.len() >= SOCKET_PATH_MAX {
        return spot.wrong(format!(
            "{} bytes are too long for the path of a socket; at most {}",
            text.len(),
            SOCKET_PATH_MAX - 1
        ));
    }
    absolute(spot, "socket")
}

/// The path of a file.
fn absolute(spot: &Spot<'_>, what: &str) -> Option<PathBuf> {
    let text = spot.text()?;
    let path = Path::new(text);
    if path.is_relative() {
        return spot.wrong(format!("{text:?} is relative; begin with a slash"));
    }
    if path.file_name().is_none() || text.ends_with('/') {
        return spot.wrong(format!("{text:?} names a directory; name the {what}"));
    }
    Some(path.to_owned())
}

pub(super) fn ipvs(top: &Scope<'_>) -> Ipvs {
    let Some(scope) = top.table("ipvs") else { return Ipvs::default() };
    let strict_parity = scope.value("strict_parity").and_then(|spot| spot.boolean()).unwrap_or_default();
    let timeouts = scope.table("timeouts").map(|table| timeouts(&table)).unwrap_or_default();
    let sysctls = Sysctls::NAMES.iter().filter_map(|name| Some(((*name).to_owned(), sysctl(&scope, name)?))).collect();
    scope.finish();
    Ipvs { strict_parity, timeouts, sysctls }
}

/// A setting of the kernel's: a number, or the text that one would write to its file.
fn sysctl(scope: &Scope<'_>, name: &'static str) -> Option<String> {
    let spot = scope.value(name)?;
    let range = i128::from(i32::MIN)..=i128::from(i32::MAX);
    let text = if spot.is_text() { spot.text()?.to_owned() } else { spot.number::<i32>(range)?.to_string() };
    let mut sysctls = Sysctls::default();
    match sysctls.set(name, &text) {
        Ok(()) => sysctls.get(name).ok(),
        Err(_) => {
            let allowed = Sysctls::allowed(name).unwrap_or_default();
            spot.wrong(format!("{text:?} is not a valid value; {allowed}"))
        }
    }
}

/// Keys of `[ipvs.timeouts]`, by the number of the TCP state; `tcp` and `tcp_fin` as ipvsadm calls them.
pub(super) const TCP_TIMEOUTS: [&str; tcp::STATES] = [
    "tcp_none",
    "tcp",
    "tcp_syn_sent",
    "tcp_syn_recv",
    "tcp_fin",
    "tcp_time_wait",
    "tcp_close",
    "tcp_close_wait",
    "tcp_last_ack",
    "tcp_listen",
    "tcp_synack",
];

/// Keys of `[ipvs.timeouts]`, by the number of the SCTP state, as ipvsadm lists it; `sctp` is ESTABLISHED.
pub(super) const SCTP_TIMEOUTS: [&str; sctp::STATES] = [
    "sctp_none",
    "sctp_init1",
    "sctp_init",
    "sctp_c_sent",
    "sctp_c_replied",
    "sctp_c_wait",
    "sctp_cookie",
    "sctp_c_echoed",
    "sctp",
    "sctp_s_sent",
    "sctp_s_received",
    "sctp_s_ack_sent",
    "sctp_rejected",
    "sctp_closed",
];

/// The names of timeouts by state: of TCP, of SCTP.
#[must_use]
pub const fn timeout_names() -> [&'static [&'static str]; 2] {
    [&TCP_TIMEOUTS, &SCTP_TIMEOUTS]
}

pub(super) const PROFILES: [(&str, Profile); 2] = [("kernel", Profile::Kernel), ("appliance", Profile::Appliance)];

fn timeouts(scope: &Scope<'_>) -> Timeouts {
    let seconds = |key| scope.value(key)?.number(1..=TIMEOUT_MAX);
    let read = Timeouts {
        profile: scope.value("profile").and_then(|spot| spot.word(&PROFILES)).unwrap_or_default(),
        tcp: TCP_TIMEOUTS.map(seconds),
        sctp: SCTP_TIMEOUTS.map(seconds),
        udp: seconds("udp"),
        udp_one_way: seconds("udp_one_way"),
    };
    scope.finish();
    read
}

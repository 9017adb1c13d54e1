//! Every application of `outside/apps/apps.sh` through a director, by NAT and by direct routing, beside a plain Linux router in
//! the same network: `make torture`, `APP=redis,http1 make torture`. Same content, nothing lost by the director, and how fast.
//!
//! It prints a line for each application. With `SLUICE_MUST_RUN=1` what is missing is a failure.

// The lab is shared with the outside tests, which use all of it.
#![allow(dead_code)]

#[path = "outside/apps.rs"]
mod apps;
#[path = "outside/config.rs"]
mod config;
#[path = "outside/lab.rs"]
mod lab;
#[path = "outside/operator.rs"]
mod operator;
#[path = "outside/process.rs"]
mod process;
#[path = "outside/ready.rs"]
mod ready;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use apps::{Outcome, Scene, missing};
use lab::Load;

const ALL: [&str; 14] = [
    "iperf-tcp",
    "iperf-udp",
    "iperf-large",
    "http1",
    "http2",
    "quic",
    "grpc",
    "redis",
    "postgres",
    "ssh",
    "rsync",
    "sip",
    "dns",
    "smtp",
];
/// Seconds of load in each place.
const SECONDS: u32 = 3;
/// The share of requests that may stay without an answer beyond that of a plain router.
const BEYOND: f64 = 0.02;
/// No application begins later than this.
const MOST: Duration = Duration::from_secs(9 * 60);

fn main() -> ExitCode {
    if !ready::lab() {
        return ExitCode::SUCCESS;
    }
    let wanted = env::var("APP").unwrap_or_default();
    let wanted: Vec<&str> = wanted.split(',').filter(|name| !name.is_empty()).collect();
    if let Some(unknown) = wanted.iter().find(|name| !ALL.contains(name)) {
        eprintln!("APP: there is no {unknown}; there are {}", ALL.join(", "));
        return ExitCode::FAILURE;
    }
    let chosen: Vec<&str> = ALL.into_iter().filter(|app| wanted.is_empty() || wanted.contains(app)).collect();
    println!(
        "{:<12} {:>12} {:>12} {:>6} {:>12} {:>6}  lost, sent again: router, NAT, DR",
        "", "router", "NAT", "", "DR", ""
    );
    let begun = Instant::now();
    let failed: Vec<&str> = chosen.iter().copied().filter(|app| !passes(app, begun)).collect();
    println!("{} passed, {} failed", chosen.len() - failed.len(), failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether an application came through as through a router, or could not be tried.
fn passes(app: &str, begun: Instant) -> bool {
    let app = ALL.into_iter().find(|known| *known == app).expect("it was chosen");
    if begun.elapsed() > MOST {
        println!("{app:<12} not tried: the time was up");
        return false;
    }
    if !ready::decide(missing(app)) {
        return true;
    }
    catch_unwind(AssertUnwindSafe(|| compare(app))).is_ok()
}

fn compare(app: &'static str) {
    let Some(mut scene) = Scene::new(app, Load::Heavy) else { return };
    let router = scene.by_router(SECONDS);
    let [nat, direct] = scene.by_director(SECONDS);
    let all = [&router, &nat, &direct];
    let [by_router, by_nat, by_direct] = all.map(|outcome| outcome.figure.as_ref().map_or(0.0, |figure| figure.0));
    let losses = all.map(losses).join(", ");
    println!(
        "{app:<12} {by_router:>12.0} {by_nat:>12.0} {:>5.2}x {by_direct:>12.0} {:>5.2}x  {losses}  {}",
        by_nat / by_router,
        by_direct / by_router,
        router.figure.as_ref().map_or("", |figure| &figure.1)
    );
    assert!(by_router > 0.0 && by_nat > 0.0 && by_direct > 0.0, "nothing came through: {all:?}");
    assert!(nat.content == router.content && direct.content == router.content, "contents differ: {all:?}");
    for outcome in [&nat, &direct] {
        let Some((lost, _)) = outcome.lost else { continue };
        if app.starts_with("iperf") {
            // The director dropped and missed nothing, or the scene had failed.
            assert!(lost <= outcome.counted, "nobody counted what was lost: {all:?}");
        } else {
            assert!(share_lost(outcome) <= share_lost(&router) + BEYOND, "more is lost than by a router: {all:?}");
        }
    }
}

/// What did not come, of one.
fn share_lost(outcome: &Outcome) -> f64 {
    outcome.lost.map_or(0.0, |(lost, of)| lost as f64 / of.max(1) as f64)
}

/// What did not come, where that is borne, and what was sent again.
fn losses(outcome: &Outcome) -> String {
    match outcome.lost {
        Some((lost, of)) => format!("{lost} of {of}"),
        None => format!("{} again", outcome.again),
    }
}

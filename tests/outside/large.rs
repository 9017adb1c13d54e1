//! A hundred thousand services with two servers each are read again under load, and the network is served meanwhile:
//! neighbours, packets, and the service manager's watchdog.

use std::fmt::Write;
use std::net::Ipv4Addr;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::config::{self, VIP, WEB};
use crate::lab::{Lab, Load, utf8};
use crate::process::{Process, Ran, until};
use crate::ready;

const SERVICES: u32 = 100_000;

/// The web service, and so many others whose servers have a weight.
fn services(weight: u32) -> String {
    let mut text = config::service("tcp", 80, "rr", &WEB);
    for service in 0..SERVICES {
        let vip = Ipv4Addr::from_bits(0x1400_0000 + service);
        _ = write!(text, "\n[[service]]\nprotocol = \"tcp\"\naddress = \"{vip}:80\"\nscheduler = \"wrr\"\n");
        for server in 0..2 {
            let server = Ipv4Addr::from_bits(0x1e00_0000 + 2 * service + server);
            _ = write!(text, "[[service.server]]\naddress = \"{server}:8080\"\nweight = {weight}\n");
        }
    }
    text
}

/// The longest times without an answer, in milliseconds.
#[derive(Debug)]
struct Silence {
    arp: f64,
    echo: f64,
}

/// Listens while something is done.
fn listen(lab: &Lab, log: &str, work: impl FnOnce()) -> Silence {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/outside/silence.py");
    let mut asks = lab.start("client", log, &["python3", script, "10.0.0.1", "10.1.0.11"]);
    until(Duration::from_secs(10), || asks.said().contains("begins").then_some(())).expect("it asks");
    work();
    asks.signal("INT");
    let said = asks.wait_good(Duration::from_secs(10));
    let words: Vec<&str> = said.split_whitespace().skip_while(|word| *word != "arp").collect();
    let [_, arp, arps, _, echo, echoes] = words[..] else { panic!("{said}") };
    let number = |text: &str| text.parse::<f64>().expect("a number");
    assert!(number(arps) > 50.0 && number(echoes) > 50.0, "hardly anything was answered: {said}");
    Silence { arp: number(arp), echo: number(echo) }
}

/// How often the service manager hears of the watchdog; the longest time without, in milliseconds.
fn watch(manager: UnixDatagram, over: Arc<AtomicBool>) -> thread::JoinHandle<f64> {
    thread::spawn(move || {
        manager.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
        let (mut last, mut longest, mut text) = (Instant::now(), Duration::ZERO, [0; 256]);
        while !over.load(Relaxed) {
            if manager.recv(&mut text).is_ok_and(|length| &text[..length] == b"WATCHDOG=1\n") {
                longest = longest.max(last.elapsed());
                last = Instant::now();
            }
        }
        longest.max(last.elapsed()).as_secs_f64() * 1000.0
    })
}

fn start(lab: &Lab, notify: &std::path::Path) -> Process {
    let (socket, file) = (format!("NOTIFY_SOCKET={}", utf8(notify)), lab.path("sluice.toml"));
    let command = ["env", &socket, "WATCHDOG_USEC=1000000", ready::sluiced(), "--config", utf8(&file)];
    let mut director = lab.start("director", "sluiced", &command);
    let up = || match director.ended() {
        Some(status) => panic!("sluiced ended, {status}: {}", director.said()),
        None => director.said().contains("is up").then_some(()),
    };
    until(Duration::from_secs(120), up).expect("sluiced is up");
    director
}

#[test]
fn a_large_reload_makes_nobody_on_the_network_wait() {
    let Some(mut lab) = Lab::new(Load::Heavy) else { return };
    (1..=3).for_each(|number| lab.start_web(number));
    lab.configure(&services(1));
    let notify = lab.path("notify");
    let manager = UnixDatagram::bind(&notify).expect("a socket");
    let director = start(&lab, &notify);
    lab.fetch(4, 1);
    let url = format!("http://{VIP}/");
    let _load = lab.start("client", "load", &["wrk", "-t", "1", "-c", "5", "-d", "300s", &url]);

    let usual = listen(&lab, "usual", || thread::sleep(Duration::from_secs(3)));
    lab.configure(&services(2));
    let over = Arc::new(AtomicBool::new(false));
    let fed = watch(manager, Arc::clone(&over));
    let mut took = Duration::ZERO;
    let reloading = listen(&lab, "reloading", || {
        let begun = Instant::now();
        let mut tool = Command::new("timeout");
        tool.args(["120", utf8(ready::sluice()), "--socket", utf8(&lab.socket()), "reload"]);
        let changes = Ran::of(&mut tool).good().out;
        took = begun.elapsed();
        let told = changes.lines().last().unwrap_or_default();
        assert_eq!(told, format!("and {} more changes", 2 * SERVICES - 5000));
    });
    over.store(true, Relaxed);
    let unfed = fed.join().expect("it listens");
    let took = took.as_secs_f64() * 1000.0;
    let figures = format!(
        "{SERVICES} services reloaded in {took:.0} ms; longest without an ARP answer {:.0} ms (else {:.0}), without a \
         packet forwarded {:.0} ms (else {:.0}), without a watchdog's feed {unfed:.0} ms (due every 500)",
        reloading.arp, usual.arp, reloading.echo, usual.echo
    );
    println!("{figures}");
    // All on one clock: a control thread that does nothing else is silent for as long as it converges.
    let most = |usual: f64| (took / 20.0).max(3.0 * usual + 100.0);
    assert!(reloading.arp < most(usual.arp), "{figures}");
    assert!(reloading.echo < most(usual.echo), "{figures}");
    assert!(unfed < 500.0 + most(usual.arp), "{figures}");
    drop(director);
}

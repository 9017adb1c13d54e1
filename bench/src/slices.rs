//! How long control works at a time: between two chances to serve the network, in each long request beside 100,000
//! services. The thread's own time, so a busy machine adds nothing.

use control::api::{Edit, Query, Request};
use control::director::{Director, Host, Prepared};
use dataplane::clock::Nanos;

use crate::nanos_so_far;
use crate::scale::{Live, SERVICES, configured, reweighed};

/// Looks at the clock whenever it is asked for a pause, and has the worker turn where control waits.
struct Timing<'a> {
    wait: &'a mut dyn FnMut() -> bool,
    last: f64,
    longest: f64,
}

impl Timing<'_> {
    fn look(&mut self) {
        let now = nanos_so_far();
        self.longest = self.longest.max(now - self.last);
        self.last = now;
    }
}

impl Host for Timing<'_> {
    fn wait(&mut self) -> bool {
        self.look();
        let waits = (self.wait)();
        self.last = nanos_so_far();
        waits
    }

    fn pause(&mut self) -> Option<Nanos> {
        self.look();
        None
    }
}

/// Prints the longest slice of a request.
fn slice(live: &mut Live, name: &str, request: impl FnOnce(&mut Director, Nanos, &mut dyn Host)) {
    live.beside(|director, now, wait| {
        let mut host = Timing { wait, last: nanos_so_far(), longest: 0.0 };
        request(director, now, &mut host);
        host.look();
        println!("slice_{name} {:.2} ms", host.longest / 1e6);
    });
}

/// Every figure, one a line.
pub(crate) fn run() {
    let mut live = Live::filled(SERVICES);
    live.free_elsewhere();
    let read = |text: &str| control::config::parse(text, "bench.toml").expect("a right configuration");
    let reload = |text: &str| {
        let prepared = Prepared::of(read(text)).expect("a possible configuration");
        move |director: &mut Director, _: Nanos, host: &mut dyn Host| {
            _ = director.reload(prepared, false, host).expect("it is possible");
        }
    };
    let ask = |request: Request| {
        move |director: &mut Director, now: Nanos, host: &mut dyn Host| {
            _ = director.handle(request, now, host).expect("it is possible");
        }
    };
    let file = configured(SERVICES);
    slice(&mut live, "reload_all_changed", reload(&reweighed(&file)));
    slice(&mut live, "reload_nothing_changed", reload(&reweighed(&file)));
    slice(&mut live, "reload_half_gone", reload(&configured(SERVICES / 2)));
    slice(&mut live, "reload_half_new", reload(&file));
    slice(&mut live, "zero", ask(Edit::Zero { key: None }.into()));
    slice(&mut live, "services_page", ask(Query::Services { key: None, cursor: None, limit: None }.into()));
    slice(&mut live, "config_page", ask(Query::ConfigShow { cursor: None }.into()));
    let name = "ip_vs_stats_percpu".to_owned();
    slice(&mut live, "stats_percpu", ask(Query::Proc { name, cursor: None }.into()));
    slice(&mut live, "flush", ask(Edit::Flush.into()));
}

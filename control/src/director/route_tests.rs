//! Routes at run time: added, refused, listed, kept and pruned. What is asked for is turned by hand: no worker runs.

use dataplane::clock::Nanos;

use crate::api::{ApiError, Code, Edit, RouteKind, RouteSpec};
use crate::config::{self, Config};
use crate::director::{Director, Facts};

const NOW: Nanos = Nanos(1_000_000_000);
const FILE: &str = r#"
schema = 1
[[interface]]
name = "wan"
device = "vdev:net_null0"
addresses = ["10.0.0.1/24"]
[[interface]]
name = "lan"
device = "vdev:net_null1"
addresses = ["10.1.0.1/24"]
[[interface]]
name = "six"
device = "vdev:net_null2"
addresses = ["fd00::fe/64"]
[[route]]
to = "0.0.0.0/0"
via = "10.0.0.254"
"#;

fn file() -> Config {
    config::parse(FILE, "test.toml").unwrap_or_else(|errors| panic!("{errors}"))
}

fn director() -> Director {
    Director::new(file(), Facts::in_memory(&file()), NOW).unwrap().0
}

fn change(director: &mut Director, edit: Edit) -> Result<(), ApiError> {
    director.apply(edit, true, &mut || false)
}

fn spec(to: &str) -> RouteSpec {
    RouteSpec { to: to.to_owned(), ..RouteSpec::default() }
}

fn add(director: &mut Director, route: RouteSpec) -> Result<(), ApiError> {
    change(director, Edit::AddRoute { route })
}

/// Prefix, where it leads, and whether it was made at run time; connected ones left out.
fn listed(director: &Director) -> Vec<(String, String, bool)> {
    let routes = director.net.list_routes();
    let chosen = routes.into_iter().filter(|route| route.kind != RouteKind::Connected);
    chosen.map(|r| (r.to, r.via.map_or(r.kind.name().to_owned(), |via| via.to_string()), r.runtime)).collect()
}

fn row(to: &str, via: &str, runtime: bool) -> (String, String, bool) {
    (to.to_owned(), via.to_owned(), runtime)
}

#[test]
fn a_route_comes_and_goes() {
    let mut director = director();
    let by_router = RouteSpec { via: Some("10.1.0.254".parse().unwrap()), ..spec("10.2.0.0/16") };
    add(&mut director, by_router.clone()).unwrap();
    add(&mut director, RouteSpec { unreachable: true, ..spec("192.0.2.0/24") }).unwrap();
    let all = [row("192.0.2.0/24", "unreachable", true), row("10.2.0.0/16", "10.1.0.254", true)];
    assert_eq!(listed(&director)[..2], all);
    assert_eq!(add(&mut director, by_router).unwrap_err().code, Code::Exists);
    let shown = director.running_settings();
    assert_eq!(shown.routes.len(), 3);
    assert_eq!(config::parse(&config::render(&shown), "shown").unwrap().routes, shown.routes);
    change(&mut director, Edit::DeleteRoute { to: "192.0.2.0/24".into() }).unwrap();
    assert_eq!(listed(&director).len(), 2);
    let gone = change(&mut director, Edit::DeleteRoute { to: "192.0.2.0/24".into() }).unwrap_err();
    assert_eq!((gone.code, gone.place.as_str()), (Code::NoEntry, "192.0.2.0/24"));
    assert_eq!(change(&mut director, Edit::DeleteRoute { to: "10.1.0.0/24".into() }).unwrap_err().code, Code::NoEntry);
}

#[test]
fn a_default_route_is_of_the_gateways_family() {
    let mut director = director();
    let default = |gateway: &str, interface: Option<&str>| RouteSpec {
        via: Some(gateway.parse().unwrap()),
        interface: interface.map(str::to_owned),
        ..spec("default")
    };
    let delete = |director: &mut Director| change(director, Edit::DeleteRoute { to: "default".into() });
    assert_eq!(add(&mut director, default("10.0.0.253", None)).unwrap_err().code, Code::Exists);
    delete(&mut director).unwrap();
    assert_eq!(delete(&mut director).unwrap_err().code, Code::NoEntry);
    add(&mut director, default("10.0.0.253", None)).unwrap();
    add(&mut director, default("fd00::1", Some("six"))).unwrap();
    assert_eq!(listed(&director), [row("0.0.0.0/0", "10.0.0.253", true), row("::/0", "fd00::1", true)]);
    let two = delete(&mut director).unwrap_err();
    assert_eq!((two.code, &*two.text), (Code::Invalid, "there are two; write 0.0.0.0/0 or ::/0"));
    let blackhole = RouteSpec { blackhole: true, ..spec("default") };
    change(&mut director, Edit::DeleteRoute { to: "0.0.0.0/0".into() }).unwrap();
    add(&mut director, blackhole).unwrap();
    assert_eq!(listed(&director)[1], row("0.0.0.0/0", "blackhole", true));
}

#[test]
fn what_the_file_would_refuse_is_refused() {
    let mut director = director();
    let via = |to: &str, gateway: &str| RouteSpec { via: Some(gateway.parse().unwrap()), ..spec(to) };
    for (route, text) in [
        (spec("10.2.0.0/16"), "via"),
        (via("10.2.0.0/16", "10.9.0.1"), "on no connected prefix"),
        (via("10.2.0.0/16", "10.1.0.1"), "an address of this director"),
        (via("10.2.0.1/16", "10.1.0.254"), "bits beyond its prefix"),
        (RouteSpec { interface: Some("dmz".into()), ..spec("10.2.0.0/16") }, "dmz"),
        (RouteSpec { interface: Some("w\"\n[[service]]".into()), ..spec("10.2.0.0/16") }, "control characters"),
        (spec("somewhere"), "a prefix"),
    ] {
        let error = add(&mut director, route.clone()).unwrap_err();
        assert_eq!(error.code, Code::Invalid);
        assert!(error.text.contains(text), "{text:?} in {:?} of {route:?}", error.text);
    }
    assert_eq!(listed(&director).len(), 1);
}

#[test]
fn a_reload_keeps_what_was_added_and_brings_back_what_was_removed() {
    let mut director = director();
    add(&mut director, RouteSpec { blackhole: true, ..spec("192.0.2.0/24") }).unwrap();
    change(&mut director, Edit::DeleteRoute { to: "0.0.0.0/0".into() }).unwrap();
    director.converge(file(), false, &mut || true).unwrap();
    let (own, files) = (row("192.0.2.0/24", "blackhole", true), row("0.0.0.0/0", "10.0.0.254", false));
    assert_eq!(listed(&director), [own, files.clone()]);
    director.converge(file(), true, &mut || true).unwrap();
    assert_eq!(listed(&director), [files]);
}

//! Virtual addresses through the life of their services: a director over ports in memory, turned by hand.

use std::net::IpAddr;

use super::*;
use crate::api::{Edit, ServiceSpec, VipInfo, VipOrigin};
use crate::config::{self, Config};
use crate::director::lab;

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
"#;
const SERVICE: &str = "[[service]]\nprotocol = \"tcp\"\naddress = \"10.0.0.100:80\"\n";
const VIP: &str = "[[vip]]\naddress = \"10.0.0.102\"\ninterfaces = [\"lan\"]\n";

fn file(text: &str) -> Config {
    config::parse(&format!("{FILE}{text}"), "t.toml").unwrap_or_else(|errors| panic!("{errors}"))
}

fn director(text: &str) -> Director {
    lab::fresh(&format!("{FILE}{text}"))
}

fn spec(address: &str) -> ServiceSpec {
    file(&SERVICE.replace("10.0.0.100", address)).services.remove(0).spec
}

fn change(director: &mut Director, edit: Edit) -> Result<(), ApiError> {
    let done = director.apply(edit, true, &mut || false);
    director.publish();
    done
}

fn add(director: &mut Director, address: &str) {
    change(director, Edit::AddService { service: spec(address).into() }).expect("a new service");
}

fn remove(director: &mut Director, address: &str) {
    change(director, Edit::DeleteService { key: spec(address).key }).expect("a service");
}

fn take_away(director: &mut Director, address: &str) -> Result<(), (Code, String)> {
    let edit = Edit::DeleteVip { address: address.parse().unwrap() };
    change(director, edit).map_err(|error| (error.code, error.text))
}

fn reload(director: &mut Director, text: &str, prune: bool) {
    director.converge(file(text), prune, &mut || true).expect("a possible file");
    director.publish();
}

/// Address, interfaces, origin, services.
fn listed(director: &Director) -> Vec<(String, String, VipOrigin, u32)> {
    let Answer::Vips { vips, next: None } = director.list_vips(None) else { panic!("one page of addresses") };
    let row = |vip: VipInfo| (vip.address.to_string(), vip.interfaces.join(","), vip.origin, vip.services);
    vips.into_iter().map(row).collect()
}

fn row(address: &str, origin: VipOrigin, services: u32) -> (String, String, VipOrigin, u32) {
    (address.to_owned(), "wan".to_owned(), origin, services)
}

/// Whether workers take an address for the director's own.
fn is_local(director: &Director, address: &str) -> bool {
    director.tables.locals.has(address.parse::<IpAddr>().unwrap())
}

#[test]
fn an_address_outlives_its_last_service_until_it_is_taken_away_by_name() {
    let mut director = director("");
    add(&mut director, "10.0.0.100");
    assert_eq!(listed(&director), [row("10.0.0.100", VipOrigin::Runtime, 1)]);
    let refused = take_away(&mut director, "10.0.0.100").expect_err("a service has it");
    assert_eq!(refused, (Code::Invalid, "1 service on it; remove that first".to_owned()));
    remove(&mut director, "10.0.0.100");
    assert_eq!(listed(&director), [row("10.0.0.100", VipOrigin::Runtime, 0)]);
    assert!(is_local(&director, "10.0.0.100"), "what comes to it is answered, not routed");
    reload(&mut director, "", false);
    assert!(is_local(&director, "10.0.0.100"), "a reload keeps what was made at run time");
    assert_eq!(take_away(&mut director, "10.0.0.100"), Ok(()));
    assert_eq!((listed(&director), is_local(&director, "10.0.0.100")), (vec![], false));
    assert_eq!(take_away(&mut director, "10.0.0.100").expect_err("gone").0, Code::NoEntry);
    assert_eq!(take_away(&mut director, "10.0.0.1").expect_err("an interface's").0, Code::NoEntry);
}

#[test]
fn an_address_of_the_file_goes_when_the_file_no_longer_knows_it() {
    let mut director = director(SERVICE);
    remove(&mut director, "10.0.0.100");
    assert_eq!(listed(&director), [row("10.0.0.100", VipOrigin::Service, 0)], "the file still has it");
    reload(&mut director, SERVICE, false);
    assert_eq!(listed(&director), [row("10.0.0.100", VipOrigin::Service, 1)]);
    reload(&mut director, "", false);
    assert_eq!((listed(&director), is_local(&director, "10.0.0.100")), (vec![], false));
    add(&mut director, "10.0.0.100");
    reload(&mut director, SERVICE, false);
    reload(&mut director, "", false);
    assert_eq!(listed(&director), [], "the file had made it its own");
}

#[test]
fn pruning_takes_what_came_at_run_time_and_the_file_brings_back_its_own() {
    let mut director = director(VIP);
    let configured = ("10.0.0.102".to_owned(), "lan".to_owned(), VipOrigin::File, 0);
    add(&mut director, "10.0.0.100");
    remove(&mut director, "10.0.0.100");
    assert_eq!(listed(&director), [row("10.0.0.100", VipOrigin::Runtime, 0), configured.clone()]);
    assert_eq!(take_away(&mut director, "10.0.0.102"), Ok(()));
    reload(&mut director, VIP, true);
    assert_eq!(listed(&director), [configured]);
    reload(&mut director, "", false);
    assert_eq!(listed(&director), []);
}

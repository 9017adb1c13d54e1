//! What a table takes is what was computed before.

use std::fmt::Write;

use control::config;
use control::ipvs::{Memory, needed};

use crate::allocations;
use crate::lab::{self, Lab};

/// The configuration of so many services with so many servers each, some of them also those of other services.
fn configured(services: u32, servers: u32, scheduler: &str) -> config::Config {
    let mut text = lab::NETWORK.to_owned();
    for service in 0..services {
        let address = lab::vip(service);
        _ = writeln!(text, "[[service]]\nprotocol = \"tcp\"\naddress = \"{address}:80\"\nscheduler = \"{scheduler}\"");
        for server in 0..servers {
            _ = writeln!(
                text,
                "[[service.server]]\naddress = \"{}\"\nforward = \"nat\"",
                lab::address(service / 2 * servers + server)
            );
        }
    }
    config::parse(&text, "scale.toml").expect("a right configuration")
}

/// Within five per cent, at sizes where hash tables are half full and where they are nearly full. The allocator that
/// counts sees no headers of blocks, and the announcements of the addresses are still to come.
#[test]
fn a_table_takes_what_was_computed() {
    let (_, empty) = allocations::of(Lab::new);
    let empty = empty.bytes - empty.freed;
    let tables = [
        (3000, 10, "wrr"),
        (10_000, 10, "rr"),
        (30_000, 1, "wlc"),
        (40_000, 0, "rr"),
        (10, 3000, "wrr"),
        (1000, 10, "mh"),
        (1000, 2, "lblcr"),
    ];
    for (services, servers, scheduler) in tables {
        let (_, filled) = allocations::of(|| Lab::of(configured(services, servers, scheduler)));
        let there = (filled.bytes - filled.freed - empty) as f64;
        let Memory { services: of_services, servers: of_servers } = needed(&configured(services, servers, scheduler));
        let computed = (of_services + of_servers) as f64;
        println!("{services} services of {servers} servers, {scheduler}: {computed} bytes computed, {there} there");
        assert!((0.95..1.05).contains(&(computed / there)), "{services} services of {servers} servers, {scheduler}");
    }
}

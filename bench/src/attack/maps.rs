//! Clients come back to a persistent service, whose addresses meet in one place of a map that is hashed by the seeds which
//! anybody can read in the source. As usual they are any.

use std::hash::BuildHasher;
use std::net::Ipv4Addr;

use dataplane::clock::Tick;
use dataplane::map::{Fixed, Seed};
use dataplane::template::{Choice, Enlisted, TemplateKey, Templates};

use super::measured;

const CLIENTS: usize = 2_000;
/// Places of a map for so many: the lowest bits of the hash say which.
const PLACES: u64 = 4_096;

fn key(client: u32) -> TemplateKey {
    let client = Ipv4Addr::from_bits(client).into();
    TemplateKey { protocol: 6, client, vip: [10, 0, 0, 100].into(), port: 80, data: None }
}

fn come(templates: &Templates, client: u32) {
    let choose = || Some(Choice { server: 1, destination: ([10, 1, 0, 11].into(), 80), timeout: 30_000, owner: 80 });
    let enlisted = templates.enlist(key(client), Tick(1), |_| true, choose, |_| {});
    assert!(matches!(enlisted, Enlisted::At(_)));
}

pub(super) fn run(attacked: bool) -> u64 {
    let fixed = Fixed::default();
    let meets = |client: &u32| !attacked || fixed.hash_one(key(*client)) % PLACES == 0;
    let clients: Vec<u32> = (0x0b00_0000..).filter(meets).take(CLIENTS).collect();
    let templates = Templates::new(Seed([11, 12, 13, 14]));
    clients.iter().for_each(|client| come(&templates, *client));
    measured(&mut || clients.iter().for_each(|client| come(&templates, *client)));
    CLIENTS as u64
}

//! Templates by hand: who goes where, and for how long.

use super::*;

const SECOND: u32 = TICKS_PER_SECOND;

fn key(client: u8) -> TemplateKey {
    TemplateKey { protocol: 6, client: [172, 16, 0, client].into(), vip: [10, 0, 0, 100].into(), port: 80, data: None }
}

fn choice(server: u32) -> Option<Choice> {
    Some(Choice { server, destination: ([10, 1, 0, 11].into(), 80), timeout: 30 * SECOND, owner: 80 })
}

fn made(templates: &Templates, client: u8, server: u32, now: u32) -> u32 {
    match templates.enlist(key(client), Tick(now), |_| true, || choice(server)) {
        Enlisted::At(handle) => handle,
        other => panic!("{other:?}"),
    }
}

fn expired(templates: &Templates, now: u32) -> Vec<u32> {
    let mut servers = Vec::new();
    templates.expire(Tick(now), 100, |template| servers.push(template.server));
    servers
}

#[test]
fn a_client_goes_where_it_went_until_time_is_over() {
    let templates = Templates::new(Seed([1, 2, 3, 4]));
    let first = made(&templates, 1, 7, 0);
    let again = templates.enlist(key(1), Tick(10 * SECOND), |_| true, || panic!("there is one"));
    assert_eq!(again, Enlisted::At(first));
    templates.release(first, false);
    templates.release(first, false);
    assert_eq!(expired(&templates, 40 * SECOND - 1 + LATE), []);
    assert_eq!(expired(&templates, 40 * SECOND + LATE), [7]);
    made(&templates, 1, 8, 41 * SECOND);
}

#[test]
fn one_that_controls_connections_lives_a_minute_longer_and_again() {
    let templates = Templates::new(Seed([1, 2, 3, 4]));
    let handle = made(&templates, 1, 7, 0);
    assert_eq!(expired(&templates, 30 * SECOND + LATE), []);
    templates.release(handle, false);
    assert_eq!(expired(&templates, 90 * SECOND + LATE), []);
    assert_eq!(expired(&templates, 90 * SECOND + 2 * LATE), [7]);
}

#[test]
fn one_that_is_not_usable_is_not_found_again_but_listed_until_it_is_due() {
    let templates = Templates::new(Seed([1, 2, 3, 4]));
    let old = made(&templates, 1, 7, 0);
    templates.release(old, false);
    let new = templates.enlist(key(1), Tick(SECOND), |_| false, || choice(8));
    assert!(matches!(new, Enlisted::At(handle) if handle != old));
    let listed: Vec<Template> = (0..Templates::shards()).flat_map(|shard| templates.page(shard, 0, 9).0).collect();
    let mut seen: Vec<_> = listed.iter().map(|template| (template.server, template.invalid)).collect();
    seen.sort_unstable();
    assert_eq!(seen, [(7, true), (8, false)]);
    assert_eq!(expired(&templates, 30 * SECOND + LATE), [7]);
    assert_eq!(templates.enlist(key(1), Tick(30 * SECOND), |found| found.server == 8, || None), new);
}

#[test]
fn a_dropped_connection_takes_its_template_along_unless_it_is_assured() {
    let templates = Templates::new(Seed([1, 2, 3, 4]));
    let (a, b) = (made(&templates, 1, 7, 5), made(&templates, 2, 8, 5));
    templates.assure(b);
    templates.release(a, true);
    templates.release(b, true);
    assert_eq!(expired(&templates, 5 + LATE), [7]);
}

#[test]
fn ticks_that_wrap_still_come_in_order() {
    let templates = Templates::new(Seed([1, 2, 3, 4]));
    let handle = made(&templates, 1, 7, u32::MAX - 5 * SECOND);
    templates.release(handle, false);
    assert_eq!(expired(&templates, u32::MAX), []);
    assert_eq!(expired(&templates, 24 * SECOND), []);
    assert_eq!(expired(&templates, 26 * SECOND), [7]);
}

//! Templates by hand: who goes where, for how long, and who gives way.

use proptest::prelude::*;

use super::*;

const SECOND: u32 = TICKS_PER_SECOND;
const SEED: Seed = Seed([1, 2, 3, 4]);

fn templates() -> Templates {
    Templates::new(SEED)
}

fn key(client: u8) -> TemplateKey {
    TemplateKey { protocol: 6, client: [172, 16, 0, client].into(), vip: [10, 0, 0, 100].into(), port: 80, data: None }
}

fn choice(server: u32) -> Option<Choice> {
    Some(Choice { server, destination: ([10, 1, 0, 11].into(), 80), timeout: 30 * SECOND, owner: 80 })
}

fn made(templates: &Templates, client: u8, server: u32, now: u32) -> u32 {
    match templates.enlist(key(client), Tick(now), |_| true, || choice(server), |gone| panic!("{gone:?}")) {
        Enlisted::At(handle) => handle,
        other => panic!("{other:?}"),
    }
}

/// The server of the template that went with a connection.
fn released(templates: &Templates, handle: u32, ended: Ended) -> Option<u32> {
    let mut server = None;
    templates.release(handle, ended, |template| server = Some(template.server));
    server
}

fn expired(templates: &Templates, now: u32) -> Vec<u32> {
    let mut servers = Vec::new();
    templates.expire(Tick(now), 100, |template| servers.push(template.server));
    servers
}

/// Everything listed, by server.
fn listed(templates: &Templates) -> Vec<Template> {
    let mut all: Vec<_> = (0..Templates::shards()).flat_map(|shard| templates.page(shard, 0, 99).0).collect();
    all.sort_unstable_by_key(|template| template.server);
    all
}

#[test]
fn a_client_goes_where_it_went_until_time_is_over() {
    let templates = Templates::new(Seed([1, 2, 3, 4]));
    let first = made(&templates, 1, 7, 0);
    let again = templates.enlist(key(1), Tick(10 * SECOND), |_| true, || panic!("there is one"), |_| {});
    assert_eq!(again, Enlisted::At(first));
    released(&templates, first, Ended::Over);
    released(&templates, first, Ended::Over);
    assert_eq!(expired(&templates, 40 * SECOND - 1 + LATE), []);
    assert_eq!(expired(&templates, 40 * SECOND + LATE), [7]);
    made(&templates, 1, 8, 41 * SECOND);
}

#[test]
fn one_that_controls_connections_lives_a_minute_longer_and_again() {
    let templates = Templates::new(Seed([1, 2, 3, 4]));
    let handle = made(&templates, 1, 7, 0);
    assert_eq!(expired(&templates, 30 * SECOND + LATE), []);
    released(&templates, handle, Ended::Over);
    assert_eq!(expired(&templates, 90 * SECOND + LATE), []);
    assert_eq!(expired(&templates, 90 * SECOND + 2 * LATE), [7]);
}

#[test]
fn one_that_is_not_usable_is_not_found_again_but_listed_until_it_is_due() {
    let templates = Templates::new(Seed([1, 2, 3, 4]));
    let old = made(&templates, 1, 7, 0);
    released(&templates, old, Ended::Over);
    let new = templates.enlist(key(1), Tick(SECOND), |_| false, || choice(8), |_| {});
    assert!(matches!(new, Enlisted::At(handle) if handle != old));
    let seen: Vec<_> = listed(&templates).iter().map(|template| (template.server, template.invalid)).collect();
    assert_eq!(seen, [(7, true), (8, false)]);
    assert_eq!(expired(&templates, 30 * SECOND + LATE), [7]);
    assert_eq!(templates.enlist(key(1), Tick(30 * SECOND), |found| found.server == 8, || None, |_| {}), new);
}

#[test]
fn a_dropped_connection_takes_its_template_along_unless_it_is_assured() {
    let templates = Templates::new(Seed([1, 2, 3, 4]));
    let (a, b) = (made(&templates, 1, 7, 5), made(&templates, 2, 8, 5));
    templates.assure(b);
    assert_eq!([a, b].map(|handle| released(&templates, handle, Ended::Dropped)), [Some(7), None]);
    assert_eq!(listed(&templates).len(), 1);
}

#[test]
fn a_refused_connection_takes_along_what_was_made_for_it_alone() {
    let templates = templates();
    let alone = made(&templates, 1, 7, 0);
    assert_eq!(released(&templates, alone, Ended::Refused), Some(7));
    let shared = made(&templates, 2, 8, 0);
    released(&templates, shared, Ended::Over);
    assert_eq!(made(&templates, 2, 9, 0), shared);
    assert_eq!(released(&templates, shared, Ended::Refused), None, "it had another connection before");
}

#[test]
fn orphans_end_at_once_or_with_their_last_connection() {
    let templates = templates();
    let [idle, busy, other] = [(1, 7), (2, 7), (3, 8)].map(|(client, server)| made(&templates, client, server, 0));
    [idle, busy, other].into_iter().for_each(|handle| templates.assure(handle));
    released(&templates, idle, Ended::Over);
    let mut gone = 0;
    for shard in 0..Templates::shards() {
        let orphan = |template: &Template| template.server == 7;
        assert_eq!(templates.end_orphans((shard, 0), 99, orphan, |_| gone += 1).1, None);
    }
    assert_eq!((gone, listed(&templates).len()), (1, 2));
    assert_eq!(released(&templates, busy, Ended::Dropped), Some(7));
    assert_eq!(released(&templates, other, Ended::Dropped), None);
}

/// One place a shard, so that clients of the same shard displace each other: the keys of the first such shard.
fn rivals(n: usize) -> Vec<TemplateKey> {
    let hasher = SEED.hasher();
    let all =
        (0..4000_u32).map(|client| TemplateKey { client: std::net::Ipv4Addr::from_bits(client).into(), ..key(0) });
    all.filter(|key| hasher.shard(key, SHARDS) == 5).take(n).collect()
}

/// Puts a template for a key; tells the handle, and the client that gave way.
fn put(templates: &Templates, key: &TemplateKey, now: u32) -> (u32, Option<IpAddr>) {
    let mut gone = None;
    match templates.enlist(key.clone(), Tick(now), |_| true, || choice(1), |template| gone = Some(template.key.client))
    {
        Enlisted::At(handle) => (handle, gone),
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_is_worth_least_gives_way_and_of_these_the_oldest() {
    let templates = Templates::with_room(SEED, 6 * SHARDS);
    let keys = rivals(12);
    let handles: Vec<u32> = keys[..6].iter().map(|key| put(&templates, key, 0).0).collect();
    // 0 used, 1 known, 2 and 3 one-way, 4 never heard again and idle, 5 no longer found.
    [0, 1].into_iter().for_each(|at| templates.assure(handles[at]));
    [1, 4].into_iter().for_each(|at| _ = released(&templates, handles[at], Ended::Over));
    templates.enlist(keys[5].clone(), Tick(0), |_| false, || None, |_| {});
    let mut evicted = Vec::new();
    for key in &keys[6..12] {
        let (handle, gone) = put(&templates, key, 1);
        templates.hear_again(handle);
        evicted.extend(gone);
    }
    let clients = [4, 5, 2, 3, 1, 0].map(|at: usize| keys[at].client);
    assert_eq!(evicted, clients);
}

#[test]
fn a_handle_of_one_that_gave_way_names_no_later_one() {
    let templates = Templates::with_room(SEED, SHARDS);
    let keys = rivals(2);
    let mut old = vec![put(&templates, &keys[0], 0).0];
    for round in 1..1 << GENERATION_BITS {
        let (handle, gone) = put(&templates, &keys[round % 2], 0);
        assert_eq!(gone, Some(keys[(round + 1) % 2].client));
        assert!(!old.contains(&handle));
        old.push(handle);
    }
    let last = old.pop().expect("the last");
    // No generation is left: whoever comes next is refused, not mistaken for another.
    let refused = templates.enlist(keys[0].clone(), Tick(0), |_| true, || choice(1), |_| {});
    assert!(matches!(refused, Enlisted::Full));
    for handle in old {
        templates.assure(handle);
        assert_eq!(released(&templates, handle, Ended::Dropped), None);
    }
    let [only] = &listed(&templates)[..] else { panic!("one") };
    assert_eq!((only.assured, only.controls), (false, 1));
    assert_eq!(released(&templates, last, Ended::Dropped), Some(1));
    assert_eq!(put(&templates, &keys[0], 0), (handle(5, 0, 0), None));
}

#[test]
fn ticks_that_wrap_still_come_in_order() {
    let templates = Templates::new(Seed([1, 2, 3, 4]));
    let handle = made(&templates, 1, 7, u32::MAX - 5 * SECOND);
    released(&templates, handle, Ended::Over);
    assert_eq!(expired(&templates, u32::MAX), []);
    assert_eq!(expired(&templates, 24 * SECOND), []);
    assert_eq!(expired(&templates, 26 * SECOND), [7]);
}

proptest! {
    /// Whatever happens: no more than may be, each found by its key, and in the end nothing is left.
    #[test]
    fn the_store_stays_whole(steps in prop::collection::vec((0_u8..6, 0_usize..24, 0_u32..40), 1..200)) {
        let templates = Templates::with_room(SEED, 4 * SHARDS);
        let keys = rivals(24);
        let (mut held, mut now, mut live) = (Vec::new(), 0, 0_usize);
        for (what, which, wait) in steps {
            now += wait * SECOND / 4;
            match what {
                0..=2 => {
                    let fits = what > 0;
                    let (mut gone, mut new) = (0, 0);
                    let make = || { new += 1; choice(which as u32) };
                    let asked = templates.enlist(keys[which].clone(), Tick(now), |_| fits, make, |_| gone += 1);
                    if let Enlisted::At(handle) = asked { held.push(handle) }
                    live = live + new - gone;
                }
                3 if !held.is_empty() => {
                    let ended = [Ended::Over, Ended::Dropped, Ended::Refused][which % 3];
                    let handle = held.swap_remove(which % held.len());
                    templates.release(handle, ended, |_| live -= 1);
                }
                4 => held.iter().skip(which).step_by(3).for_each(|handle| templates.assure(*handle)),
                _ => templates.expire(Tick(now), 3, |_| live -= 1),
            }
            prop_assert!(live <= 4);
            prop_assert_eq!(listed(&templates).len(), live);
        }
        held.into_iter().for_each(|handle| templates.release(handle, Ended::Over, |_| live -= 1));
        templates.expire(Tick(now + 200 * SECOND), 100, |_| live -= 1);
        prop_assert_eq!(live, 0);
    }
}

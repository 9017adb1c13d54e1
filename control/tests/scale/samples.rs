//! The estimator over a large table: every meter every two seconds, a bounded number of them at a turn.

use control::api::{Answer, Batch, Client, Edit, PageError, Query, Rates, every_service};
use dataplane::flow::Direction;

use crate::lab::{Lab, MS, add_server, add_service, key, server};

/// Packets and bytes that every server gets between two turns of control.
const PACKETS: usize = 2;
const BYTES: usize = 100;

/// A steady rate: whoever is sampled at other spans than two seconds has another average.
#[test]
fn every_meter_is_sampled_every_two_seconds() {
    let (services, servers) = (1500, 10);
    let mut lab = Lab::new();
    // As they come: some before the first period's end, some after.
    for service in 0..services {
        let added = (0..servers).map(|server| add_server(service, server));
        let requests = std::iter::once(add_service(service)).chain(added).collect();
        lab.done(Batch { requests, more: true });
        lab.now.0 += MS;
        lab.turn();
    }
    let step = 40;
    for _ in 0..(120 * 1000 / step) {
        lab.now.0 += step * MS;
        for slot in 0..services * servers {
            let totals = lab.seat.link.totals.get(slot).expect("a slot of a server");
            (0..PACKETS).for_each(|_| totals.packet(Direction::Request, BYTES));
        }
        lab.turn();
    }
    let per_second = |each: usize| each as u64 * 1000 / step;
    let rate = |servers: u64| Rates {
        in_packets: servers * per_second(PACKETS),
        in_bytes: servers * per_second(PACKETS * BYTES),
        ..Rates::default()
    };
    every_service(&mut lab, None, |service| {
        assert_eq!(service.rates, rate(u64::from(servers)), "{}", service.spec.key);
        assert!(service.servers.iter().all(|server| server.rates == rate(1)), "{:?}", service.servers);
        Ok::<_, PageError>(())
    })
    .expect("to the end");
    let Ok(Answer::Stats(stats)) = lab.ask(Query::Stats.into()) else { panic!("not counters") };
    let all = rate(u64::from(services * servers));
    assert_eq!(stats.rates.in_packets, all.in_packets);
    // Large numbers are not quite there yet.
    assert!(all.in_bytes - stats.rates.in_bytes < all.in_bytes / 1_000_000, "{:?}", stats.rates);
}

/// Late, as after a stop of the whole process: everything is due at once, and still done piece by piece, once each.
#[test]
fn a_turn_samples_a_bounded_number() {
    use std::sync::Arc;

    use control::ipvs::{Links, Services};
    use dataplane::clock::Nanos;
    use dataplane::map::Seed;
    use dataplane::service::{MAX_SERVERS, Servers, TotalsRead};

    let mut services = Services::new(Arc::new(Servers::new(MAX_SERVERS)), Seed([1, 2, 3, 4]), Links::default());
    let read = |_: u32| TotalsRead::default();
    for service in 0..1000 {
        let Edit::AddService { service: spec } = add_service(service) else { unreachable!() };
        services.add(spec, true, Nanos(0)).expect("a new service");
        (0..10).for_each(|n| services.add_server(&key(service), server(n, 1), true, &read).expect("a new server"));
    }
    let pieces: Vec<usize> = std::iter::from_fn(|| Some(services.sample(Nanos(9000 * MS), 2048, &read)))
        .take_while(|done| *done > 0)
        .collect();
    assert!(pieces.len() >= 5 && pieces.iter().all(|done| *done <= 2048 + 11), "{pieces:?}");
    assert_eq!(pieces.iter().sum::<usize>(), 11_000, "a service and its servers once each");
}

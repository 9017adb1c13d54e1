//! The store against a plain list of what waits.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::conn::NONE;

fn neighbor(n: u16, six: bool) -> Neighbor {
    let address = if six {
        IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, n))
    } else {
        IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + u32::from(n)))
    };
    (n % 2, address)
}

fn parked(packet: u32, neighbor: Neighbor, class: Class, since: Tick) -> Parked<u32> {
    let ending = Ending::Own(Sent::Control);
    let (meta, change) = (Meta::default(), Change::Nothing);
    Parked { packet, neighbor, class, meta, change, ending, since, server: NONE }
}

/// What waits, oldest first, and which neighbours have been asked for.
#[derive(Default)]
struct Model {
    waits: Vec<(u32, Neighbor, Class)>,
    asked: Vec<Neighbor>,
}

impl Model {
    fn add(&mut self, packet: u32, neighbor: Neighbor, class: Class) -> Option<u32> {
        self.waits.push((packet, neighbor, class));
        let own = |(_, n, c): &(u32, Neighbor, Class)| *n == neighbor && *c == class;
        let pool = |(_, n, c): &(u32, Neighbor, Class)| n.1.is_ipv4() == neighbor.1.is_ipv4() && *c == class;
        let count = |fits: &dyn Fn(&(u32, Neighbor, Class)) -> bool| self.waits.iter().filter(|p| fits(p)).count();
        let victim = if count(&own) > MAX_PARKED_PER_HOP {
            self.waits.iter().position(own)
        } else if count(&pool) > PLACES[class as usize] {
            self.waits.iter().position(pool)
        } else {
            None
        };
        victim.map(|at| self.remove(at))
    }

    fn remove(&mut self, at: usize) -> u32 {
        let (packet, neighbor, _) = self.waits.remove(at);
        if self.waits.iter().all(|(_, other, _)| *other != neighbor) {
            self.asked.retain(|other| *other != neighbor);
        }
        packet
    }

    /// By neighbour, in the order in which the first packet of each came.
    fn leave(&mut self, fits: impl Fn(Neighbor) -> bool) -> Vec<u32> {
        let mut left = Vec::new();
        while let Some(at) = self.waits.iter().position(|(_, neighbor, _)| fits(*neighbor)) {
            left.push(self.remove(at));
        }
        left
    }
}

#[derive(Clone, Debug)]
enum Event {
    /// A packet comes; control has room for a question, or not.
    Comes(u16, bool, Class, bool),
    /// What waits for a neighbour leaves.
    Leaves(u16, bool),
    /// A quarter of all neighbours leave.
    Known(u16),
}

fn event() -> impl Strategy<Value = Event> {
    let class = prop_oneof![Just(Class::Servers), Just(Class::Clients), Just(Class::Others)];
    let few_or_many = || prop_oneof![0..12u16, 0..900u16];
    prop_oneof![
        200 => (few_or_many(), any::<bool>(), class, prop::bool::weighted(0.8)).prop_map(|(n, six, class, room)| Event::Comes(n, six, class, room)),
        4 => (0..12u16, any::<bool>()).prop_map(|(n, six)| Event::Leaves(n, six)),
        1 => (0..4u16).prop_map(Event::Known),
    ]
}

fn number((interface, address): Neighbor) -> u16 {
    let low = match address {
        IpAddr::V4(address) => address.to_bits() as u16,
        IpAddr::V6(address) => address.to_bits() as u16,
    };
    low + interface - low % 2
}

fn left(parking: &mut Parking<u32>) -> Vec<u32> {
    let mut left: Vec<u32> = std::iter::from_fn(|| parking.next_leaving()).map(|parked| parked.packet).collect();
    left.sort_unstable();
    left
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_store_is_what_a_list_is(events in proptest::collection::vec(event(), 1..6000)) {
        let (mut parking, mut model) = (Parking::new(Seed([7, 9, 11, 13])), Model::default());
        for (packet, event) in (0..).zip(events) {
            match event {
                Event::Comes(n, six, class, room) => {
                    let (neighbor, now) = (neighbor(n, six), Tick(packet));
                    let expected = model.add(packet, neighbor, class);
                    let mut question = None;
                    let displaced = parking.add(parked(packet, neighbor, class, now), |class, who| {
                        question = Some((class, who));
                        room
                    });
                    prop_assert_eq!(displaced.map(|parked| parked.packet), expected);
                    let due = !model.asked.contains(&neighbor);
                    prop_assert_eq!(question, due.then_some((class, neighbor)), "asked for until it could be");
                    if due && room {
                        model.asked.push(neighbor);
                    }
                    prop_assert_eq!(parking.newest().map(|parked| parked.packet), Some(packet));
                }
                Event::Leaves(n, six) => {
                    parking.leave(neighbor(n, six));
                    let order: Vec<u32> = std::iter::from_fn(|| parking.next_leaving()).map(|p| p.packet).collect();
                    prop_assert_eq!(order, model.leave(|other| other == neighbor(n, six)), "in order of arrival");
                }
                Event::Known(n) => {
                    parking.leave_where(|other| number(other) % 4 == n);
                    let mut expected = model.leave(|other| number(other) % 4 == n);
                    expected.sort_unstable();
                    prop_assert_eq!(left(&mut parking), expected);
                }
            }
            prop_assert_eq!(parking.len(), model.waits.len());
        }
        let mut all: Vec<u32> = model.waits.iter().map(|(packet, ..)| *packet).collect();
        all.sort_unstable();
        parking.leave_where(|_| true);
        prop_assert_eq!(left(&mut parking), all);
        prop_assert!(parking.is_empty() && parking.overdue(Tick(1 << 30)).is_none());
    }
}

#[test]
fn patience_ends_by_the_age_of_the_queue() {
    let mut parking = Parking::new(Seed([7, 9, 11, 13]));
    let (first, second) = (neighbor(1, false), neighbor(2, false));
    parking.add(parked(1, first, Class::Servers, Tick(100)), |_, _| true);
    parking.add(parked(2, second, Class::Servers, Tick(200)), |_, _| true);
    parking.add(parked(3, first, Class::Servers, Tick(500)), |_, _| true);
    assert_eq!(parking.overdue(Tick(100 + PATIENCE)), None);
    assert_eq!(parking.overdue(Tick(101 + PATIENCE)), Some(first), "who came last does not prolong it");
    parking.leave(first);
    assert_eq!(left(&mut parking), [1, 3]);
    assert_eq!(parking.overdue(Tick(201 + PATIENCE)), Some(second));
}

/// A queue that leaves is none that others join: who comes meanwhile waits for himself.
#[test]
fn who_comes_while_others_leave_begins_a_queue() {
    let mut parking = Parking::new(Seed([7, 9, 11, 13]));
    let who = neighbor(1, true);
    let mut asked = 0;
    let mut add = |parking: &mut Parking<u32>, packet| {
        parking.add(parked(packet, who, Class::Others, Tick(0)), |_, _| {
            asked += 1;
            true
        });
    };
    add(&mut parking, 1);
    parking.leave(who);
    add(&mut parking, 2);
    assert_eq!(left(&mut parking), [1]);
    assert_eq!((parking.len(), asked), (1, 2));
}

//! Lists are pages: bounded, and whole whatever comes and goes while they are read.

use std::collections::HashSet;

use control::api::{
    Answer, ApiError, Client, Code, Cursor, Edit, PageError, Query, Request, ServiceInfo, every_service, every_text,
};
use dataplane::flow::ServiceKey;

use crate::lab::{Lab, add_server, add_service, address, key};

/// Services and servers of an answer, at most.
const MOST: usize = 2000;

/// Hands requests on, and does something between two pages.
struct Busy<'a> {
    lab: &'a mut Lab,
    pages: u32,
    largest: usize,
    between: &'a mut dyn FnMut(&mut Lab, u32),
}

impl Client for Busy<'_> {
    fn ask(&mut self, request: Request) -> Result<Answer, ApiError> {
        let answer = self.lab.ask(request);
        if let Ok(Answer::Services { services, .. }) = &answer {
            let items = services.iter().map(|service| 1 + service.servers.len()).sum();
            self.largest = self.largest.max(items);
        }
        self.pages += 1;
        (self.between)(self.lab, self.pages);
        answer
    }
}

fn list(lab: &mut Lab, between: &mut dyn FnMut(&mut Lab, u32)) -> (Vec<ServiceInfo>, u32, usize) {
    let mut busy = Busy { lab, pages: 0, largest: 0, between };
    let mut listed = Vec::new();
    every_service(&mut busy, None, |service| {
        listed.push(service);
        Ok::<_, PageError>(())
    })
    .expect("to the end");
    (listed, busy.pages, busy.largest)
}

#[test]
fn a_list_is_whole_and_in_order() {
    let mut lab = Lab::filled(1500, 10);
    let (listed, pages, largest) = list(&mut lab, &mut |_, _| ());
    assert!(largest <= MOST && pages >= 8, "{pages} pages, {largest} items");
    let keys: Vec<ServiceKey> = listed.iter().map(|service| service.spec.key).collect();
    assert_eq!(keys, (0..1500).rev().map(key).collect::<Vec<_>>(), "last added first");
    let servers = (0..10).rev().map(address).collect::<Vec<_>>();
    assert!(listed.iter().all(|s| s.servers.iter().map(|s| s.spec.address).collect::<Vec<_>>() == servers));
}

#[test]
fn what_stays_is_listed_once_whatever_comes_and_goes() {
    let mut lab = Lab::filled(3000, 10);
    let stays = |service: u32| service.is_multiple_of(3);
    let (listed, pages, _) = list(&mut lab, &mut |lab, page| {
        // Removed: those around the page's end, and old ones. Added: new ones, and removed ones again.
        let end = 3000u32.saturating_sub(page * 181);
        for service in end.saturating_sub(40)..(end + 40).min(3000) {
            if !stays(service) {
                _ = lab.ask(Edit::DeleteService { key: key(service) }.into());
            }
        }
        for service in (0..end).step_by(97).filter(|service| !stays(*service)) {
            _ = lab.ask(Edit::DeleteService { key: key(service) }.into());
            _ = lab.ask(add_service(service).into());
        }
        lab.done(add_service(10_000 + page));
    });
    assert!(pages > 10, "{pages}");
    let seen: HashSet<ServiceKey> = listed.iter().map(|service| service.spec.key).collect();
    assert_eq!(seen.len(), listed.len(), "none twice");
    let lost: Vec<u32> = (0..3000).filter(|n| stays(*n) && !seen.contains(&key(*n))).collect();
    assert_eq!(lost, [0; 0], "none that stayed is missing");
    let whole = |service: &&ServiceInfo| stays_key(&service.spec.key);
    assert!(listed.iter().filter(whole).all(|service| service.servers.len() == 10));
}

fn stays_key(wanted: &ServiceKey) -> bool {
    (0..3000).step_by(3).any(|service| key(service) == *wanted)
}

#[test]
fn a_service_larger_than_a_page_goes_on_where_it_was() {
    let mut lab = Lab::filled(3, 5000);
    let (listed, pages, largest) = list(&mut lab, &mut |lab, page| {
        // In the middle of a service: a server that was listed goes, one that was not goes, one comes.
        for server in [4999 - page, page * 7] {
            lab.done(Edit::DeleteServer { key: key(if page < 3 { 2 } else { 0 }), address: address(server) });
        }
        lab.done(add_server(0, 20_000 + page));
        if page == 1 {
            lab.done(Edit::DeleteService { key: key(1) });
        }
    });
    assert!(largest <= MOST && pages >= 5, "{pages} pages, {largest} items");
    let keys: Vec<ServiceKey> = listed.iter().map(|service| service.spec.key).collect();
    assert_eq!(keys, [key(2), key(0)]);
    for service in &listed {
        let servers: HashSet<_> = service.servers.iter().map(|server| server.spec.address).collect();
        assert_eq!(servers.len(), service.servers.len(), "none twice");
        let stayed = (100..4900).filter(|server| !servers.contains(&address(*server)));
        assert_eq!(stayed.count(), 0, "none that stayed is missing");
    }
    let mut one = Vec::new();
    let take = |service: ServiceInfo| {
        one.push(service.servers.len());
        Ok::<_, PageError>(())
    };
    every_service(&mut lab, Some(key(2)), take).expect("to the end");
    assert_eq!(one, [listed[0].servers.len() - 2], "one service, whole: what was removed after it was listed is not");
}

#[test]
fn the_text_of_the_kernel_is_the_same_in_pieces() {
    let mut lab = Lab::filled(2, 3000);
    let (mut whole, mut pieces) = (String::new(), 0);
    every_text(&mut lab, Query::Proc { name: "ip_vs".to_owned(), cursor: None }, |piece| {
        (whole, pieces) = (std::mem::take(&mut whole) + piece, pieces + 1);
        assert!(piece.lines().count() <= MOST + 3);
        Ok::<_, PageError>(())
    })
    .expect("to the end");
    let lines: Vec<&str> = whole.lines().collect();
    assert_eq!((pieces, lines.len()), (4, 3 + 2 * 3001), "three lines of head, two services");
    assert!(lines[3].starts_with("TCP  14000001:0050 wrr") && lines[3 + 3001].starts_with("TCP  14000000:0050 wrr"));
    assert!(lines[4].starts_with("  -> 0A010CB7:1F90      Masq    1 "), "{}", lines[4]);
}

#[test]
fn cursors_and_limits_of_others_do_no_harm() {
    let mut lab = Lab::filled(10, 3);
    let ask = |lab: &mut Lab, cursor: Option<Cursor>, limit| {
        let answer = lab.ask(Query::Services { key: None, cursor, limit }.into());
        let Ok(Answer::Services { services, next, .. }) = answer else { panic!("{answer:?}") };
        (services.len(), next.is_some())
    };
    assert_eq!(ask(&mut lab, None, Some(u32::MAX)), (10, false));
    assert_eq!(ask(&mut lab, None, Some(0)), (1, true), "a service and a server at least");
    assert_eq!(ask(&mut lab, Some(Cursor { service: 0, server: 0 }), None), (0, false));
    let gone = Query::Services { key: Some(key(77)), cursor: None, limit: None };
    assert_eq!(lab.ask(gone.into()).map_err(|error| error.code), Err(Code::NoService));
}

#[test]
fn a_status_names_a_few_addresses_and_counts_the_rest() {
    let mut lab = Lab::filled(1000, 0);
    let Ok(Answer::Status(status)) = lab.ask(Query::Status.into()) else { panic!("not a status") };
    let wan = &status.interfaces[0];
    assert_eq!((wan.addresses.len(), wan.virtual_addresses), (65, 1000));
    assert_eq!(wan.addresses[..2], ["172.16.0.254/24", "20.0.0.0"]);
    lab.done(Edit::Flush);
    let Ok(Answer::Status(status)) = lab.ask(Query::Status.into()) else { panic!("not a status") };
    let left = (status.interfaces[0].virtual_addresses, status.services, status.servers);
    assert_eq!(left, (1000, 0, 0), "addresses stay the director's without their services");
}

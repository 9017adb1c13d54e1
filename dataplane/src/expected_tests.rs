//! What is expected, by hand.

use super::*;

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn passive(now: u32) -> Expected {
    Expected {
        client: at("172.16.0.1:0"),
        vip: at("10.0.0.100:25610"),
        server: at("10.1.0.11:25610"),
        slot: 3,
        generation: 0,
        controller: HANDLE,
        last_used: now,
        timeout: 1000,
    }
}

/// Expects it where nothing gives way.
fn planted(all: &AllExpected, expected: Expected) -> Planted {
    all.plant(expected, |gone| panic!("{gone:?}"))
}

/// The announcement of a port of a control connection's.
fn of(controller: u32, port: u16) -> Expected {
    Expected {
        vip: SocketAddr::new([10, 0, 0, 100].into(), port),
        server: SocketAddr::new([10, 1, 0, 11].into(), port),
        controller,
        ..passive(0)
    }
}

#[test]
fn any_port_of_the_client_will_do_but_no_other_client() {
    let all = AllExpected::new(Seed([1, 2, 3, 4]));
    assert!(all.is_empty());
    assert_eq!(planted(&all, passive(0)), Planted::New);
    let find = |client| all.find([at(client), at("10.0.0.100:25610")], Direction::Request);
    assert_eq!(find("172.16.0.2:4001"), None);
    let found = find("172.16.0.1:4001").expect("expected");
    assert!(all.take(&found) && !all.take(&found) && all.is_empty());
}

#[test]
fn the_server_may_come_first() {
    let all = AllExpected::new(Seed([1, 2, 3, 4]));
    let active =
        Expected { client: at("172.16.0.1:51210"), vip: at("10.0.0.100:20"), server: at("10.1.0.11:20"), ..passive(0) };
    planted(&all, active);
    assert_eq!(all.find([active.server, active.client], Direction::Reply), Some(active));
    assert_eq!(all.find([active.client, active.vip], Direction::Request), Some(active));
    assert_eq!(all.find([at("10.1.0.12:20"), active.client], Direction::Reply), None);
}

#[test]
fn what_does_not_come_is_forgotten_with_its_announcement() {
    let all = AllExpected::new(Seed([1, 2, 3, 4]));
    let handle = all.control();
    planted(&all, Expected { controller: handle, ..passive(5) });
    assert!(matches!(planted(&all, passive(500)), Planted::Again(old) if old.last_used == 500));
    let mut gone = 0;
    all.expire(Tick(1500 + LATE - 1), 9, |_| gone += 1);
    assert_eq!((gone, all.children(handle)), (0, 1));
    all.expire(Tick(1500 + LATE), 9, |_| gone += 1);
    assert_eq!((gone, all.children(handle), all.is_empty()), (1, 0, true));
    all.forget(handle);
    assert_eq!(all.control(), handle);
}

#[test]
fn a_control_connection_has_so_much_announced_and_the_oldest_unused_gives_way() {
    let all = AllExpected::new(Seed([1, 2, 3, 4]));
    let [mine, other] = [all.control(), all.control()];
    let most = MOST_ANNOUNCED as u16;
    planted(&all, of(other, 1));
    (2..2 + most).for_each(|port| _ = planted(&all, of(mine, port)));
    // What has come makes room, but the connection that came is still counted.
    assert!(all.take(&of(mine, 3)));
    planted(&all, of(mine, 2000));
    let mut gone = Vec::new();
    all.plant(of(mine, 2001), |expected| gone.push(expected.vip.port()));
    all.plant(of(mine, 2002), |expected| gone.push(expected.vip.port()));
    assert_eq!(gone, [2, 4]);
    assert_eq!((all.children(mine), all.children(other)), (u32::from(most) + 1, 1));
    all.release(mine);
    assert_eq!(all.children(mine), u32::from(most));
}

#[test]
fn what_cannot_begin_is_put_back_and_counted_once() {
    let all = AllExpected::new(Seed([1, 2, 3, 4]));
    let mine = all.control();
    planted(&all, of(mine, 7));
    assert!(all.take(&of(mine, 7)));
    all.put_back(of(mine, 7), |gone| panic!("{gone:?}"));
    assert_eq!((all.children(mine), all.is_empty()), (1, false));
    assert!(all.take(&of(mine, 7)));
    // It was announced anew meanwhile.
    planted(&all, of(mine, 7));
    let mut gone = 0;
    all.put_back(of(mine, 7), |_| gone += 1);
    assert_eq!((all.children(mine), gone), (1, 1));
}

#[test]
fn of_two_servers_with_one_port_the_one_announced_last_is_found_first() {
    let all = AllExpected::new(Seed([1, 2, 3, 4]));
    let (first, second) = (all.control(), all.control());
    planted(&all, of(first, 7));
    let elsewhere = Expected { server: at("10.1.0.12:7"), ..of(second, 7) };
    assert_eq!(planted(&all, elsewhere), Planted::New);
    let come = || all.find([at("172.16.0.1:4001"), at("10.0.0.100:7")], Direction::Request).filter(|e| all.take(e));
    assert_eq!([come(), come(), come()], [Some(elsewhere), Some(of(first, 7)), None]);
    assert_eq!((all.children(first), all.children(second), all.is_empty()), (1, 1, true));
}

#[test]
fn another_virtual_end_of_the_same_packet_displaces_the_first() {
    let all = AllExpected::new(Seed([1, 2, 3, 4]));
    let active = |vip: &str| Expected { client: at("172.16.0.1:51210"), vip: at(vip), ..of(HANDLE, 20) };
    planted(&all, active("10.0.0.100:20"));
    let mut gone = 0;
    assert_eq!(all.plant(active("10.0.0.101:20"), |_| gone += 1), Planted::New);
    let found = all.find([at("10.1.0.11:20"), at("172.16.0.1:51210")], Direction::Reply);
    assert_eq!((gone, found), (1, Some(active("10.0.0.101:20"))));
}

#[test]
fn a_shard_takes_so_many_and_gives_them_in_pages() {
    let all = AllExpected::new(Seed([1, 2, 3, 4]));
    assert!((1..=MOST as u16).all(|port| planted(&all, of(HANDLE, port)) == Planted::New));
    let mut gone = Vec::new();
    assert_eq!(all.plant(of(HANDLE, MOST as u16 + 1), |expected| gone.push(expected.vip.port())), Planted::New);
    assert_eq!(gone, [1], "the oldest");
    let mut seen = 0;
    for shard in 0..AllExpected::shards() {
        let mut from = Some(0);
        while let Some(at) = from {
            let (page, next) = all.page(shard, at, 1000);
            seen += page.len();
            from = next;
        }
    }
    assert_eq!(seen, MOST);
    for shard in 0..AllExpected::shards() {
        all.end_orphans(shard, |expected| expected.slot == 3, |_| seen -= 1);
    }
    assert_eq!((seen, all.is_empty()), (0, true));
}

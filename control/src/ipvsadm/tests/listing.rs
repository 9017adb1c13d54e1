//! Listings of a table with traffic, fed with the recorded numbers.

use std::net::SocketAddr;

use dataplane::flow::Protocol;

use super::fake::Fake;
use super::story::{call, nameless, play};
use crate::api::{ConnInfo, Rates, ServiceInfo, Totals};

fn totals(numbers: [u64; 5]) -> Totals {
    let [connections, in_packets, out_packets, in_bytes, out_bytes] = numbers;
    Totals { connections, in_packets, out_packets, in_bytes, out_bytes }
}

fn rates(numbers: [u64; 5]) -> Rates {
    let [connections, in_packets, out_packets, in_bytes, out_bytes] = numbers;
    Rates { connections, in_packets, out_packets, in_bytes, out_bytes }
}

fn conn(protocol: Option<Protocol>, ends: [&str; 3], state: &str, expires: u32) -> ConnInfo {
    let [client, vip, destination] = ends.map(|end| end.parse::<SocketAddr>().unwrap());
    let (state, engine, worker, in_packets) = (state.to_owned(), None, 0, 0);
    ConnInfo { protocol, client, vip, destination, state, expires, engine, worker, in_packets }
}

fn tcp(ends: [&str; 3], state: &str, expires: u32) -> ConnInfo {
    conn(Some(Protocol::Tcp), ends, state, expires)
}

/// The service at an address, and its server at an address.
fn busy(fake: &mut Fake, service: &str, server: &str, numbers: [u64; 5], per_second: [u64; 5]) {
    let named = |s: &&mut ServiceInfo| s.spec.key.to_string() == service;
    let service = fake.services.iter_mut().find(named).unwrap();
    let server = service.servers.iter_mut().find(|s| s.spec.address.to_string() == server).unwrap();
    (service.totals, service.rates) = (totals(numbers), rates(per_second));
    (server.totals, server.rates) = (totals(numbers), rates(per_second));
    server.active = u32::from(!service.spec.ops);
    server.persistent = u32::from(service.spec.persistence.is_some());
}

fn traffic(fake: &mut Fake) {
    busy(fake, "TCP 10.0.0.100:80", "10.1.0.11:8080", [1, 2, 1, 80, 40], [0, 0, 0, 7, 4]);
    busy(fake, "TCP 10.0.0.100:443", "10.1.0.13:443", [1, 1, 0, 40, 0], [0, 0, 0, 4, 0]);
    busy(fake, "UDP 10.0.0.100:53", "10.1.0.11:53", [1, 1, 0, 29, 0], [0, 0, 0, 3, 0]);
    busy(fake, "TCP [fd00::100]:80", "[fd00:1::11]:80", [1, 1, 0, 60, 0], [0, 0, 0, 6, 0]);
    fake.connections = vec![
        tcp(["172.16.0.2:4000", "10.0.0.100:443", "10.1.0.13:443"], "SYN_RECV", 55),
        tcp(["[fd00:c::1]:4000", "[fd00::100]:80", "[fd00:1::11]:80"], "SYN_RECV", 55),
        tcp(["[fd00:c::]:0", "[fd00::100]:80", "[fd00:1::11]:80"], "NONE", 55),
        tcp(["172.16.0.2:0", "10.0.0.100:443", "10.1.0.13:443"], "NONE", 595),
        tcp(["172.16.0.1:4000", "10.0.0.100:80", "10.1.0.11:8080"], "ESTABLISHED", 895),
    ];
}

/// Every layout; connections come in pages of two.
#[test]
fn every_listing() {
    let (setup, listings) = include_str!("show.txt").split_once("# traffic\n").unwrap();
    let mut fake = Fake::new();
    play(&mut fake, &nameless(), setup);
    traffic(&mut fake);
    play(&mut fake, &nameless(), listings);
}

#[test]
fn unsorted_is_as_the_director_lists() {
    let mut fake = Fake::new();
    let setup = "$ -A -t 10.0.0.100:80\n$ -a -t 10.0.0.100:80 -r 10.1.0.1\n$ -a -t 10.0.0.100:80 -r 10.1.0.2\n\
                 $ -A -t 10.0.0.100:81\n";
    play(&mut fake, &nameless(), setup);
    let got = call(&mut fake, &nameless(), "-Ln --nosort", "").out;
    let names: Vec<&str> = got.lines().skip(3).filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(names, ["10.0.0.100:81", "10.0.0.100:80", "10.1.0.2:80", "10.1.0.1:80"]);
}

fn listed(numbers: [u64; 5], arguments: &str) -> String {
    let mut fake = Fake::new();
    play(&mut fake, &nameless(), "$ -A -t 10.0.0.100:80 -s rr\n");
    (fake.services[0].totals, fake.services[0].rates) = (totals(numbers), rates(numbers));
    call(&mut fake, &nameless(), arguments, "").out.lines().last().unwrap().to_owned()
}

#[test]
fn large_numbers_are_shortened() {
    for arguments in ["-Ln --stats", "-Ln --rate"] {
        let listed = |numbers| listed(numbers, arguments);
        assert_eq!(
            listed([99_999_999, 100_000_000, 999_999_999, 1_000_000_000, 99_999_999_999]),
            "TCP  10.0.0.100:80                99999999  100000K  999999K    1000M   99999M"
        );
        assert_eq!(
            listed([100_000_000_000, 99_999_999_999_999, 100_000_000_000_000, u64::MAX, 12_345_678]),
            "TCP  10.0.0.100:80                    100G   99999G     100T18446744T 12345678"
        );
        assert_eq!(
            listed([4_294_967_295, 4_294_967_296, 123_456_789, 9_999_999, 99_999_999]),
            "TCP  10.0.0.100:80                   4294M    4294M  123456K  9999999 99999999"
        );
    }
}

#[test]
fn exact_numbers_are_not() {
    assert_eq!(
        listed([99_999_999, 100_000_000, 999_999_999, 1_000_000_000, 99_999_999_999], "-Ln --stats --exact"),
        "TCP  10.0.0.100:80                99999999 100000000 999999999 1000000000 99999999999"
    );
    assert_eq!(
        listed([100_000_000_000, 1, 12_345_678, u64::MAX, 117_000_000], "-Ln --rate -X"),
        "TCP  10.0.0.100:80                100000000000        1 12345678 18446744073709551615 117000000"
    );
}

#[test]
fn wide_counts() {
    let mut fake = Fake::new();
    let setup = "$ -A -t 10.0.0.100:80 -s rr\n\
                 $ -a -t 10.0.0.100:80 -r 10.1.0.11 -w 2147483647 -x 2147483647 -y 2147483647\n";
    play(&mut fake, &nameless(), setup);
    let server = &mut fake.services[0].servers[0];
    (server.active, server.inactive, server.persistent) = (u32::MAX, 2_147_483_647, 2_147_483_648);
    let mut last = |arguments| call(&mut fake, &nameless(), arguments, "").out.lines().last().unwrap().to_owned();
    assert_eq!(last("-Ln"), "  -> 10.1.0.11:80                 Route   2147483647 4294967295 2147483647");
    assert_eq!(
        last("-Ln --thresholds"),
        "  -> 10.1.0.11:80                 2147483647 2147483647 4294967295 2147483647"
    );
    assert_eq!(
        last("-Ln --persistent-conn"),
        "  -> 10.1.0.11:80                 2147483647 2147483648  4294967295 2147483647"
    );
    assert_eq!(
        last("-Ln --tun-info"),
        "  -> 10.1.0.11:80                 Route   n/a           2147483647 4294967295 2147483647"
    );
}

#[test]
fn wide_connections() {
    let mut fake = Fake::new();
    let local = ["172.16.0.1:4000", "10.0.0.100:80", "10.1.0.12:80"];
    let sip = ["172.16.0.1:5060", "10.0.0.100:5060", "10.1.0.11:5060"];
    let far = ["255.255.255.255:65535"; 3];
    let engine = |conn, data: &str| ConnInfo { engine: Some(("sip".to_owned(), data.to_owned())), ..conn };
    fake.connections = vec![
        tcp(local, "FIN_WAIT", 6001),
        tcp(local, "SYN_RECV", 60_000),
        conn(Some(Protocol::Udp), sip, "UDP", 299),
        engine(conn(Some(Protocol::Udp), sip, "NONE", 59), "call-id-1@example.com"),
        engine(conn(Some(Protocol::Udp), far, "NONE", 99_999_999), "a"),
        conn(Some(Protocol::Sctp), local, "SHUTDOWN_ACK_SENT", 9),
        conn(None, ["172.16.0.1:0", "0.0.0.7:0", "10.1.0.11:0"], "NONE", 895),
    ];
    let wanted = "\
IPVS connection entries
pro expire state       source             virtual            destination        pe name          pe_data
TCP 100:01 FIN_WAIT    172.16.0.1:4000    10.0.0.100:80      10.1.0.12:80
TCP 1000:00 SYN_RECV    172.16.0.1:4000    10.0.0.100:80      10.1.0.12:80
UDP 04:59  UDP         172.16.0.1:5060    10.0.0.100:5060    10.1.0.11:5060
UDP 00:59  NONE        172.16.0.1:5060    10.0.0.100:5060    10.1.0.11:5060   sip                call-id-1@example.com
UDP 1666666:39 NONE        255.255.255.255:65535 255.255.255.255:65535 255.255.255.255:65535 sip                a
SCTP 00:09  SHUTDOWN_ACK_SENT 172.16.0.1:4000    10.0.0.100:80      10.1.0.12:80
IP  14:55  NONE        172.16.0.1:0       0.0.0.7:0          10.1.0.11:0
";
    assert_eq!(call(&mut fake, &nameless(), "-Lnc --persistent-conn", "").out, wanted);
}

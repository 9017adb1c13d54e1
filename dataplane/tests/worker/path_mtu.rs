//! What the path to a server takes: learned from ICMP errors about the tunnel, however little of it they quote, and told to
//! clients.

use dataplane::flow::Encapsulation;
use dataplane::flow::Protocol::Udp;
use dataplane::method::ForwardMethod::Tun;
use dataplane::sched::Scheduler::Rr;
use dataplane::tables::Unhooked;
use dataplane::wire::{be16, be32, ipv4};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::Ordering::Relaxed;

use crate::frames::{Body, error, packet};
use crate::lab::{LAN, Lab, SECOND, VIP, VIP6, WAN, client, client6, server, server6};

/// The director's addresses on the servers' link.
const OWN: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 254);
const OWN6: Ipv6Addr = Ipv6Addr::new(0xfd00, 2, 0, 0, 0, 0, 0, 0xfe);
/// Routers between director and servers.
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 19);
const ROUTER6: Ipv6Addr = Ipv6Addr::new(0xfd00, 2, 0, 0, 0, 0, 0, 0x19);
const GUE: Encapsulation = Encapsulation::Gue { port: 6080, checksum: false };
const GRE: Encapsulation = Encapsulation::Gre { checksum: false };
const GRE_SUMMED: Encapsulation = Encapsulation::Gre { checksum: true };

/// A lab with two services of datagrams whose servers, at one address, are reached by such a tunnel.
fn lab(vip: impl Into<IpAddr> + Copy, to: impl Into<IpAddr> + Copy, encapsulation: Encapsulation) -> Lab {
    let mut lab = Lab::new(100);
    lab.know_servers(11..=11);
    for (port, slot) in [(80, 0), (81, 1)] {
        lab.service(Udp, vip, port, Rr, &[(to, port, Tun, 1)]);
        lab.state(slot).encapsulation.store(encapsulation.word(), Relaxed);
    }
    lab
}

/// A client's datagram that makes an IP packet of so many bytes, which must not be fragmented.
fn datagram(six: bool, port: u16, length: usize) -> Vec<u8> {
    match six {
        false => packet(client(2), VIP, Body::Udp(4000, port, length - 28)).fragment(ipv4::DF).frame(),
        true => packet(client6(2), VIP6, Body::Udp(4000, port, length - 48)).frame(),
    }
}

/// What left for the server, from the outer header on.
fn wrapped(lab: &mut Lab, frame: &[u8]) -> Vec<u8> {
    lab.feed(WAN, frame);
    lab.sent(LAN).pop().map(|frame| frame[14..].to_vec()).unwrap_or_default()
}

/// What the client is told fits, if it is told.
fn told(lab: &mut Lab, six: bool) -> Option<u32> {
    let frame = lab.sent(WAN).pop()?;
    let (l4, kind) = if six { (54, [2, 0]) } else { (34, [3, 4]) };
    assert_eq!(frame[l4..l4 + 2], kind, "too big");
    Some(if six { be32(&frame, l4 + 4) } else { be16(&frame, l4 + 6).into() })
}

#[test]
fn a_short_quote_teaches_what_the_path_takes() {
    for (encapsulation, headers) in [(Encapsulation::Ipip, 20), (GUE, 32), (GRE, 24), (GRE_SUMMED, 28)] {
        for length in [28, 36, 40, 48] {
            let mut lab = lab(VIP, server(11), encapsulation);
            let outer = wrapped(&mut lab, &datagram(false, 80, 128));
            lab.feed(LAN, &error(ROUTER, OWN, (3, 4, 1400), &outer[..length]));
            for port in [80, 81] {
                assert!(wrapped(&mut lab, &datagram(false, port, 1401 - headers)).is_empty());
                let fits = told(&mut lab, false);
                assert_eq!(fits, Some(1400 - headers as u32), "{encapsulation:?}, {length} bytes quoted, port {port}");
                assert_eq!(wrapped(&mut lab, &datagram(false, port, 1400 - headers)).len(), 1400);
            }
            lab.check_accounts();
        }
    }
}

#[test]
fn an_error_that_is_not_about_a_tunnel_of_ours_teaches_nothing() {
    let mut lab = lab(VIP, server(11), GUE);
    let outer = wrapped(&mut lab, &datagram(false, 80, 128));
    let too_big = (3, 4, 1400);
    let mut strange = outer.clone();
    strange[15] ^= 1;
    lab.feed(LAN, &error(ROUTER, OWN, too_big, &strange)); // a source that is not the director's
    strange[15] ^= 1;
    strange[19] ^= 1;
    lab.feed(LAN, &error(ROUTER, OWN, too_big, &strange)); // another server
    lab.feed(LAN, &error(ROUTER, OWN, too_big, &outer[..27])); // less than any router quotes
    let mut bent = error(ROUTER, OWN, too_big, &outer[..28]);
    bent[37] ^= 1;
    lab.feed(LAN, &bent);
    lab.feed(LAN, &error(ROUTER, OWN, (3, 1, 1400), &outer[..28])); // of another kind
    assert_eq!(wrapped(&mut lab, &datagram(false, 80, 1468)).len(), 1500);
    lab.check_accounts();
}

#[test]
fn what_a_path_over_ipv6_takes_is_learned_too() {
    let encapsulations = [(Encapsulation::Ipip, 40), (GUE, 52), (GRE, 44), (GRE_SUMMED, 48)];
    for ((encapsulation, headers), six) in encapsulations.into_iter().flat_map(|e| [(e, true), (e, false)]) {
        let vip = if six { IpAddr::from(VIP6) } else { VIP.into() };
        let mut lab = lab(vip, server6(11), encapsulation);
        lab.tables.unhooked = Unhooked { v4: six, v6: !six };
        lab.publish();
        let outer = wrapped(&mut lab, &datagram(six, 80, 128));
        lab.feed(LAN, &error(ROUTER6, OWN6, (2, 0, 1400), &outer));
        assert!(wrapped(&mut lab, &datagram(six, 80, 1401 - headers)).is_empty());
        assert_eq!(told(&mut lab, six), Some(1400 - headers as u32), "{encapsulation:?}");
        assert_eq!(wrapped(&mut lab, &datagram(six, 80, 1400 - headers)).len(), 1400);
        // No link takes less than 1280 bytes, and so says no router.
        lab.feed(LAN, &error(ROUTER6, OWN6, (2, 0, 1279), &outer));
        assert_eq!(wrapped(&mut lab, &datagram(six, 80, 1400 - headers)).len(), 1400);
        lab.feed(LAN, &error(ROUTER6, OWN6, (2, 0, 1300), &outer));
        let moved = lab.moved(|lab| lab.feed(WAN, &datagram(six, 80, 128)));
        assert_eq!(moved[1], ("drop_tunnel_too_narrow", 1), "what is left is less than IPv6 needs");
        lab.pass(601 * SECOND);
        assert_eq!(wrapped(&mut lab, &datagram(six, 80, 1400 - headers)).len(), 1400, "ten minutes later");
        lab.check_accounts();
    }
}

#[test]
fn nobody_is_told_of_a_tunnel_that_is_none_any_more() {
    for encapsulation in [Encapsulation::Ipip, GUE] {
        let mut lab = lab(VIP, server(11), encapsulation);
        let outer = wrapped(&mut lab, &datagram(false, 80, 128));
        lab.state(0).set_tunnel(None);
        lab.feed(LAN, &error(ROUTER, OWN, (3, 1, 0), &outer));
        assert_eq!(told(&mut lab, false), None, "the server was edited");
        lab.state(0).set_tunnel(Some(encapsulation));
        lab.feed(LAN, &error(ROUTER, OWN, (3, 1, 0), &outer));
        assert_eq!(lab.count("answer_tunnel_error"), 1);
        lab.check_accounts();
    }
}

#[test]
fn clients_of_ipv6_are_told_of_paths_over_ipv4() {
    for (encapsulation, headers) in [(Encapsulation::Ipip, 20), (GUE, 32), (GRE, 24)] {
        let mut lab = lab(VIP6, server(11), encapsulation);
        lab.tables.unhooked = Unhooked { v4: true, v6: false };
        lab.publish();
        let outer = wrapped(&mut lab, &datagram(true, 80, 128));
        lab.feed(LAN, &error(ROUTER, OWN, (3, 4, 1400), &outer));
        assert!(wrapped(&mut lab, &datagram(true, 80, 1401 - headers)).is_empty());
        assert_eq!(told(&mut lab, true), Some(1400 - headers as u32), "{encapsulation:?}");
        lab.check_accounts();
    }
}

//! Calls that servers of a SIP service begin: on whatever worker their datagrams arrive, the client's answer finds its way.

use std::net::{IpAddr, SocketAddr};

use dataplane::flow::{Protocol, ServiceKey};
use dataplane::method::ForwardMethod::Nat;
use dataplane::sched::Scheduler::Rr;
use dataplane::service::{Caller, Engine, Listener, Manner, Persistent};
use dataplane::steering::Steering;

use crate::crew::{Device, crew, plan_of, settle};
use crate::frames::{Body, ends, packet, say};
use crate::lab::{LAN, Lab, SECOND, VIP, VIP6, WAN, client, client6, server, server6};

const SIP: u16 = 5060;

/// A datagram with a text and a right checksum.
fn datagram(from: SocketAddr, to: SocketAddr, text: &str) -> Vec<u8> {
    let mut frame = packet(from.ip(), to.ip(), Body::Udp(from.port(), to.port(), text.len())).frame();
    say(&mut frame, text);
    frame
}

/// The only frame that leaves by `to` when one arrives by `from`.
#[track_caller]
fn through(lab: &mut Lab, [from, to]: [u16; 2], frame: &[u8]) -> [SocketAddr; 2] {
    lab.inject(from, frame);
    settle(lab);
    let sent: Vec<Vec<u8>> = lab.crew_mut().flat_map(|worker| worker.ports_mut()[usize::from(to)].drain()).collect();
    let [frame] = &sent[..] else { panic!("{} frames", sent.len()) };
    ends(frame)
}

fn persistent() -> Persistent {
    Persistent { timeout: 300 << 10, mask4: u32::MAX, mask6: u128::MAX, engine: Some(Engine::Sip) }
}

/// A service of calls, with one quiesced server.
fn service(lab: &mut Lab, vip: IpAddr, server: IpAddr) {
    let key = lab.service(Protocol::Udp, vip, SIP, Rr, &[(server, SIP, Nat, 0)]);
    lab.manner(key, Manner { one_packet: false, persistent: Some(persistent()) });
    lab.neighbor(LAN, server);
    let listener = Listener { address: server, port: SIP, protocol: Some(Protocol::Udp) };
    lab.tables.callers.insert(listener, Caller { service: key, slot: 0 });
    lab.publish();
}

fn calls(mut lab: Lab, [vip, client, server]: [IpAddr; 3], sport: u16) {
    service(&mut lab, vip, server);
    let [vip, server] = [vip, server].map(|address| SocketAddr::new(address, SIP));
    let client = SocketAddr::new(client, sport);
    let invite = |id: &str| format!("INVITE sip:a@b SIP/2.0\r\nCall-ID: {id}\r\n\r\n");
    assert_eq!(through(&mut lab, [LAN, WAN], &datagram(server, client, &invite("1@a"))), [vip, client]);
    assert_eq!(through(&mut lab, [LAN, WAN], &datagram(server, client, "again\r\n")), [vip, client]);
    assert_eq!(through(&mut lab, [WAN, LAN], &datagram(client, vip, "an answer\r\n")), [client, server]);
    // The template leads other datagrams of the call to the server, though it takes nothing new.
    let elsewhere = SocketAddr::new(client.ip(), sport + 100);
    assert_eq!(through(&mut lab, [WAN, LAN], &datagram(elsewhere, vip, &invite("1@a"))), [elsewhere, server]);
    assert_eq!((lab.connections().len(), lab.state(0).connections()), (2, 2));
    let stranger = SocketAddr::new(client.ip(), sport + 200);
    assert_eq!(through(&mut lab, [LAN, WAN], &datagram(server, stranger, "no call\r\n")), [server, stranger]);
    assert_eq!(lab.connections().len(), 2);
    lab.check_accounts();
}

#[test]
fn calls_of_servers_find_home_on_any_worker() {
    let fours = [VIP.into(), client(2).into(), server(11).into()];
    let sixes = [VIP6.into(), client6(2).into(), server6(11).into()];
    for (device, steering) in
        [(Device::Single, Steering::Tuple), (Device::Many, Steering::Tuple), (Device::Single, Steering::Client)]
    {
        for sport in 4000..4006 {
            calls(crew(&plan_of(device, 3, steering), 100), fours, sport);
            calls(crew(&plan_of(device, 3, steering), 100), sixes, sport);
        }
    }
    calls(Lab::new(100), fours, 4000);
}

/// As the kernel has it: the client's packets go where the last call came from, and to the older server again after that
/// connection is over. Replies of both pass all the time.
#[test]
fn a_server_calls_a_client_whose_packets_go_to_another() {
    let mut lab = Lab::new(100);
    service(&mut lab, VIP.into(), server(12).into());
    let key = ServiceKey::Address { protocol: Protocol::Udp, address: VIP.into(), port: SIP };
    let caller = lab.tables.services[&key].servers[0];
    lab.service(Protocol::Udp, VIP, SIP, Rr, &[(server(11), SIP, Nat, 1)]);
    lab.manner(key, Manner { one_packet: false, persistent: Some(persistent()) });
    lab.list(key, |list| list.push(caller));
    lab.know_servers(11..=12);
    let [vip, client, older, newer] = [VIP, client(2), server(11), server(12)].map(|a| SocketAddr::new(a.into(), SIP));
    let [inward, outward] = [[WAN, LAN], [LAN, WAN]];
    let call = |from, to, id: &str| datagram(from, to, &format!("INVITE sip:a@b SIP/2.0\r\nCall-ID: {id}\r\n\r\n"));

    assert_eq!(through(&mut lab, inward, &call(client, vip, "c@1")), [client, older]);
    assert_eq!(through(&mut lab, outward, &call(newer, client, "s@1")), [vip, client]);
    assert_eq!(lab.connections().len(), 2);
    assert_eq!(through(&mut lab, inward, &call(client, vip, "c@1")), [client, newer]);
    lab.pass(290 * SECOND);
    assert_eq!(through(&mut lab, outward, &call(older, client, "c@1")), [vip, client]);
    lab.pass(20 * SECOND);
    assert_eq!(lab.connections().len(), 1, "the newer one is over");
    assert_eq!(through(&mut lab, inward, &call(client, vip, "c@1")), [client, older]);
    assert_eq!(lab.connections().len(), 1);
    lab.check_accounts();
}

#[test]
fn a_call_without_room_is_dropped_and_leaves_nothing() {
    let mut lab = Lab::new(0);
    service(&mut lab, VIP.into(), server(11).into());
    let from = SocketAddr::new(server(11).into(), SIP);
    lab.feed(LAN, &datagram(from, SocketAddr::new(client(2).into(), 4000), "BYE\r\nCall-ID: 1@a\r\n\r\n"));
    assert_eq!((lab.count("drop_connections_full"), lab.state(0).connections()), (1, 0));
    lab.check_accounts();
}

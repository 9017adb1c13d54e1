//! Packets through NAT, DR and tunnels: sizes around the MTU, fragments, IP and TCP options, checksums, ICMP errors.

use serde_json::{Value, json};

use crate::dice::Dice;
use crate::generate::Draft;
use crate::words::{Family, Service, dump, ipvsadm, sysctl};

const TUNNELS: [&str; 7] = [
    "i",
    "i",
    "i --tun-type gre",
    "i --tun-type gre --tun-csum",
    "i --tun-type gue --tun-port 6080",
    "i --tun-type gue --tun-port 6080 --tun-csum",
    "i --tun-type gue --tun-port 6080 --tun-nocsum",
];

/// A connection that is opened, and packets of every sort about it.
pub(crate) fn draft(dice: &mut Dice) -> Draft {
    let family = Family::roll(dice, 40);
    let method = match dice.number(0..=4) {
        0 | 1 => "m",
        2 => "g",
        _ => dice.pick(&TUNNELS),
    };
    let mtu = dice.pick(&[1500, 1500, 1400]);
    let traffic = Traffic::new(family, method, mtu);
    let mut steps = Vec::new();
    for service in &traffic.services {
        steps.extend([ipvsadm(service.added("rr")), ipvsadm(service.put('a', 11, 1))]);
    }
    if dice.percent(30) {
        let (name, most) =
            dice.pick(&[("pmtu_disc", 1), ("nat_icmp_send", 1), ("schedule_icmp", 1), ("sloppy_tcp", 1)]);
        steps.push(sysctl(name, dice.number(0..=most)));
    }
    let protocol = dice.number(0..=1) as usize;
    steps.push(json!({ "send": traffic.first(protocol) }));
    for _ in 0..dice.number(2..=5) {
        steps.push(json!({ "send": traffic.packet(dice, protocol) }));
    }
    steps.push(dump(&["-Lnc", "-Ln"]));
    let about = format!("packets of {} through -{method}, MTU {mtu}", ["TCP", "UDP"][protocol]);
    Draft { about, net: json!({ "mtu_server": mtu }), steps }
}

/// Bytes that the clients' link takes.
const CLIENTS_MTU: u64 = 1500;

/// One connection of each protocol, and what goes on between its ends.
struct Traffic {
    family: Family,
    nat: bool,
    tunnel: bool,
    mtu: u64,
    /// TCP, UDP.
    services: [Service; 2],
}

/// The client's ports: TCP, UDP.
const PORTS: [u64; 2] = [4000, 5000];
const NAMES: [&str; 2] = ["tcp", "udp"];

impl Traffic {
    fn new(family: Family, method: &str, mtu: u64) -> Self {
        let nat = method == "m";
        let service = |protocol, port, server_port| Service {
            family,
            protocol,
            port,
            method: method.into(),
            server_port: if nat { server_port } else { port },
        };
        let services = [service("t", 80, 8080), service("u", 53, 5353)];
        Self { family, nat, tunnel: method.starts_with('i'), mtu, services }
    }

    fn request(&self, protocol: usize) -> Value {
        json!({
            "src": self.family.client(0, 0), "dst": self.family.vip(),
            "sport": PORTS[protocol], "dport": self.services[protocol].port, "proto": NAMES[protocol],
        })
    }

    fn answer(&self, protocol: usize) -> Value {
        json!({
            "leg": "server", "src": self.family.server(11), "dst": self.family.client(0, 0),
            "sport": self.services[protocol].server_port, "dport": PORTS[protocol], "proto": NAMES[protocol],
        })
    }

    /// What opens the connection.
    fn first(&self, protocol: usize) -> Value {
        let mut packet = self.request(protocol);
        if protocol == 0 {
            packet["flags"] = "S".into();
        } else {
            packet["data"] = 20.into();
        }
        packet
    }

    fn packet(&self, dice: &mut Dice, protocol: usize) -> Value {
        match dice.number(0..=9) {
            0..=3 => self.dress(dice, self.request(protocol), protocol),
            4 | 5 if self.nat => self.dress(dice, self.answer(protocol), protocol),
            9 => self.echo(),
            _ => self.error(dice, protocol),
        }
    }

    /// Header fields, a payload, and perhaps something that is wrong.
    fn dress(&self, dice: &mut Dice, mut packet: Value, protocol: usize) -> Value {
        let link = if packet["leg"] == "server" { self.mtu } else { CLIENTS_MTU };
        packet["data"] = self.size(dice, protocol, link).into();
        packet["ttl"] = dice.pick(&[64, 64, 64, 255, 2, 1]).into();
        packet["tos"] = dice.pick(&[0, 0, 0x10, 0xb8, 3]).into();
        if self.family == Family::V4 {
            packet["id"] = dice.number(1..=65535).into();
            packet["df"] = dice.percent(40).into();
            if dice.percent(8) && packet["data"].as_u64() < Some(1000) {
                packet["ipopts"] = dice.pick(&["01010101", "94040000", "01010100"]).into();
            }
        }
        if protocol == 0 {
            packet["flags"] = dice.pick(&["A", "PA", "PA", "FA", "R", "SA"]).into();
            packet["seq"] = dice.number(0..=0xffff_ffff).into();
            if dice.percent(30) && packet["data"].as_u64() < Some(1000) {
                packet["opts"] = dice.pick(&["020405b4", "0204ffff0103030a", "0101080a0000000100000000"]).into();
            }
        }
        if dice.percent(8) {
            let sums: &[&str] = if protocol == 1 { &["bad", "zero"] } else { &["bad"] };
            packet["csum"] = dice.pick(sums).into();
        }
        if dice.percent(25) {
            cut(dice, &mut packet);
        }
        packet
    }

    /// Bytes of payload: few, or about as many as the servers' link takes, but no more than the link takes that it comes by.
    fn size(&self, dice: &mut Dice, protocol: usize, link: u64) -> u64 {
        if dice.percent(65) {
            return dice.pick(&[0, 1, 7, 20, 64, 100]);
        }
        let (ip, transport) = (if self.family == Family::V4 { 20 } else { 40 }, [20, 8][protocol]);
        let tunnel = if self.tunnel { dice.pick(&[0, ip, ip + 4, ip + 8]) } else { 0 };
        (self.mtu + dice.number(0..=3)).min(link) - ip - transport - tunnel - dice.pick(&[0, 0, 1, 16])
    }

    /// An ICMP error about the connection, from the server, a router beside it, or the client's side.
    fn error(&self, dice: &mut Dice, protocol: usize) -> Value {
        let six = self.family == Family::V6;
        let kinds: &[(u64, u64)] = if six {
            &[(1, 4), (1, 3), (2, 0), (3, 0), (3, 1), (4, 1)]
        } else {
            &[(3, 3), (3, 1), (3, 4), (3, 13), (11, 0), (11, 1), (12, 0)]
        };
        let (kind, code) = dice.pick(kinds);
        let mut packet = json!({ "proto": if six { "icmp6" } else { "icmp" }, "icmp_type": kind, "icmp_code": code });
        if (kind, code) == (if six { (2, 0) } else { (3, 4) }) {
            packet["mtu"] = dice.pick(&[1280, 1300, 1400]).into();
        }
        if dice.percent(25) {
            packet["inner_len"] = dice.pick(if six { &[48, 60, 68] } else { &[28, 32, 40] }).into();
        }
        let ends =
            if dice.percent(50) { self.about_request(dice, protocol) } else { self.about_answer(dice, protocol) };
        merged(packet, ends)
    }

    /// About a packet to the server, or about the tunnel that it was in.
    fn about_request(&self, dice: &mut Dice, protocol: usize) -> Value {
        let (server, router, client) = (self.family.server(11), self.family.router(), self.family.client(0, 0));
        if self.tunnel {
            return json!({ "leg": "server", "src": router, "dst": self.family.director(), "inner": "server" });
        }
        let mut inner = self.first(protocol);
        if self.nat {
            inner["dst"] = server.clone().into();
            inner["dport"] = self.services[protocol].server_port.into();
        }
        let src = if self.nat { dice.pick(&[server, router]) } else { router };
        json!({ "leg": "server", "src": src, "dst": client, "inner": inner })
    }

    /// About a packet from the virtual address to the client.
    fn about_answer(&self, dice: &mut Dice, protocol: usize) -> Value {
        let (client, vip) = (self.family.client(0, 0), self.family.vip());
        let inner = json!({
            "src": vip, "dst": client, "sport": self.services[protocol].port,
            "dport": if dice.percent(85) { PORTS[protocol] } else { 4444 },
            "proto": NAMES[protocol], "data": dice.pick(&[0, 10, 60]), "ttl": dice.pick(&[1, 60]),
        });
        json!({ "src": dice.pick(&[client, self.family.stranger()]), "dst": vip, "inner": inner })
    }

    fn echo(&self) -> Value {
        let proto = if self.family == Family::V4 { "icmp" } else { "icmp6" };
        json!({ "src": self.family.client(0, 0), "dst": self.family.vip(), "proto": proto, "icmp_id": 7, "data": "ping" })
    }
}

/// Cuts a packet into a few fragments, in any order, sometimes without one.
fn cut(dice: &mut Dice, packet: &mut Value) {
    let data = packet["data"].as_u64().unwrap_or(0).max(70);
    let size = dice.pick(&[24, 32, 48]).max(data.div_ceil(4 * 8) * 8);
    packet["data"] = data.into();
    packet["df"] = false.into();
    packet["frag_size"] = size.into();
    if dice.percent(40) {
        // Whatever there is beside payload is at most 40 bytes: two fragments at least.
        packet["frag_order"] = dice.pick(&[json!([1, 0]), json!([0]), json!([0, 1, 1])]);
    }
}

/// Two objects as one.
fn merged(mut one: Value, other: Value) -> Value {
    if let (Value::Object(all), Value::Object(more)) = (&mut one, other) {
        all.extend(more);
    }
    one
}

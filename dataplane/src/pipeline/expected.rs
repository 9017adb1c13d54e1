//! The first packet of a connection that was announced: the connection is made as announced, on the worker where its
//! client's packets land. After `ip_vs_conn_in_get`, `ip_vs_conn_out_get` and `ip_vs_conn_fill_cport` (`ip_vs_conn.c`).

use std::net::{IpAddr, SocketAddr};

use bytemuck::Zeroable;

use super::{Context, schedule, track};
use crate::conn::{Conn, ConnTable, NONE, flag};
use crate::expected::Expected;
use crate::flow::{Direction, ForwardMethod, Protocol, Tuple};
use crate::forward::{nat, nat6};
use crate::packet::{Arrival, Meta, Step};
use crate::proto::tcp::State;
use crate::shard::Shard;
use crate::wire::checksum::Change;

/// The step of a packet of no connection, if it belongs to one that is expected.
#[cold]
#[inline(never)]
pub(super) fn step<B>(frame: &[u8], meta: &mut Meta, shard: &mut Shard<B>, context: Context<'_>) -> Option<Step> {
    let counts = meta.protocol() == Protocol::Tcp.number()
        && !matches!(meta.arrival, Arrival::Signed { .. })
        && !context.tables.unhooked.passes(meta.kind);
    let [source, destination] = meta.ends(frame).filter(|_| counts)?;
    let ends = [SocketAddr::new(source, meta.tuple.sport), SocketAddr::new(destination, meta.tuple.dport)];
    let all = &context.tables.templates.expected;
    let in_direction = |direction| all.find(ends, direction).map(|found| (found, direction));
    let (found, direction) = in_direction(Direction::Request).or_else(|| in_direction(Direction::Reply))?;
    let mut conn = connection(&found, &shard.table)?;
    match direction {
        Direction::Request => conn.client_port = meta.tuple.sport,
        Direction::Reply => {
            if let Some(worker) = shard.station.home_of(&conn) {
                return Some(Step::Handoff { worker, conn: NONE });
            }
        }
    }
    if !all.take(&found) {
        return None;
    }
    let hashes = [conn.request_key(), conn.reply_key()].map(|key| shard.table.hash(&key));
    match schedule::enter(conn, false, hashes, shard, context) {
        Ok(index) => {
            let step = track::step(meta, index, direction, shard, context);
            shard.watch(index);
            Some(step)
        }
        Err(reason) => {
            // It may be sent again, and there may be room then.
            all.put_back(Expected { last_used: context.now.0, ..found }, |gone| let_go(gone, context));
            Some(Step::Drop(reason))
        }
    }
}

/// What was expected gave way: its server has one less.
pub(super) fn let_go(gone: &Expected, context: Context<'_>) {
    context.servers.get(gone.slot).inspect(|server| server.unbind(true));
    crate::counters::add(&context.link.counters.announcements_evicted, 1);
}

/// As it was announced. `None` where its ends are of different families.
fn connection(expected: &Expected, table: &ConnTable) -> Option<Conn> {
    let Expected { client, vip, server, .. } = *expected;
    Some(Conn {
        state: State::Listen as u8,
        server_generation: expected.generation,
        last_seen: expected.last_used,
        timeout: expected.timeout,
        server_slot: expected.slot,
        controller: expected.controller,
        ..between(Protocol::Tcp, [vip, client, server], table)?
    })
}

/// A connection by NAT whose first packet its server may send. `None` where the virtual address, the client and the server
/// are of different families.
pub(super) fn between(protocol: Protocol, ends: [SocketAddr; 3], table: &ConnTable) -> Option<Conn> {
    let [vip, client, server] = ends;
    let (six, addresses6, changes) = match ends.map(|end| end.ip()) {
        [IpAddr::V4(vip_ip), IpAddr::V4(_), IpAddr::V4(server_ip)] => {
            let changes = nat::changes((vip_ip.to_bits(), vip.port()), (server_ip.to_bits(), server.port()));
            (0, [[0; 16]; 3], changes)
        }
        [IpAddr::V6(vip_ip), IpAddr::V6(client_ip), IpAddr::V6(server_ip)] => {
            let octets = [vip_ip, client_ip, server_ip].map(|address| address.octets());
            let transport = nat6::change((&octets[0], vip.port()), (&octets[2], server.port()));
            (flag::CLIENT_V6 | flag::SERVER_V6, octets, (Change::from_number(0), transport))
        }
        _ => return None,
    };
    let protocol = protocol.number();
    Some(Conn {
        vip: address(vip.ip(), table),
        client: address(client.ip(), table),
        server: address(server.ip(), table),
        vip_port: vip.port(),
        client_port: client.port(),
        server_port: server.port(),
        protocol: if six == 0 { protocol } else { Tuple::marked(protocol) },
        flags: flag::INACTIVE | six,
        forward: ForwardMethod::Nat as u8,
        hop_request: NONE,
        hop_reply: NONE,
        header_change: changes.0.number(),
        transport_change: changes.1.number(),
        side: NONE,
        addresses6,
        controller: NONE,
        ..Conn::zeroed()
    })
}

/// What stands for an address in the keys of a table.
pub(super) fn address(address: IpAddr, table: &ConnTable) -> u32 {
    match address {
        IpAddr::V4(address) => address.to_bits(),
        IpAddr::V6(address) => table.digest(&address.octets()),
    }
}

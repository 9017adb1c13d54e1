//! What a packet belongs to: a connection here, or another worker.

use std::net::IpAddr;

use crate::conn::{ConnTable, Found};
use crate::flow::Direction;
use crate::packet::{Arrival, Meta};
use crate::pipeline::scene::Context;
use crate::shard::Shard;

/// What a packet belongs to, where connections count ([`Unhooked`](crate::tables::Unhooked)). A signpost that led here
/// named the connection.
pub(crate) fn known<B>(frame: &[u8], meta: &Meta, shard: &Shard<B>, context: Context<'_>) -> Option<Found> {
    if context.tables.unhooked.passes(meta.kind) {
        return None;
    }
    let table = &shard.table;
    let six = if meta.kind.is_v6() { Some(meta.ends6(frame)?) } else { None };
    if let Arrival::Signed { conn } = meta.arrival {
        let same = |ends| table.is_between(conn, Direction::Reply, ends);
        let there = table.is_reply_of(conn, &meta.tuple) && six.is_none_or(same);
        return there.then_some(Found::Conn(conn, Direction::Reply));
    }
    match six {
        None => table.find(meta.hash, &meta.tuple),
        Some(ends) => table.find6(meta.hash, &meta.tuple, ends),
    }
}

/// Devices that land packets at home may err, so a packet without a connection is looked at again before it starts one.
pub(crate) fn belongs_elsewhere<B>(frame: &[u8], meta: &Meta, shard: &Shard<B>) -> Option<u16> {
    if shard.station.is_alone() || meta.arrival != Arrival::Device {
        return None;
    }
    shard.station.stray(meta.lan.port(), &meta.tuple, meta.six(frame))
}

/// What stands for an address in the keys of a table.
pub(crate) fn word(address: IpAddr, table: &ConnTable) -> u32 {
    match address {
        IpAddr::V4(address) => address.to_bits(),
        IpAddr::V6(address) => table.digest(&address.octets()),
    }
}

//! Unwrap: IPv4 in IPv4 to an address of the director, as the kernel's device `tunl0` takes it out (`ip_tunnel_rcv`,
//! `net/ipv4/ip_tunnel.c`). From here on the outer header is not there, but for what it said of congestion (RFC 6040 4.2).

use super::ip;
use crate::packet::{Kind, Meta, Step};
use crate::port::PacketBuf;
use crate::tables::Tables;
use crate::verdict::Drop;
use crate::wire::{be16, ecn, ipv4};

const IPIP: u8 = 4;

/// Takes the inner packet out, where there is one and `unwrap_ipip` says so. Only once: whoever sends may wrap as often as
/// fits.
pub(super) fn run<P: PacketBuf>(packet: &mut P, meta: &mut Meta, tables: &Tables) -> Result<(), Step> {
    let is_wrapped = meta.kind == Kind::Other4 && meta.tuple.protocol == IPIP && tables.options.unwrap_ipip;
    if is_wrapped && tables.locals.v4.get(&meta.tuple.dst) == Some(&true) {
        unwrap(packet, meta, tables)
    } else {
        Ok(())
    }
}

#[cold]
fn unwrap<P: PacketBuf>(packet: &mut P, meta: &mut Meta, tables: &Tables) -> Result<(), Step> {
    let malformed = Step::Drop(Drop::Malformed);
    let (start, end) = (usize::from(meta.l3), meta.end as usize);
    let frame = packet.data_mut().get_mut(..end).ok_or(malformed)?;
    let (outside, inside) = frame.split_at_mut_checked(usize::from(meta.l4)).ok_or(malformed)?;
    meta.l3 = meta.l4;
    ip::packet4(inside, meta, tables)?;
    let [outer, inner] = [be16(outside, start), be16(inside, 0)].map(|word| word as u8);
    let tos = ecn::inner(outer, inner).ok_or(Step::Drop(Drop::Congestion))?;
    let header = usize::from(inside.first().map_or(0, |first| first & 15)) * 4;
    if tos != inner
        && let Some(header) = inside.get_mut(..header.max(ipv4::HEADER))
    {
        ecn::write4(header, tos);
    }
    Ok(())
}

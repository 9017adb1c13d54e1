//! FTP: what a control connection says is read, the server's address in it becomes the virtual one, and the data
//! connection that it announces is expected. After `ip_vs_ftp_in`, `ip_vs_ftp_out` (`ip_vs_ftp.c`) and, for the sequence
//! numbers, `nf_ct_seq_adjust` (`nf_conntrack_seqadj.c`), which does that part for the kernel.
//!
//! Such a connection remembers no next hop, so that its packets take the long way through the stages and come here, and
//! others are not asked whether they do.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use crate::conn::{Found, Helped, Mode, NONE, Shift, Snapshot, flag};
use crate::expected::{Expected, Planted};
use crate::flow::{Direction, Tuple};
use crate::method::{Rewrite, Treatment};
use crate::packet::{Meta, Step};
use crate::pipeline::desk::Desk;
use crate::pipeline::find::known;
use crate::pipeline::scene::Context;
use crate::port::PacketBuf;
use crate::proto::ftp::{self, Command};
use crate::proto::tcp::State;
use crate::verdict::Drop;
use crate::wire::checksum::{Delta, Sum};
use crate::wire::{be16, be32, put, tcp};

/// A packet of a control connection that is about to be sent on: before one of its ends is changed.
#[cold]
#[inline(never)]
pub(super) fn run<B: PacketBuf>(
    packet: &mut B,
    meta: &mut Meta,
    (index, treatment): (u32, Treatment),
    desk: &mut Desk<'_, B>,
) -> Result<(), Drop> {
    let conn = desk.shard.table.snapshot(index);
    let Some(mut helped) = desk.shard.helpers.get(conn.helper()).copied() else { return Ok(()) };
    if checksum(packet.data(), meta) != Some(0) {
        return Err(Drop::TransportChecksum);
    }
    let payload = payload(packet.data(), meta).filter(|_| conn.state() == State::Established as u8);
    let seq = be32(packet.data(), usize::from(meta.l4) + 4);
    let reply = treatment.rewrite == Rewrite::ToClient;
    let result = match (payload, reply) {
        (None, _) => Ok(()),
        (Some(payload), true) => answered(packet, meta, payload, (&conn, &mut helped), desk.context),
        (Some(payload), false) => {
            let said = ftp::command(&packet.data()[payload], conn.has(flag::CLIENT_V6));
            asked(said, &conn, &mut helped, desk);
            Ok(())
        }
    };
    shift_numbers(packet.data_mut(), meta, seq, &helped.shift, reply);
    if let Some(place) = desk.shard.helpers.get_mut(conn.helper()) {
        *place = helped;
    }
    result
}

/// The sum of the segment: 0 where its checksum is right; what its checksum is to be, where that is 0 in it.
fn checksum(frame: &[u8], meta: &Meta) -> Option<u16> {
    let segment = frame.get(usize::from(meta.l4)..meta.end as usize)?;
    let sum = match meta.kind.is_v6() {
        true => {
            let [source, destination] = meta.ends6(frame)?;
            Sum::default().pseudo(source, destination, meta.protocol(), segment.len())
        }
        false => {
            let (source, destination) = (meta.tuple.src.to_be_bytes(), meta.tuple.dst.to_be_bytes());
            Sum::default().pseudo(&source, &destination, meta.protocol(), segment.len())
        }
    };
    Some(sum.bytes(segment).finish())
}

/// Where the payload is, if there is any.
fn payload(frame: &[u8], meta: &Meta) -> Option<Range<usize>> {
    let (start, end) = (usize::from(meta.l4), meta.end as usize);
    let header = usize::from(*frame.get(start + 12)? >> 4) * 4;
    let from = start + header;
    (header >= tcp::HEADER && from < end && end <= frame.len()).then_some(from..end)
}

/// What the client says.
fn asked<B>(said: Option<Command>, conn: &Snapshot, helped: &mut Helped, desk: &mut Desk<'_, B>) {
    let client = match said {
        None => return,
        Some(Command::Passive(mode)) => {
            helped.mode = mode;
            return;
        }
        Some(Command::Active(client)) => client,
    };
    if is_refused(client, conn.client_address(), desk.context) {
        return;
    }
    helped.mode = Mode::Active;
    // The port beside that of control: 20.
    let beside = |mut end: SocketAddr| {
        end.set_port(end.port().wrapping_sub(1));
        end
    };
    let [_, vip, server] = conn.ends().map(beside);
    if !listen_again(client, vip, conn, desk) {
        announce([client, vip, server], conn, helped, desk.context);
    }
}

/// Whether somebody announces an address that is not his own: nobody is to have a server connect to a third party, or have
/// clients do it (RFC 2577 3). Under `strict_parity` it counts, as in the kernel.
fn is_refused(announced: SocketAddr, own: IpAddr, context: Context<'_>) -> bool {
    let refused = announced.ip() != own && !context.tables.options.strict_parity;
    if refused {
        crate::counters::add(&context.link.counters.announcements_refused, 1);
    }
    refused
}

/// A data connection between these ends that is here already, as it may be after the last transfer, waits anew.
fn listen_again<B>(client: SocketAddr, vip: SocketAddr, conn: &Snapshot, desk: &mut Desk<'_, B>) -> bool {
    let src = known::word(client.ip(), &desk.shard.table);
    let key = Tuple {
        src,
        dst: conn.virtual_end().0,
        sport: client.port(),
        dport: vip.port(),
        protocol: conn.marked_protocol(),
    };
    let hash = desk.shard.table.hash(&key);
    desk.shard.table.settle_for(hash);
    let Some(Found::Conn(index, Direction::Request)) = desk.shard.table.find(hash, &key) else { return false };
    let table = &mut desk.shard.table;
    if [table.client_address(index), table.vip_address(index)] != [client.ip(), vip.ip()] {
        return false;
    }
    table.restate(index, State::Listen as u8);
    table[index].renew(desk.context.now, timeout(desk.context));
    desk.shard.shortened(index);
    true
}

fn timeout(context: Context<'_>) -> u32 {
    context.tables.timeouts.tcp[State::Listen as usize]
}

/// What the server says: where it says that it listens, the virtual end is put in its place. Once, as in the kernel: what
/// it says without being asked anew stays as it is.
fn answered<B: PacketBuf>(
    packet: &mut B,
    meta: &mut Meta,
    payload: Range<usize>,
    (conn, helped): (&Snapshot, &mut Helped),
    context: Context<'_>,
) -> Result<(), Drop> {
    let start = payload.start;
    let Some(offer) = ftp::offer(&packet.data()[payload], helped.mode, conn.server_address()) else { return Ok(()) };
    if is_refused(offer.address, conn.server_address(), context) {
        return Ok(());
    }
    let [mut client, mut vip, _] = conn.ends();
    client.set_port(0);
    vip.set_port(offer.address.port());
    let vip = announce([client, vip, offer.address], conn, helped, context);
    let text = ftp::text(helped.mode, vip);
    helped.mode = Mode::Active;
    let seq = be32(packet.data(), usize::from(meta.l4) + 4);
    let range = start + offer.range.start..start + offer.range.end;
    let longer = text.len() as i32 - range.len() as i32;
    replace(packet, meta, range, &text, context)?;
    helped.shift.grow(seq, longer);
    // It counts as it leaves.
    context.link.totals.get(conn.server_slot()).inspect(|totals| totals.longer(Direction::Reply, longer));
    Ok(())
}

/// Expects a data connection. Returns its virtual end: if it was expected already, that of then.
fn announce(
    [client, vip, server]: [SocketAddr; 3],
    conn: &Snapshot,
    helped: &mut Helped,
    context: Context<'_>,
) -> SocketAddr {
    let all = context.expected;
    let Some(state) = context.servers.get(conn.server_slot()) else { return vip };
    if helped.controller == NONE {
        helped.controller = all.control();
    }
    // It may come at once, to another worker, so it is counted before.
    let was_open = state.bind_anyway();
    let expected = Expected {
        client,
        vip,
        server,
        slot: conn.server_slot(),
        generation: conn.server_generation(),
        controller: helped.controller,
        last_used: context.now.0,
        timeout: timeout(context),
    };
    match all.plant(expected, |gone| context.let_go(gone)) {
        Planted::New => vip,
        Planted::Again(old) => {
            state.give_back(was_open);
            old.vip
        }
    }
}

/// Puts a text in the place of another; the packet grows or shrinks, and its headers say so.
fn replace<B: PacketBuf>(
    packet: &mut B,
    meta: &mut Meta,
    range: Range<usize>,
    text: &[u8],
    context: Context<'_>,
) -> Result<(), Drop> {
    let old = meta.end as usize;
    let new = old - range.len() + text.len();
    let Step::Send { hop, .. } = meta.step else { return Ok(()) };
    let mtu = context.tables.net.hops.get(hop).map_or(u16::MAX, |hop| hop.mtu);
    let len = new - usize::from(meta.l3);
    // There is nobody to tell: the sender's packet was not too large.
    if len > usize::from(mtu) {
        return Err(Drop::NeedsFragmenting);
    }
    if new > old && !packet.set_len(new) {
        return Err(Drop::NoTailroom);
    }
    let frame = packet.data_mut();
    frame.copy_within(range.end..old, range.start + text.len());
    put(frame, range.start, text);
    packet.set_len(new);
    meta.end = new as u32;
    say_length(packet.data_mut(), meta, len as u16);
    Ok(())
}

fn say_length(frame: &mut [u8], meta: &Meta, len: u16) {
    const TOTAL_LENGTH: usize = 2;
    const HEADER_CHECKSUM: usize = 10;
    const PAYLOAD_LENGTH: usize = 4;
    let l3 = usize::from(meta.l3);
    if meta.kind.is_v6() {
        let payload = len - crate::wire::ipv6::HEADER as u16;
        return put(frame, l3 + PAYLOAD_LENGTH, &payload.to_be_bytes());
    }
    let change = Delta::default().word(be16(frame, l3 + TOTAL_LENGTH), len);
    let sum = change.apply(be16(frame, l3 + HEADER_CHECKSUM));
    put(frame, l3 + TOTAL_LENGTH, &len.to_be_bytes());
    put(frame, l3 + HEADER_CHECKSUM, &sum.to_be_bytes());
}

/// Sequence numbers of the server, acknowledgements of the client, and the checksum over all that has changed.
fn shift_numbers(frame: &mut [u8], meta: &Meta, seq: u32, shift: &Shift, reply: bool) {
    if shift.is_none() {
        return fill_checksum(frame, meta);
    }
    let l4 = usize::from(meta.l4);
    if reply {
        put(frame, l4 + 4, &shift.forth(seq).to_be_bytes());
    } else if meta.tcp_flags & tcp::ACK != 0 {
        let ack = be32(frame, l4 + 8);
        put(frame, l4 + 8, &shift.back(ack).to_be_bytes());
        let options = payload_start(frame, l4).and_then(|end| frame.get_mut(l4 + tcp::HEADER..end));
        options.into_iter().for_each(|options| shift_sack(options, shift));
    }
    fill_checksum(frame, meta);
}

fn payload_start(frame: &[u8], l4: usize) -> Option<usize> {
    Some(l4 + usize::from(*frame.get(l4 + 12)? >> 4) * 4)
}

/// Selective acknowledgements (RFC 2018 3): pairs of the receiver's numbers.
fn shift_sack(mut options: &mut [u8], shift: &Shift) {
    const END: u8 = 0;
    const NOTHING: u8 = 1;
    const SACK: u8 = 5;
    while let [kind, ..] = *options {
        let len = match (kind, options.get(1)) {
            (END, _) | (_, None) => return,
            (NOTHING, _) => 1,
            (_, Some(len)) => usize::from(*len),
        };
        let Some((option, rest)) = options.split_at_mut_checked(len).filter(|_| len > 0) else { return };
        if kind == SACK && len % 8 == 2 {
            for edge in option[2..].chunks_exact_mut(4) {
                let shifted = shift.back(be32(edge, 0));
                put(edge, 0, &shifted.to_be_bytes());
            }
        }
        options = rest;
    }
}

fn fill_checksum(frame: &mut [u8], meta: &Meta) {
    let at = usize::from(meta.l4) + tcp::CHECKSUM;
    put(frame, at, &[0, 0]);
    if let Some(sum) = checksum(frame, meta) {
        put(frame, at, &sum.to_be_bytes());
    }
}

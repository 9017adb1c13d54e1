//! FTP: what a control connection says is read, the server's address in it becomes the virtual one, and the data
//! connection that it announces is expected. After `ip_vs_ftp_in`, `ip_vs_ftp_out` (`ip_vs_ftp.c`). Where an answer gets
//! longer, the server's sequence numbers are shifted from then on.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use crate::conn::{Found, Mode, NONE, Snapshot, flag};
use crate::expected::{Expected, Planted};
use crate::flow::{Direction, Tuple};
use crate::forward::grow::{self, Refused};
use crate::method::{Rewrite, Treatment};
use crate::packet::{Meta, Step};
use crate::pipeline::desk::Desk;
use crate::pipeline::find::known;
use crate::pipeline::scene::Context;
use crate::port::PacketBuf;
use crate::proto::ftp::{self, Command};
use crate::proto::tcp::State;
use crate::verdict::Drop;
use crate::wire::checksum::Sum;
use crate::wire::{be32, tcp};

/// A control connection.
pub(super) struct Control<'a> {
    pub(super) conn: &'a Snapshot,
    pub(super) index: u32,
    /// What its client asked for last.
    pub(super) mode: &'a mut Mode,
    /// By what its data connections name it, [`NONE`] = it had none.
    pub(super) controller: &'a mut u32,
}

/// A packet of a control connection: what it says is read, and changed.
pub(super) fn run<B: PacketBuf>(
    packet: &mut B,
    meta: &mut Meta,
    control: Control<'_>,
    treatment: Treatment,
    desk: &mut Desk<'_, B>,
) -> Result<(), Drop> {
    if checksum(packet.data(), meta) != Some(0) {
        return Err(Drop::TransportChecksum);
    }
    let established = control.conn.state() == State::Established as u8;
    let Some(payload) = payload(packet.data(), meta).filter(|_| established) else { return Ok(()) };
    if treatment.rewrite == Rewrite::ToClient {
        return answered(packet, meta, payload, control, desk);
    }
    asked(ftp::command(&packet.data()[payload], control.conn.has(flag::CLIENT_V6)), control, desk);
    Ok(())
}

/// The sum of the segment: 0 where its checksum is right.
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
fn asked<B>(said: Option<Command>, control: Control<'_>, desk: &mut Desk<'_, B>) {
    let conn = control.conn;
    let client = match said {
        None => return,
        Some(Command::Passive(mode)) => {
            *control.mode = mode;
            return;
        }
        Some(Command::Active(client)) => client,
    };
    if is_refused(client, conn.client_address(), desk.context) {
        return;
    }
    *control.mode = Mode::Active;
    // The port beside that of control: 20.
    let beside = |mut end: SocketAddr| {
        end.set_port(end.port().wrapping_sub(1));
        end
    };
    let [_, vip, server] = conn.ends().map(beside);
    if !listen_again(client, vip, conn, desk) {
        announce([client, vip, server], control, desk.context);
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
    control: Control<'_>,
    desk: &mut Desk<'_, B>,
) -> Result<(), Drop> {
    let (conn, index, context) = (control.conn, control.index, desk.context);
    let (start, mode) = (payload.start, *control.mode);
    let Some(offer) = ftp::offer(&packet.data()[payload], mode, conn.server_address()) else { return Ok(()) };
    if is_refused(offer.address, conn.server_address(), context) {
        return Ok(());
    }
    let [mut client, mut vip, _] = conn.ends();
    client.set_port(0);
    vip.set_port(offer.address.port());
    *control.mode = Mode::Active;
    let vip = announce([client, vip, offer.address], control, context);
    let seq = be32(packet.data(), usize::from(meta.l4) + 4);
    let range = start + offer.range.start..start + offer.range.end;
    let longer = replace(packet, meta, range, &ftp::text(mode, vip), context)?;
    if longer != 0 {
        desk.shard.table.shifts_mut(index).reply.grow(seq, longer);
    }
    // It counts as it leaves.
    context.link.totals.get(conn.server_slot()).inspect(|totals| totals.longer(Direction::Reply, longer));
    Ok(())
}

/// Expects a data connection. Returns its virtual end: if it was expected already, that of then.
fn announce([client, vip, server]: [SocketAddr; 3], control: Control<'_>, context: Context<'_>) -> SocketAddr {
    let Control { conn, controller, .. } = control;
    let all = context.expected;
    let Some(state) = context.servers.get(conn.server_slot()) else { return vip };
    if *controller == NONE {
        *controller = all.control();
    }
    // It may come at once, to another worker, so it is counted before.
    let was_open = state.bind_anyway();
    let expected = Expected {
        client,
        vip,
        server,
        slot: conn.server_slot(),
        generation: conn.server_generation(),
        controller: *controller,
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

/// Puts a text in the place of another. Returns by how much the packet is longer.
fn replace<B: PacketBuf>(
    packet: &mut B,
    meta: &mut Meta,
    range: Range<usize>,
    text: &[u8],
    context: Context<'_>,
) -> Result<i32, Drop> {
    let Step::Send { hop, .. } = meta.step else { return Ok(0) };
    let mtu = context.tables.net.hops.get(hop).map_or(u16::MAX, |hop| hop.mtu);
    grow::replace(packet, meta, range, text, mtu).map_err(|refused| match refused {
        // There is nobody to tell: the sender's packet was not too large.
        Refused::TooLarge => Drop::NeedsFragmenting,
        Refused::NoTailroom => Drop::NoTailroom,
    })
}

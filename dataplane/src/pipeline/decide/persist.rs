//! Persist: the connections of a client go to one server, by templates. After `ip_vs_sched_persist`, `ip_vs_check_template`
//! and, for calls that a server begins, `ip_vs_new_conn_out` (`ip_vs_core.c`, `ip_vs_conn.c`).

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::choose::{Assignment, Bound, NO_SERVER, choose};
use crate::flow::{Family, Protocol, ServiceKey};
use crate::packet::{Meta, Step};
use crate::pipeline::scene::Context;
use crate::proto::{ftp, sip};
use crate::service::{Engine, Persistent, RealServer, Server, VirtualService};
use crate::shard::let_go;
use crate::template::{Choice, Enlisted, Template, TemplateKey};
use crate::verdict::Drop;
use crate::wire::udp;

/// The server that the client's other connections go to, whatever its thresholds; else the scheduler's choice, which
/// becomes theirs. `None` where the service is not persistent.
#[inline(always)]
pub(super) fn place<'a>(
    frame: &[u8],
    meta: &Meta,
    ends: [IpAddr; 2],
    service: &'a VirtualService,
    context: Context<'a>,
) -> Option<Result<Assignment<'a>, Step>> {
    let persistent = service.manner.persistent?;
    Some(place_of(frame, meta, ends, (service, persistent), context))
}

#[inline(never)]
fn place_of<'a>(
    frame: &[u8],
    meta: &Meta,
    ends: [IpAddr; 2],
    (service, persistent): (&'a VirtualService, Persistent),
    context: Context<'a>,
) -> Result<Assignment<'a>, Step> {
    let own_port = service_port(service);
    let data = match persistent.engine {
        None => None,
        Some(Engine::Sip) => Some(call_id(frame, meta).ok_or(Step::Drop(Drop::NoCallId))?),
    };
    let (key, names_port) = template_key(meta, ends, service, persistent, data);
    let choose = || choose(meta, ends, service, context);
    let wanted = Wanted { key, names_port, timeout: persistent.timeout, only: None };
    let place = enlist(wanted, service, choose, context)?;
    let has_own = meta.tuple.dport == own_port && place.port != 0;
    Ok(Assignment { port: if has_own { place.port } else { meta.tuple.dport }, ..place })
}

/// The place of a connection that a server begins: at that server, whatever its weight and thresholds. A template that leads
/// to another one is no longer found.
pub(super) fn place_of_caller<'a>(
    client: IpAddr,
    service: &'a VirtualService,
    server: RealServer,
    data: Option<Arc<[u8]>>,
    context: Context<'a>,
) -> Result<Assignment<'a>, Step> {
    let (ServiceKey::Address { protocol, address, port }, Some(persistent), Some(state)) =
        (service.key, service.manner.persistent, context.servers.get(server.slot))
    else {
        return Err(NO_SERVER);
    };
    let key = TemplateKey { protocol: protocol.number(), client: persistent.group(client), vip: address, port, data };
    let choose = || Some(Bound { server, state, was_open: state.bind_anyway() });
    let wanted = Wanted { key, names_port: true, timeout: persistent.timeout, only: Some(server.slot) };
    enlist(wanted, service, choose, context)
}

/// A template that is looked for.
struct Wanted {
    key: TemplateKey,
    /// Whether a new one keeps the server's port, too.
    names_port: bool,
    /// Ticks that a new one lives after its last connection.
    timeout: u32,
    /// The slot of the only server that will do.
    only: Option<u32>,
}

/// The template of a key, for one connection more, and where it leads: its server is taken as it is, whatever the service
/// asks. One whose server is gone, quiesced where that counts, or not the only one that will do is no longer found;
/// `choose` names that of a new one.
fn enlist<'a>(
    Wanted { key, names_port, timeout, only }: Wanted,
    service: &'a VirtualService,
    choose: impl FnOnce() -> Option<Bound<'a>>,
    context: Context<'a>,
) -> Result<Assignment<'a>, Step> {
    let quiescent_too = context.tables.sysctls.expire_quiescent_template == 0;
    let owner = service_port(service);
    // By whichever of the two questions finds it.
    let found = Cell::new(None);
    let usable = |template: &Template| {
        let known = server_of(template, context)
            .filter(|(server, _)| only.is_none_or(|slot| slot == server.slot) && (quiescent_too || server.weight > 0))
            .map(|(server, state)| Bound { server, state, was_open: state.bind_anyway() });
        found.set(known.map(|bound| (bound, template.owner != owner)));
        known.is_some()
    };
    let new = || {
        let bound = choose()?;
        bound.state.hold_template();
        found.set(Some((bound, false)));
        let Bound { server, .. } = bound;
        let destination = (server.address, if names_port { server.port } else { 0 });
        Some(Choice { server: server.slot, destination, timeout, owner })
    };
    let gone = |template: &Template| {
        let_go(template, context.servers);
        crate::counters::add(&context.link.counters.templates_evicted, 1);
    };
    let controller = match context.templates.enlist(key, context.now, usable, new, gone) {
        Enlisted::At(handle) => handle,
        Enlisted::NoServer => return Err(NO_SERVER),
        Enlisted::Full => return Err(Step::Drop(Drop::TemplatesFull)),
    };
    let (bound, guest) = found.get().ok_or(NO_SERVER)?;
    Ok(Assignment { bound, port: bound.server.port, controller, guest })
}

/// A template's server as it is now, if it is still there.
fn server_of<'a>(template: &Template, context: Context<'a>) -> Option<(RealServer, &'a Server)> {
    let state = context.servers.get(template.server)?;
    let (address, _) = template.destination;
    Some((state.as_configured(template.server, address)?, state))
}

fn service_port(service: &VirtualService) -> u16 {
    match service.key {
        ServiceKey::Address { port, .. } => port,
        ServiceKey::Mark { .. } => 0,
    }
}

/// The Call-ID of a datagram.
#[cold]
pub(super) fn call_id(frame: &[u8], meta: &Meta) -> Option<Arc<[u8]>> {
    let message = frame.get(usize::from(meta.l4) + udp::HEADER..meta.end as usize);
    message.filter(|_| meta.protocol() == Protocol::Udp.number()).and_then(sip::call_id).map(Arc::from)
}

/// What names the template of a packet, and whether it names the server's port, too.
fn template_key(
    meta: &Meta,
    [client, vip]: [IpAddr; 2],
    service: &VirtualService,
    persistent: Persistent,
    data: Option<Arc<[u8]>>,
) -> (TemplateKey, bool) {
    let own_port = service_port(service);
    let to_own = meta.tuple.dport == own_port;
    // FTP's data connections come to any port: its templates name none.
    let names_port = to_own && own_port != ftp::CONTROL;
    let (protocol, vip) = match service.key {
        ServiceKey::Mark { fwmark, family: Family::Ipv4 } if !to_own => (0, Ipv4Addr::from_bits(fwmark).into()),
        ServiceKey::Mark { fwmark, family: Family::Ipv6 } if !to_own => {
            (0, Ipv6Addr::from_bits(u128::from(fwmark) << 96).into())
        }
        _ => (meta.protocol(), vip),
    };
    let (client, port) = (persistent.group(client), if names_port { own_port } else { 0 });
    (TemplateKey { protocol, client, vip, port, data }, names_port)
}

//! `sluice status`

use std::io::{self, Write};

use dataplane::words::counted;

use super::table::{Table, duration};
use crate::api::{InterfaceStatus, MOST_NAMED, Status, StoreStatus, WorkerStatus};

pub(super) fn print(status: &Status, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "sluice {}, up {}, {}", status.version, duration(status.uptime), status.config)?;
    let [services, servers] =
        [(status.services, "service"), (status.servers, "real server")].map(|(n, of)| counted(n.into(), of));
    writeln!(out, "{services}, {servers}")?;
    if status.strict_parity {
        writeln!(out, "strict parity with the Linux kernel and ipvsadm")?;
    }
    interfaces(&status.interfaces, out)?;
    workers(&status.workers, out)?;
    stores(&status.stores, out)
}

fn interfaces(interfaces: &[InterfaceStatus], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out)?;
    let mut table = Table::new(&["INTERFACE", "LINK", ">MTU", "MAC", "DEVICE", "DRIVER", "ADDRESSES"]);
    for each in interfaces {
        table.row(vec![
            each.name.clone(),
            link(each),
            each.mtu.to_string(),
            each.mac.clone(),
            device(each),
            each.driver.clone(),
            addresses(each),
        ]);
    }
    table.print(out)
}

/// What it is on.
fn device(interface: &InterfaceStatus) -> String {
    match (&interface.parent, interface.vlan) {
        (Some(parent), Some(vlan)) => format!("VLAN {vlan} of {parent}"),
        _ => interface.device.clone(),
    }
}

/// The addresses that the answer names, and how many it leaves out.
fn addresses(interface: &InterfaceStatus) -> String {
    let named = interface.addresses.join(" ");
    match (interface.virtual_addresses as usize).saturating_sub(MOST_NAMED) {
        0 => named,
        left => format!("{named} and {left} more"),
    }
}

fn link(interface: &InterfaceStatus) -> String {
    match (interface.link, interface.speed) {
        _ if interface.gone => "gone".to_owned(),
        (false, _) => "down".to_owned(),
        (true, 0) => "up".to_owned(),
        (true, speed) => format!("up {speed} Mbit/s"),
    }
}

fn workers(workers: &[WorkerStatus], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out)?;
    let mut table = Table::new(&[
        ">WORKER",
        ">CPU",
        "STATE",
        ">CONNECTIONS",
        ">CAPACITY",
        ">LOAD",
        ">POLLS",
        ">BUSY POLLS",
        ">LONGEST",
        ">LAST 1S",
        ">STALLS",
        ">TABLES",
    ]);
    for each in workers {
        table.row(vec![
            each.id.to_string(),
            each.cpu.to_string(),
            each.stalled_for.map_or("polling".to_owned(), |seconds| format!("stalled for {seconds} s")),
            each.connections.to_string(),
            each.capacity.to_string(),
            format!("{:.1} %", each.load),
            each.turns.to_string(),
            share(each.busy_turns, each.turns),
            each.longest_turn.to_string(),
            each.longest_turn_1s.to_string(),
            each.stalls.to_string(),
            format!("v{}", each.tables),
        ]);
    }
    table.print(out)
}

/// A line for each kind of store: the sums over workers, and which of them are full.
fn stores(stores: &[StoreStatus], out: &mut dyn Write) -> io::Result<()> {
    if stores.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let mut table = Table::new(&["STORE", ">USED", ">CAPACITY", ">REFUSED", ">DISPLACED", "STATE"]);
    for kind in stores.chunk_by(|one, next| one.store == next.store) {
        let sum = |of: fn(&StoreStatus) -> u64| kind.iter().map(of).sum::<u64>().to_string();
        table.row(vec![
            kind[0].store.clone(),
            sum(|store| store.used),
            sum(|store| store.capacity),
            sum(|store| store.refused),
            sum(|store| store.displaced),
            fullness(kind),
        ]);
    }
    table.print(out)
}

/// Whose store is full, of one kind.
fn fullness(kind: &[StoreStatus]) -> String {
    let full = kind.iter().filter(|store| store.full);
    let whose = full.map(|store| match (store.worker, &store.service) {
        (Some(worker), _) => format!("full on worker {worker}"),
        (None, Some(service)) => format!("full for {service}"),
        (None, None) => "full".to_owned(),
    });
    whose.collect::<Vec<_>>().join(", ")
}

/// Per cent, with one digit behind the point.
fn share(part: u64, whole: u64) -> String {
    let tenths = u128::from(part) * 1000 / u128::from(whole.max(1));
    format!("{}.{} %", tenths / 10, tenths % 10)
}

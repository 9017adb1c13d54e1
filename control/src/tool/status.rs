//! `sluice status`

use std::io::{self, Write};

use super::table::{Table, duration};
use crate::api::{InterfaceStatus, MOST_NAMED, Status, WorkerStatus};

pub(super) fn print(status: &Status, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "sluice {}, up {}, {}", status.version, duration(status.uptime), status.config)?;
    writeln!(out, "{} services, {} real servers", status.services, status.servers)?;
    if status.strict_parity {
        writeln!(out, "strict parity with the Linux kernel and ipvsadm")?;
    }
    interfaces(&status.interfaces, out)?;
    workers(&status.workers, out)
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
        ">TURNS",
        ">BUSY TURNS",
        ">LONGEST",
        ">LAST 1S",
        ">STALLS",
        ">TABLES",
    ]);
    for each in workers {
        table.row(vec![
            each.id.to_string(),
            each.cpu.to_string(),
            each.stalled_for.map_or("turns".to_owned(), |seconds| format!("stalled for {seconds} s")),
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

/// Per cent, with one digit behind the point.
fn share(part: u64, whole: u64) -> String {
    let tenths = u128::from(part) * 1000 / u128::from(whole.max(1));
    format!("{}.{} %", tenths / 10, tenths % 10)
}

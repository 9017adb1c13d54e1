//! `sluice status`

use std::io::{self, Write};

use super::table::{Table, duration};
use crate::api::{InterfaceStatus, Status, WorkerStatus};

pub(super) fn print(status: &Status, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "sluice {}, up {}, {}", status.version, duration(status.uptime), status.config)?;
    writeln!(out, "{} services, {} real servers", status.services, status.servers)?;
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
            each.device.clone(),
            each.driver.clone(),
            each.addresses.join(" "),
        ]);
    }
    table.print(out)
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
    let mut table = Table::new(&[">WORKER", ">CPU", ">CONNECTIONS", ">CAPACITY", ">BUSY TURNS", ">TABLES"]);
    for each in workers {
        table.row(vec![
            each.id.to_string(),
            each.cpu.to_string(),
            each.connections.to_string(),
            each.capacity.to_string(),
            share(each.busy_turns, each.turns),
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

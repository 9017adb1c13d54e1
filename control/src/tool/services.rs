//! `sluice services`: a line for each service, and under it one for each real server.

use std::io::{self, Write};

use super::Failure;
use super::table::{Table, bit_rate};
use crate::api::{
    Client, Named, Rates, SERVICE, ServerInfo, ServiceInfo, ServiceKind, ServiceOption, Totals, every_service,
};

const HEADINGS: [&str; 12] = [
    "SERVICE / SERVER",
    "SCHED/FWD",
    ">WEIGHT",
    ">ACTIVE",
    ">INACTIVE",
    ">CONNS",
    ">PACKETS IN",
    ">PACKETS OUT",
    ">CONNS/S",
    ">RATE",
    ">UNRESOLVED",
    "NOTES",
];

/// Rows that are printed together: columns are as wide as these need.
const ROWS: usize = 2000;

/// Prints as the pages come: a table, or one answer that has them all.
pub(super) fn run(json: bool, client: &mut dyn Client, out: &mut dyn Write) -> Result<(), Failure> {
    if json {
        return print_json(client, out);
    }
    let mut table = Table::new(&HEADINGS);
    let mut any = false;
    every_service(client, None, |service| {
        any = true;
        table.row(service_row(&service));
        // The director lists the server added last first, as the kernel does; people look for the file's order.
        service.servers.iter().rev().for_each(|server| table.row(server_row(server)));
        if table.waiting() >= ROWS {
            table.print(out)?;
        }
        Ok::<_, Failure>(())
    })?;
    if !any {
        return Ok(writeln!(out, "no services")?);
    }
    Ok(table.print(out)?)
}

fn print_json(client: &mut dyn Client, out: &mut dyn Write) -> Result<(), Failure> {
    write!(out, "{{\"type\":\"services\",\"services\":[")?;
    let mut first = true;
    let table_size = every_service(client, None, |service| {
        out.write_all(if std::mem::take(&mut first) { b"" } else { b"," })?;
        Ok::<_, Failure>(serde_json::to_writer(&mut *out, &service).map_err(io::Error::from)?)
    })?;
    Ok(writeln!(out, "],\"table_size\":{table_size},\"next\":null}}")?)
}

fn service_row(service: &ServiceInfo) -> Vec<String> {
    let spec = &service.spec;
    let sum = |count: fn(&ServerInfo) -> u64| service.servers.iter().map(count).sum::<u64>().to_string();
    let mut notes = Vec::new();
    let mut rows: Vec<&ServiceOption> = SERVICE.iter().collect();
    rows.sort_by_key(|row| row.ipvsadm.as_ref().map_or(u8::MAX, |ipvsadm| ipvsadm.place));
    for row in rows {
        if let (ServiceKind::Plain(plain), Some([before, behind])) = (&row.kind, row.note) {
            notes.extend(plain.text(spec).map(|value| format!("{before}{value}{behind}")));
        }
    }
    notes.extend(service.runtime.then(|| "runtime".to_owned()));
    let mut row = vec![spec.key.to_string(), spec.scheduler.name().to_owned(), String::new()];
    row.push(sum(|server| server.active.into()));
    row.push(sum(|server| server.inactive.into()));
    row.extend(traffic(&service.totals, &service.rates));
    row.push(sum(|server| server.unresolved));
    row.push(notes.join(", "));
    row
}

fn server_row(server: &ServerInfo) -> Vec<String> {
    let spec = &server.spec;
    let mut notes = Vec::new();
    notes.extend((server.persistent > 0).then(|| format!("{} persistent", server.persistent)));
    notes.extend((spec.upper > 0).then(|| format!("upper {}, lower {}", spec.upper, spec.lower)));
    notes.extend(server.overloaded.then(|| "overloaded".to_owned()));
    notes.extend((spec.weight == 0).then(|| "quiesced".to_owned()));
    notes.extend(server.runtime.then(|| "runtime".to_owned()));
    let mut row = vec![format!("  {}", spec.address), spec.forward.name().to_owned(), spec.weight.to_string()];
    row.push(server.active.to_string());
    row.push(server.inactive.to_string());
    row.extend(traffic(&server.totals, &server.rates));
    row.push(server.unresolved.to_string());
    row.push(notes.join(", "));
    row
}

fn traffic(totals: &Totals, rates: &Rates) -> [String; 5] {
    [
        totals.connections.to_string(),
        totals.in_packets.to_string(),
        totals.out_packets.to_string(),
        rates.connections.to_string(),
        bit_rate(rates.in_bytes.saturating_add(rates.out_bytes)),
    ]
}

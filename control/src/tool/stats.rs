//! `sluice stats`

use std::io::{self, Write};

use super::table::{Table, bit_rate, bytes};
use crate::api::{Counter, StatsReport};

pub(super) fn print(report: &StatsReport, all: bool, workers: bool, out: &mut dyn Write) -> io::Result<()> {
    totals(report, out)?;
    writeln!(out)?;
    if workers {
        by_worker(report, all, out)?
    } else {
        counters("COUNTER", &report.counters, all, out)?
    }
    writeln!(out)?;
    counters("PACKET MEMORY", &report.memory, all, out)?;
    for interface in &report.interfaces {
        writeln!(out)?;
        counters(&format!("INTERFACE {}", interface.name), &interface.counters, all, out)?;
    }
    Ok(())
}

fn totals(report: &StatsReport, out: &mut dyn Write) -> io::Result<()> {
    let (sum, rate) = (&report.totals, &report.rates);
    let mut table = Table::new(&["ALL SERVICES", ">TOTAL", ">PER SECOND"]);
    let mut row = |name: &str, total: String, rate: String| table.row(vec![name.to_owned(), total, rate]);
    row("connections", sum.connections.to_string(), rate.connections.to_string());
    row("packets in", sum.in_packets.to_string(), rate.in_packets.to_string());
    row("packets out", sum.out_packets.to_string(), rate.out_packets.to_string());
    row("traffic in", bytes(sum.in_bytes), bit_rate(rate.in_bytes));
    row("traffic out", bytes(sum.out_bytes), bit_rate(rate.out_bytes));
    table.print(out)
}

fn counters(title: &str, counters: &[Counter], all: bool, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&[title, ">COUNT"]);
    for counter in counters.iter().filter(|counter| all || counter.value > 0) {
        table.row(vec![counter.name.clone(), counter.value.to_string()]);
    }
    table.print(out)
}

/// A column for each worker. Counters are matched by name, so that none is shown under another's.
fn by_worker(report: &StatsReport, all: bool, out: &mut dyn Write) -> io::Result<()> {
    let mut headings = vec!["COUNTER".to_owned(), ">SUM".to_owned()];
    headings.extend((0..report.workers.len()).map(|worker| format!(">WORKER {worker}")));
    let mut table = Table::new(&headings);
    for counter in report.counters.iter().filter(|counter| all || counter.value > 0) {
        let mut row = vec![counter.name.clone(), counter.value.to_string()];
        for worker in &report.workers {
            let own = worker.iter().find(|own| own.name == counter.name);
            row.push(own.map_or_else(|| "-".to_owned(), |own| own.value.to_string()));
        }
        table.row(row);
    }
    table.print(out)
}

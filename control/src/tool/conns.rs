//! `sluice conns`: pages through the connections, keeps what the filters let pass, and prints page by page.

use std::io::{self, Write};

use super::Failure;
use super::args::Conns;
use super::table::{Table, duration};
use crate::api::{Answer, Client, ConnInfo, Query};

const HEADINGS: [&str; 8] = ["PROTOCOL", "CLIENT", "VIRTUAL", "SERVER", "STATE", ">EXPIRES", ">PACKETS IN", ">WORKER"];

pub(super) fn run(options: &Conns, json: bool, client: &mut dyn Client, out: &mut dyn Write) -> Result<(), Failure> {
    let mut printer = if json { Printer::json(out)? } else { Printer::Table(Table::new(&HEADINGS)) };
    let mut left = options.limit.unwrap_or(u64::MAX);
    let mut cursor = None;
    let mut workers_late = Vec::new();
    while left > 0 {
        let answer = client.ask(Query::Connections { cursor, limit: None }.into())?;
        let Answer::Connections { connections, next, late } = answer else { return Err(Failure::Strange) };
        let room = usize::try_from(left).unwrap_or(usize::MAX);
        let page: Vec<ConnInfo> = connections.into_iter().filter(|conn| wanted(options, conn)).take(room).collect();
        left -= page.len() as u64;
        workers_late.extend(late);
        printer.page(page, out)?;
        // A director that does not move on would keep us for ever.
        if next.is_none() || next == cursor {
            break;
        }
        cursor = next;
    }
    printer.end(out)?;
    if workers_late.is_empty() { Ok(()) } else { Err(Failure::Late(workers_late.join("; "))) }
}

fn wanted(options: &Conns, conn: &ConnInfo) -> bool {
    options.protocol.is_none_or(|protocol| conn.protocol == Some(protocol))
        && options.client.is_none_or(|filter| filter.matches(conn.client))
        && options.vip.is_none_or(|filter| filter.matches(conn.vip))
        && options.server.is_none_or(|filter| filter.matches(conn.destination))
        && options.state.as_ref().is_none_or(|state| *state == conn.state)
}

/// Prints page by page: a table, or one answer that has them all.
enum Printer {
    Table(Table),
    Json { first: bool },
}

impl Printer {
    fn json(out: &mut dyn Write) -> io::Result<Self> {
        write!(out, "{{\"type\":\"connections\",\"connections\":[")?;
        Ok(Self::Json { first: true })
    }

    fn page(&mut self, page: Vec<ConnInfo>, out: &mut dyn Write) -> Result<(), Failure> {
        match self {
            Self::Table(table) => {
                page.iter().for_each(|conn| table.row(row(conn)));
                table.print(out)?;
            }
            Self::Json { first } => {
                for conn in page {
                    out.write_all(if std::mem::take(first) { b"" } else { b"," })?;
                    serde_json::to_writer(&mut *out, &conn).map_err(io::Error::from)?;
                }
            }
        }
        Ok(())
    }

    fn end(self, out: &mut dyn Write) -> Result<(), Failure> {
        match self {
            Self::Table(mut table) => table.print(out)?,
            Self::Json { .. } => writeln!(out, "],\"next\":null}}")?,
        }
        Ok(())
    }
}

fn row(conn: &ConnInfo) -> Vec<String> {
    vec![
        conn.protocol.map_or_else(|| "any".to_owned(), |protocol| protocol.to_string()),
        conn.client.to_string(),
        conn.vip.to_string(),
        conn.destination.to_string(),
        conn.state.clone(),
        duration(conn.expires.into()),
        conn.in_packets.to_string(),
        conn.worker.to_string(),
    ]
}

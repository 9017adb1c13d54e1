//! Files of `/proc/net` as the kernel would show them, a page at a time.

use dataplane::service::TotalsRead;

use super::listing::{MOST_SERVERS, TABLE_SIZE};
use super::{Director, Pump};
use crate::api::{Answer, ApiError, Code, ConnInfo, Cursor, Totals};
use crate::procfs;
use crate::statistics::{sum, totals};

/// A file that can be asked for.
#[derive(Clone, Copy)]
enum ProcFile {
    Services,
    Helpers,
    Connections,
    ConnectionsOfSync,
    Totals,
    TotalsOfWorkers,
}

const FILES: [(&str, ProcFile); 6] = [
    ("ip_vs", ProcFile::Services),
    ("ip_vs_app", ProcFile::Helpers),
    ("ip_vs_conn", ProcFile::Connections),
    ("ip_vs_conn_sync", ProcFile::ConnectionsOfSync),
    ("ip_vs_stats", ProcFile::Totals),
    ("ip_vs_stats_percpu", ProcFile::TotalsOfWorkers),
];

impl ProcFile {
    fn named(name: &str) -> Result<Self, ApiError> {
        let found = FILES.iter().find(|(known, _)| *known == name).map(|(_, file)| *file);
        found.ok_or_else(|| ApiError {
            code: Code::Invalid,
            place: "name".to_owned(),
            text: format!("no file {name:?}; known: {}", FILES.map(|(known, _)| known).join(", ")),
        })
    }
}

impl Director {
    /// The counters of all services since the start.
    pub(super) fn raw_total(&mut self) -> TotalsRead {
        let crew = &self.crew;
        self.services.total(&|slot| crew.totals(slot))
    }

    /// The totals of all services.
    pub(super) fn totals(&mut self) -> Totals {
        let raw = self.raw_total();
        self.sampling.total().totals(raw, self.services.reading)
    }

    /// What each worker has counted since the start; nothing zeroes that.
    fn totals_of_workers(&mut self, pump: Pump<'_>) -> Vec<Totals> {
        let mut sums = vec![TotalsRead::default(); self.crew.len()];
        for slot in 0..self.services.slots() {
            for (sum_so_far, here) in sums.iter_mut().zip(self.crew.totals_by_worker(slot)) {
                *sum_so_far = sum(*sum_so_far, here);
            }
            self.pause(pump);
        }
        sums.into_iter().map(totals).collect()
    }

    /// A page of a file of `/proc/net`. The first begins with the file's head.
    pub(super) fn proc(&mut self, name: &str, cursor: Option<Cursor>, pump: Pump<'_>) -> Result<Answer, ApiError> {
        let first = cursor.is_none();
        let from = cursor.unwrap_or(Cursor::START);
        match ProcFile::named(name)? {
            ProcFile::Services => {
                let mut text = if first { procfs::services_head(TABLE_SIZE) } else { String::new() };
                let (pieces, next) = self.services.page(from, MOST_SERVERS as usize);
                for piece in &pieces {
                    text += &procfs::service(&self.service_info(piece), piece.continued);
                }
                Ok(Answer::Text { text, next })
            }
            ProcFile::Connections => self.proc_connections(procfs::CONNECTIONS_HEAD, procfs::connection, cursor, pump),
            ProcFile::ConnectionsOfSync => {
                self.proc_connections(procfs::SYNC_HEAD, procfs::connection_of_origin, cursor, pump)
            }
            ProcFile::Totals => {
                let totals = self.totals();
                Ok(Answer::Text { text: procfs::stats(&totals, &self.sampling.total().rates()), next: None })
            }
            ProcFile::TotalsOfWorkers => {
                let (totals, workers) = (self.totals(), self.totals_of_workers(pump));
                Ok(Answer::Text {
                    text: procfs::stats_per_worker(&workers, &totals, &self.sampling.total().rates()),
                    next: None,
                })
            }
            ProcFile::Helpers => Ok(Answer::Text { text: procfs::helpers(self.expected.helped()), next: None }),
        }
    }

    /// A page of a file with a line for each connection.
    fn proc_connections(
        &mut self,
        head: &str,
        line: fn(&ConnInfo) -> String,
        cursor: Option<Cursor>,
        pump: Pump<'_>,
    ) -> Result<Answer, ApiError> {
        let mut text = if cursor.is_none() { head.to_owned() } else { String::new() };
        let Answer::Connections { connections, next, late } =
            self.list_connections(cursor.map(|cursor| cursor.service), None, pump)?
        else {
            return Ok(Answer::Text { text, next: None });
        };
        if let Some(late) = late {
            // A file of the kernel's has no place for that.
            return Err(ApiError { code: Code::Timeout, place: String::new(), text: late });
        }
        connections.iter().for_each(|conn| text += &line(conn));
        Ok(Answer::Text { text, next: next.map(|at| Cursor { service: at, ..Cursor::START }) })
    }
}

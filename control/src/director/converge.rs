//! Services as a file has them: what comes, what goes, what changes, and what stays as it was set at run time.
//!
//! ```text
//! runs as the file says                                                    nothing
//! set at run time, and the file says what it said when it was read last    kept, and told
//! else                                                                     as the file says
//! ```

use std::collections::HashSet;
use std::net::SocketAddr;

use dataplane::flow::ServiceKey;

use super::audit::count;
use super::pauses::SLICE;
use super::{Director, Pump};
use crate::api::{ApiError, Edit, ServerSpec, ServiceSpec};
use crate::config::{self, Server};
use crate::ipvs::Origin;

/// Most changes that are told one by one.
const MOST_TOLD: usize = 5000;

/// What is said of a value that stays as it was set at run time ...
pub(super) const KEPT: &str = "kept as set at run time";
/// ... and of one that the file takes back.
pub(super) const UNDONE: &str = ", was set at run time";

/// What a reload changed, and what it kept although the file says otherwise.
#[derive(Debug, Default)]
pub(super) struct Changes {
    told: Vec<String>,
    untold: usize,
    kept: usize,
}

impl Changes {
    pub(super) fn note(&mut self, text: impl FnOnce() -> String) {
        if self.told.len() < MOST_TOLD {
            self.told.push(text());
        } else {
            self.untold += 1;
        }
    }

    fn tell(&mut self, deed: &Deed, place: std::fmt::Arguments<'_>) {
        match deed {
            Deed::Leave => {}
            Deed::Keep(what) => self.keep(|| format!("{place}: {KEPT}: {what}")),
            Deed::Add => self.note(|| format!("{place} added")),
            Deed::Edit(what) => self.note(|| format!("{place}: {what}")),
        }
    }

    /// Something set at run time stays.
    pub(super) fn keep(&mut self, text: impl FnOnce() -> String) {
        self.kept += 1;
        self.note(text);
    }

    /// How many changes those are.
    pub(super) fn len(&self) -> usize {
        self.told.len() + self.untold - self.kept
    }

    pub(super) fn lines(mut self) -> Vec<String> {
        if self.untold > 0 {
            self.told.push(format!("and {}", count(self.untold, "more change")));
        }
        self.told
    }
}

/// A reload that is on.
pub(super) struct Convergence<'a> {
    /// What was made at run time goes, too.
    pub(super) prune: bool,
    pub(super) changes: Changes,
    pub(super) host: Pump<'a>,
}

impl Director {
    pub(super) fn follow_all_addresses(&mut self, runtime: bool, host: Pump<'_>) {
        while !self.follow_addresses(runtime, SLICE) {
            self.pause(host);
        }
    }

    /// Takes the services as the file has them; each is forgotten when it runs, so that there is never twice a table.
    pub(super) fn converge_services(
        &mut self,
        services: Vec<config::Service>,
        wanted: &HashSet<ServiceKey>,
        by: &mut Convergence<'_>,
    ) -> Result<(), ApiError> {
        for key in self.services.keys() {
            let Some(running) = self.services.get(&key).filter(|_| !wanted.contains(&key)) else {
                self.pause(by.host);
                continue;
            };
            if by.prune || !running.origin.runtime {
                self.delete_service(&key)?;
                by.changes.note(|| format!("service {key} removed"));
            }
            self.pause(by.host);
        }
        // What is added last is listed first: so the list is in the file's order.
        for service in services.into_iter().rev() {
            self.converge_service(&service, by)?;
            self.pause(by.host);
        }
        Ok(())
    }

    fn converge_service(&mut self, service: &config::Service, by: &mut Convergence<'_>) -> Result<(), ApiError> {
        let (key, spec) = (service.spec.key, &service.spec);
        let running = self.services.get(&key).map(|running| (&running.spec, &running.origin));
        let deed = Deed::of(spec, running, by.prune, ServiceSpec::changes_to);
        match deed {
            Deed::Add => self.apply(Edit::AddService { service: spec.clone().into() }, false, by.host)?,
            Deed::Edit(_) => self.apply(Edit::EditService { service: spec.clone().into() }, false, by.host)?,
            Deed::Leave | Deed::Keep(_) => {}
        }
        by.changes.tell(&deed, format_args!("service {key}"));
        self.services.adopt(&key, deed.as_file());
        self.net.file_has(&key);
        let running: Vec<_> = self
            .services
            .get(&key)
            .map_or(Vec::new(), |running| running.servers.iter().map(|s| (s.spec.address, s.origin.runtime)).collect());
        let has: HashSet<SocketAddr> = service.servers.iter().map(|server| server.spec.address).collect();
        for (address, runtime) in running {
            if (by.prune || !runtime) && !has.contains(&address) {
                self.apply(Edit::DeleteServer { key, address }, false, by.host)?;
                by.changes.note(|| format!("service {key}: server {address} removed"));
                self.pause(by.host);
            }
        }
        for server in &service.servers {
            self.converge_server(key, server, by)?;
            self.pause(by.host);
        }
        Ok(())
    }

    fn converge_server(&mut self, key: ServiceKey, server: &Server, by: &mut Convergence<'_>) -> Result<(), ApiError> {
        let (address, spec) = (server.spec.address, &server.spec);
        let running = self.services.get(&key).and_then(|service| service.server(address));
        let running = running.map(|running| (&running.spec, &running.origin));
        let deed = Deed::of(spec, running, by.prune, ServerSpec::changes_to);
        match deed {
            Deed::Add => self.apply(Edit::AddServer { key, server: spec.clone() }, false, by.host)?,
            Deed::Edit(_) => self.apply(Edit::EditServer { key, server: spec.clone() }, false, by.host)?,
            Deed::Leave | Deed::Keep(_) => {}
        }
        by.changes.tell(&deed, format_args!("service {key}: server {address}"));
        self.services.adopt_server(&key, address, deed.as_file());
        Ok(())
    }
}

/// What a reload does with something that the file has.
enum Deed {
    /// It runs as the file says.
    Leave,
    /// It was set at run time, and the file says what it said before: what was set.
    Keep(String),
    /// It is new.
    Add,
    /// The file says something else now: what changes.
    Edit(String),
}

impl Deed {
    fn of<T: Clone + PartialEq>(
        file: &T,
        running: Option<(&T, &Origin<T>)>,
        prune: bool,
        changes: fn(&T, &T) -> String,
    ) -> Self {
        let Some((running, origin)) = running else { return Self::Add };
        if file == running {
            return Self::Leave;
        }
        if !prune && origin.is_edited() && origin.filed(running) == Some(file) {
            return Self::Keep(changes(file, running));
        }
        let undone = if origin.is_edited() || origin.runtime { UNDONE } else { "" };
        Self::Edit(format!("{}{undone}", changes(running, file)))
    }

    /// Whether it runs as the file says afterwards.
    fn as_file(&self) -> bool {
        !matches!(self, Self::Keep(_))
    }
}

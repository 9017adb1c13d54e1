//! The rules that `ipvsadm-save` wrote, restored at the start: `[control] rules`.
//!
//! A saved table has the services of the file in it, too, as they were then. A line that adds what the file has is no
//! error: where it says the same nothing is done, where it says something else it is an edit, as the one that was saved. A
//! line that adds what another line has added is an error.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;

use dataplane::clock::Nanos;
use dataplane::flow::ServiceKey;

use super::reload::wrong;
use super::{Director, Facts};
use crate::api::{ApiError, Edit};
use crate::config::{Config, ConfigError, ConfigErrors, Place};
use crate::ipvsadm::rules;

/// Everything that the start of a director would refuse of a configuration that is right by itself, its rules among it: a
/// director is made of it, over ports in memory, and forgotten.
///
/// # Errors
/// What is refused.
pub fn rehearse(mut config: Config) -> Result<(), ConfigErrors> {
    let rules = config.control.rules.take();
    let whole = Place { line: 0, ..config.dataplane.lines.of("") };
    let facts = Facts::in_memory(&config);
    let (mut director, _) =
        Director::new(config, facts, Nanos(0)).map_err(|error| whole.error(error.place.clone(), error.text))?;
    rules.map_or(Ok(()), |rules| director.restore_all(&rules))
}

impl Director {
    /// Does what a file of rules says, as if an operator did: what it makes stays at a reload. What is refused is told
    /// with its line, all of it.
    pub(super) fn restore(&mut self, file: &Path) -> Result<(), ApiError> {
        self.restore_all(file).map_err(wrong)
    }

    fn restore_all(&mut self, file: &Path) -> Result<(), ConfigErrors> {
        let Some(rules) = rules::load(file)? else {
            log::info!("{} does not exist; no rules are restored", file.display());
            return Ok(());
        };
        let mut restoring = Restoring { director: self, lines: HashMap::new() };
        let told = |(place, edit): (Place, Edit)| -> Option<ConfigError> {
            restoring.change(&place, edit).err().map(|text| place.error("", text))
        };
        ConfigErrors::of(rules.into_iter().filter_map(told).collect()).map_or(Ok(()), Err)
    }
}

/// A service, or a server of it.
type Made = (ServiceKey, Option<SocketAddr>);

/// A file of rules while it is carried out.
struct Restoring<'a> {
    director: &'a mut Director,
    /// What lines of it have added, and which.
    lines: HashMap<Made, u32>,
}

impl Restoring<'_> {
    fn change(&mut self, place: &Place, edit: Edit) -> Result<(), String> {
        let added = match &edit {
            Edit::AddService { service } => Some((service.key, None)),
            Edit::AddServer { key, server } => Some((*key, Some(server.address))),
            _ => None,
        };
        if let Some(line) = added.and_then(|added| self.lines.get(&added)) {
            return Err(format!("duplicate of line {line}"));
        }
        self.forget(&edit);
        if let Some(edit) = self.unless_there(edit) {
            self.director.apply(edit, true, &mut || false).map_err(|error| error.to_string())?;
        }
        self.lines.extend(added.map(|added| (added, place.line)));
        Ok(())
    }

    /// What is removed may be added again.
    fn forget(&mut self, edit: &Edit) {
        match edit {
            Edit::Flush => self.lines.clear(),
            Edit::DeleteService { key } => self.lines.retain(|(service, _), _| service != key),
            Edit::DeleteServer { key, address } => _ = self.lines.remove(&(*key, Some(*address))),
            _ => {}
        }
    }

    /// The edit itself: one of what is there where it adds what is there, nothing where that is just so.
    fn unless_there(&self, edit: Edit) -> Option<Edit> {
        match edit {
            Edit::AddService { service } => match self.director.services.get(&service.key) {
                None => Some(Edit::AddService { service }),
                Some(there) => {
                    let same = service.clone().known().is_ok_and(|service| service == there.spec);
                    (!same).then_some(Edit::EditService { service })
                }
            },
            Edit::AddServer { key, server } => {
                let service = self.director.services.get(&key);
                match service.and_then(|service| service.servers.iter().find(|s| s.spec.address == server.address)) {
                    None => Some(Edit::AddServer { key, server }),
                    Some(there) => (there.spec != server).then_some(Edit::EditServer { key, server }),
                }
            }
            other => Some(other),
        }
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;

//! Settings of `net.ipv4.vs`: reading, writing, and following the file.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use dataplane::sysctl::{SysctlError, Sysctls};

use super::Director;
use super::converge::{Changes, KEPT, UNDONE};
use crate::api::{Answer, ApiError, Code};
use crate::config::Config;

impl Director {
    pub(super) fn list_sysctls(&self, name: Option<String>) -> Result<Answer, ApiError> {
        let sysctls = &self.tables.sysctls;
        let names: Vec<&str> = match &name {
            Some(name) => vec![name],
            None => sorted_names(),
        };
        let short = self.is_short_of_connections();
        let read = |name: &str| Ok((name.to_owned(), sysctls.read(name, short).map_err(|error| refused(name, error))?));
        let settings = names.into_iter().map(read).collect::<Result<_, ApiError>>()?;
        Ok(Answer::Sysctls { settings })
    }

    pub(super) fn set_sysctl(&mut self, name: &str, value: &str) -> Result<(), ApiError> {
        Arc::make_mut(&mut self.tables.sysctls).set(name, value).map_err(|error| refused(name, error))?;
        self.unpublished = true;
        Ok(())
    }

    /// Whether a worker's table is so full that automatic defences engage.
    fn is_short_of_connections(&self) -> bool {
        let capacity = self.config.dataplane.connections;
        let most = capacity - self.tables.sysctls.low_water(capacity);
        self.links.iter().any(|link| link.connections.load(Relaxed) > u64::from(most))
    }

    /// What the file says differently from what it said before; a setting that it does not name takes its default. What
    /// was set at run time stays where the file says what it said, unless `prune`.
    pub(super) fn converge_sysctls(
        &mut self,
        config: &Config,
        prune: bool,
        changes: &mut Changes,
    ) -> Result<(), ApiError> {
        let said = |config: &Config, name: &str| {
            let usual = || Sysctls::usual(config.ipvs.strict_parity).get(name).unwrap_or_default();
            config.ipvs.sysctls.get(name).cloned().unwrap_or_else(usual)
        };
        for name in Sysctls::NAMES {
            let (before, value) = (said(&self.config, name), said(config, name));
            let running = self.tables.sysctls.get(name).unwrap_or_default();
            let line = |old: &str, new: &str| format!("{} -> {}", old.replace('\t', " "), new.replace('\t', " "));
            if running == value {
                continue;
            }
            if before == value && !prune {
                changes.keep(|| format!("{name}: {KEPT}: {}", line(&value, &running)));
                continue;
            }
            self.set_sysctl(name, &value)?;
            let undone = if running == before { "" } else { UNDONE };
            changes.note(|| format!("{name} {}{undone}", line(&running, &value)));
        }
        Ok(())
    }

    /// Settings that are not as they are by default.
    pub(super) fn running_sysctls(&self) -> std::collections::BTreeMap<String, String> {
        let (sysctls, defaults) = (&self.tables.sysctls, Sysctls::usual(self.config.ipvs.strict_parity));
        let differs = Sysctls::NAMES.iter().filter(|name| sysctls.get(name) != defaults.get(name));
        differs.filter_map(|name| Some(((*name).to_owned(), sysctls.get(name).ok()?))).collect()
    }
}

fn sorted_names() -> Vec<&'static str> {
    let mut names = Sysctls::NAMES.to_vec();
    names.sort_unstable();
    names
}

fn refused(name: &str, error: SysctlError) -> ApiError {
    let (code, text) = match error {
        SysctlError::Unknown => (Code::NoEntry, "no such setting; `sluice sysctl` lists them"),
        SysctlError::Invalid => (Code::Invalid, "does not take that value"),
    };
    ApiError { code, place: name.to_owned(), text: text.to_owned() }
}

//! Settings of `net.ipv4.vs`: reading, writing, and following the file.

use std::sync::Arc;

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
        let read =
            |name: &str| Ok((name.to_owned(), sysctls.read(name, short).map_err(|error| refused(name, "", error))?));
        let settings = names.into_iter().map(read).collect::<Result<_, ApiError>>()?;
        Ok(Answer::Sysctls { settings })
    }

    pub(super) fn set_sysctl(&mut self, name: &str, value: &str) -> Result<(), ApiError> {
        Arc::make_mut(&mut self.tables.sysctls).set(name, value).map_err(|error| refused(name, value, error))?;
        self.publish_soon();
        Ok(())
    }

    /// Whether a worker's table is so full that automatic defences engage.
    fn is_short_of_connections(&self) -> bool {
        let capacity = self.config.dataplane.connections;
        let most = capacity - self.tables.sysctls.low_water(capacity);
        self.crew.any_has_more_than(most)
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

fn refused(name: &str, value: &str, error: SysctlError) -> ApiError {
    let (code, text) = match error {
        SysctlError::Unknown => (Code::NoEntry, "no such setting; `sluice sysctl` lists them".to_owned()),
        SysctlError::Invalid => {
            let allowed = Sysctls::allowed(name).unwrap_or_default();
            (Code::Invalid, format!("{value:?} is not a valid value; {allowed}"))
        }
    };
    ApiError { code, place: name.to_owned(), text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_value_and_what_would_be_right() {
        let said = |name, value| {
            let error = Sysctls::default().set(name, value).unwrap_err();
            refused(name, value, error).to_string()
        };
        assert_eq!(
            said("drop_entry", "7"),
            "drop_entry: \"7\" is not a valid value; 0 (never), 1 (automatic) or 3 (always)"
        );
        assert_eq!(said("sync_ports", "3"), "sync_ports: \"3\" is not a valid value; 1, 2, 4, 8, ...");
        assert_eq!(said("est_nice", "20"), "est_nice: \"20\" is not a valid value; -20 to 19");
        let pair = "sync_threshold: \"60 50\" is not a valid value; two numbers as 3 50: a threshold, and a period above it or 0";
        assert_eq!(said("sync_threshold", "60 50"), pair);
        assert_eq!(said("nothing", "1"), "nothing: no such setting; `sluice sysctl` lists them");
        assert!(Sysctls::NAMES.iter().all(|name| Sysctls::allowed(name).is_some()));
    }
}

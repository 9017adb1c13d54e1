//! The file and the running state: reading it again, and converging to what it says.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use dataplane::flow::ServiceKey;
use dataplane::tables::Options;
use log::warn;

use super::audit::count;
use super::converge::{Changes, Convergence};
use super::{Director, Pump};
use crate::api::{Answer, ApiError, Code};
use crate::config::{self, Config, ConfigError};
use crate::ipvs;
use crate::statistics::Reading;

/// A file that has been read and checked; not yet compared with what runs.
#[derive(Debug)]
pub struct Prepared {
    config: Config,
    /// The services that it has.
    wanted: HashSet<ServiceKey>,
    /// What is allowed and cannot work.
    warnings: Vec<ConfigError>,
}

impl Prepared {
    /// Reads and checks a file. That takes its time where it is large: any thread may do it.
    pub fn read(file: &Path) -> Result<Self, ApiError> {
        let mut reading = config::read(file);
        let warnings = std::mem::take(&mut reading.warnings);
        Ok(Self { warnings, ..Self::of(reading.verdict().map_err(wrong)?)? })
    }

    /// Of a configuration that has been read.
    pub fn of(config: Config) -> Result<Self, ApiError> {
        validate(&config)?;
        let wanted = config.services.iter().map(|service| service.spec.key).collect();
        Ok(Self { config, wanted, warnings: Vec::new() })
    }
}

impl Director {
    /// The file that a reload reads.
    pub fn file(&self) -> Result<PathBuf, ApiError> {
        let none = || ApiError::unsupported("this director was started without a configuration file");
        self.facts.file.clone().ok_or_else(none)
    }

    /// What a stop loses that was made at run time; nothing if nothing was.
    #[must_use]
    pub fn lost_by_a_stop(&self) -> Option<String> {
        let (services, servers, edited) = self.services.made_at_run_time();
        let routes = self.net.runtime_routes();
        let marks = self.marks.iter().filter(|rule| rule.runtime).count();
        let all = [(services, "service"), (servers, "server"), (routes, "route"), (marks, "mark rule")];
        let made = all.into_iter().filter(|(number, _)| *number > 0).map(|(number, thing)| count(number, thing));
        let mut lost = made.collect::<Vec<_>>().join(", ");
        if !lost.is_empty() {
            lost += " made at run time will be lost";
        }
        if edited > 0 {
            let and = if lost.is_empty() { "" } else { "; " };
            lost += &format!("{and}{} set at run time will be as in the file again", count(edited, "entry"));
        }
        (!lost.is_empty()).then(|| format!("{lost} (`ipvsadm -Sn`, `sluice config show` write such things down)"))
    }

    pub(super) fn prepare(&self) -> Result<Prepared, ApiError> {
        Prepared::read(&self.file()?)
    }

    /// Converges to a file that has been read. Returns what changed, one line each; that a worker is late to take it over
    /// is told beside that.
    pub fn reload(&mut self, prepared: Prepared, prune: bool, host: Pump<'_>) -> Result<Answer, ApiError> {
        let file = self.file()?.display().to_string();
        if let Err(error) = needs_restart(&self.config, &prepared.config) {
            (self.facts.discard)(Box::new(prepared));
            return Err(error);
        }
        prepared.warnings.iter().for_each(|warning| warn!("{warning}"));
        let changes = match self.converge_to(prepared, prune, host) {
            Ok(changes) => changes,
            Err(error) => {
                // What has been done stands, and is published.
                _ = self.commit(host);
                return Err(ApiError { text: format!("the reload is done only in part: {}", error.text), ..error });
            }
        };
        let number = changes.len();
        let lines = changes.lines();
        for line in &lines {
            self.audit.note(line);
            self.pause(host);
        }
        self.audit.note(format_args!("{file} reloaded: {}", count(number, "change")));
        let late = self.commit(host).err().map(|error| error.to_string());
        Ok(Answer::Reloaded { changes: lines, late })
    }

    /// Makes the running state what a configuration says. What was made at run time stays, unless `prune`.
    pub(super) fn converge(&mut self, config: Config, prune: bool, host: Pump<'_>) -> Result<Changes, ApiError> {
        self.converge_to(Prepared::of(config)?, prune, host)
    }

    fn converge_to(&mut self, prepared: Prepared, prune: bool, host: Pump<'_>) -> Result<Changes, ApiError> {
        let Prepared { mut config, wanted, .. } = prepared;
        let mut by = Convergence { prune, changes: Changes::default(), host };
        let services = std::mem::take(&mut config.services);
        self.follow_all_addresses(true, by.host);
        let converged = self.converge_services(services, &wanted, &mut by);
        (self.facts.discard)(Box::new(wanted));
        self.follow_all_addresses(false, by.host);
        converged?;
        let Convergence { mut changes, host, .. } = by;
        let options = Options {
            ip_forward: config.dataplane.ip_forward,
            accept_source_route: config.dataplane.accept_source_route,
            unwrap_ipip: config.dataplane.unwrap_ipip,
            limits: config.dataplane.limits,
            strict_parity: config.ipvs.strict_parity,
        };
        if options.ip_forward != self.tables.options.ip_forward {
            changes.note(|| format!("ip_forward is {}", options.ip_forward));
        }
        for ((name, new), (_, old)) in options.limits.named().into_iter().zip(self.tables.options.limits.named()) {
            if new != old {
                changes.note(|| format!("{name} is {new}"));
            }
        }
        self.net.set_router(options.ip_forward);
        self.tables.options = options;
        if config.dataplane.accept_source_route != self.config.dataplane.accept_source_route {
            changes.note(|| format!("accept_source_route is {}", config.dataplane.accept_source_route));
        }
        if config.dataplane.unwrap_ipip != self.config.dataplane.unwrap_ipip {
            changes.note(|| format!("unwrap_ipip is {}", config.dataplane.unwrap_ipip));
        }
        self.converge_timeouts(&config, prune, &mut changes);
        self.converge_sysctls(&config, prune, &mut changes)?;
        if config.vips != self.config.vips {
            changes.note(|| "virtual addresses changed".to_owned());
        }
        self.converge_vips(&config, prune, host);
        self.converge_marks(&config, prune, &mut changes);
        if config.ipvs.strict_parity != self.config.ipvs.strict_parity {
            changes.note(|| format!("strict_parity is {}", config.ipvs.strict_parity));
        }
        self.services.reading = if config.ipvs.strict_parity { Reading::Sampled } else { Reading::Exact };
        // From here on there is no pause: routes are published with the services.
        self.take_all_services(host);
        self.converge_net(&config, prune, &mut changes);
        self.net.set_quiet(config.ipvs.strict_parity);
        self.config = config;
        self.publish_soon();
        Ok(changes)
    }

    fn converge_net(&mut self, config: &Config, prune: bool, changes: &mut Changes) {
        self.converge_routes(config, prune, changes);
        if config.neighbors != self.config.neighbors {
            self.net.set_static(&config.neighbors, self.now);
            changes.note(|| "static neighbours changed".to_owned());
        }
    }
}

/// Refuses what only a new start can change, key by key.
fn needs_restart(running: &Config, wanted: &Config) -> Result<(), ApiError> {
    config::ConfigErrors::of(config::restart(running, wanted)).map_or(Ok(()), |errors| Err(wrong(errors)))
}

/// A file that is refused.
pub(super) fn wrong(errors: config::ConfigErrors) -> ApiError {
    ApiError { code: Code::Config, place: String::new(), text: errors.to_string() }
}

/// Whether this director can be what a configuration says; the configuration itself is in order.
pub fn validate(config: &Config) -> Result<(), ApiError> {
    if config.interfaces.is_empty() {
        let text = "there is no [[interface]]; a director needs at least one".to_owned();
        return Err(ApiError { code: Code::Config, place: "interface".to_owned(), text });
    }
    let links = ipvs::Links::of(config.interfaces.iter().flat_map(|interface| &interface.addresses));
    config.services.iter().try_for_each(|service| {
        ipvs::validate(&service.spec, service.servers.iter().map(|server| &server.spec), &links)
            .map_err(|error| ApiError { place: format!("{}: {}", service.place, error.place), ..error })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Answer, Cursor};
    use crate::director::lab;

    #[test]
    fn services_are_listed_and_shown_in_the_order_of_the_file() {
        let service = |port: u16| {
            format!(
                "[[service]]\nprotocol = \"tcp\"\naddress = \"10.0.0.9:{port}\"\n[[service.server]]\n\
                 address = \"10.0.0.11\"\n[[service.server]]\naddress = \"10.0.0.10\"\n"
            )
        };
        let text = "schema = 1\n[[interface]]\nname = \"wan\"\ndevice = \"tap:wan\"\naddresses = [\"10.0.0.1/24\"]\n";
        let text = format!("{text}{}", [80, 443, 22].map(service).concat());
        let read = config::parse(&text, "t.toml").expect("a right file");
        let director = lab::fresh(&text);
        let listed: Vec<_> = director.services.newest_first().map(|service| service.spec.key.to_string()).collect();
        assert_eq!(listed, ["TCP 10.0.0.9:80", "TCP 10.0.0.9:443", "TCP 10.0.0.9:22"]);
        let Answer::Text { text, next: None } = director.show_config(None) else { panic!("one page") };
        assert_eq!(config::parse(&text, "shown.toml").expect("a right file").services, read.services);
        // Page by page, as small as they come.
        let (mut cursor, mut shown) = (Some(Cursor::START), Vec::new());
        while let Some(from) = cursor {
            let (pieces, next) = director.services.page_as_filed(from, 2);
            let servers =
                |piece: &ipvs::Piece<'_>| piece.servers.iter().rev().map(|s| s.spec.address).collect::<Vec<_>>();
            shown.extend(pieces.iter().flat_map(servers));
            cursor = next;
        }
        let wanted: Vec<_> = read.services.iter().flat_map(|s| s.servers.iter().map(|s| s.spec.address)).collect();
        assert_eq!(shown, wanted);
    }

    #[test]
    fn a_reload_that_needs_a_start_says_which_keys() {
        let text = "schema = 1\n[[interface]]\nname = \"wan\"\ndevice = \"tap:wan\"\n";
        let config = |text: &str| config::parse(text, "t.toml").expect("a right file");
        let wanted = config(&format!("{text}mtu = 1400\n[dataplane]\nworkers = [1, 2]\n"));
        let error = needs_restart(&config(text), &wanted).expect_err("it cannot");
        let told = "t.toml:5: interface.mtu: wan: 1500 -> 1400; set at the start: restart\n\
                    t.toml:7: dataplane.workers: [1] -> [1, 2]; set at the start: restart";
        assert_eq!((error.code, error.to_string().as_str()), (Code::Config, told));
    }
}

#[cfg(test)]
#[path = "kept_tests.rs"]
mod kept;

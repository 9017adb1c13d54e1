//! The file and the running state: reading it again, and converging to what it says.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use dataplane::flow::ServiceKey;
use dataplane::limiter::Limits;
use dataplane::tables::Options;

use super::audit::count;
use super::converge::Changes;
use super::{Director, Pump};
use crate::api::{Answer, ApiError, Code};
use crate::config::{self, Config};
use crate::ipvs;
use crate::statistics::Reading;

/// A file that has been read and checked; not yet compared with what runs.
#[derive(Debug)]
pub struct Prepared {
    config: Config,
    /// The services that it has.
    wanted: HashSet<ServiceKey>,
}

impl Prepared {
    /// Reads and checks a file. That takes its time where it is large: any thread may do it.
    pub fn read(file: &Path) -> Result<Self, ApiError> {
        let config = config::load(file).map_err(|errors| ApiError {
            code: Code::Config,
            place: String::new(),
            text: errors.to_string(),
        })?;
        Self::of(config)
    }

    /// Of a configuration that has been read.
    pub fn of(config: Config) -> Result<Self, ApiError> {
        validate(&config)?;
        let wanted = config.services.iter().map(|service| service.spec.key).collect();
        Ok(Self { config, wanted })
    }
}

impl Director {
    /// The file that a reload reads.
    pub fn file(&self) -> Result<PathBuf, ApiError> {
        let none = || super::unsupported("this director was started without a configuration file");
        self.facts.file.clone().ok_or_else(none)
    }

    /// What a stop loses that was made at run time; nothing if nothing was.
    #[must_use]
    pub fn lost_by_a_stop(&self) -> Option<String> {
        let (services, servers, edited) = self.services.made_at_run_time();
        let routes = self.routes.iter().filter(|route| route.runtime).count();
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
        let error = |text: String| ApiError { code: Code::Config, place: file.clone(), text };
        self.needs_restart(&prepared.config).map_err(error)?;
        let changes = self.converge_to(prepared, prune, host)?;
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

    /// What only a new start can change.
    fn needs_restart(&self, config: &Config) -> Result<(), String> {
        let (old, new) = (&self.config, config);
        let dataplane = |c: &Config| config::Dataplane {
            ip_forward: true,
            accept_source_route: false,
            unwrap_ipip: false,
            limits: Limits::NONE,
            ..c.dataplane.clone()
        };
        if dataplane(old) != dataplane(new) {
            return Err("[dataplane] changed; workers, memory and devices are set at the start: restart".to_owned());
        }
        if old.control != new.control {
            return Err("[control] changed; the socket is made at the start: restart".to_owned());
        }
        if old.interfaces != new.interfaces {
            return Err("[[interface]] changed; devices are opened at the start: restart".to_owned());
        }
        Ok(())
    }

    /// Makes the running state what a configuration says. What was made at run time stays, unless `prune`.
    pub(super) fn converge(&mut self, config: Config, prune: bool, host: Pump<'_>) -> Result<Changes, ApiError> {
        self.converge_to(Prepared::of(config)?, prune, host)
    }

    fn converge_to(&mut self, prepared: Prepared, prune: bool, host: Pump<'_>) -> Result<Changes, ApiError> {
        let Prepared { mut config, wanted } = prepared;
        let mut changes = Changes::default();
        let services = std::mem::take(&mut config.services);
        self.follow_all_addresses(true, host);
        let converged = self.converge_services(services, &wanted, prune, &mut changes, host);
        (self.facts.discard)(Box::new(wanted));
        self.follow_all_addresses(false, host);
        converged?;
        self.converge_net(&config, prune, &mut changes);
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
        self.config = config;
        self.unpublished = true;
        Ok(changes)
    }

    fn converge_net(&mut self, config: &Config, prune: bool, changes: &mut Changes) {
        self.converge_routes(config, prune, changes);
        if config.neighbors != self.config.neighbors {
            self.neighbors.clear_static();
            for neighbor in &config.neighbors {
                if let Some(interface) = self.interface_index(&neighbor.interface) {
                    let mac = dataplane::wire::ethernet::MacAddr(neighbor.mac.0);
                    self.neighbors.set_static((interface, neighbor.address), mac, self.now);
                }
            }
            self.net_changed = true;
            changes.note(|| "static neighbours changed".to_owned());
        }
    }

    pub(super) fn interface_index(&self, name: &str) -> Option<u16> {
        self.interfaces.iter().position(|i| *i.name == *name).map(|index| index as u16)
    }
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

//! The file and the running state: converging to a configuration, and the running configuration as a file.

use std::collections::HashSet;
use std::sync::Arc;

use dataplane::clock::ticks;
use dataplane::flow::ServiceKey;
use dataplane::limiter::Limits;
use dataplane::proto::Timeouts;
use dataplane::proto::udp::State;
use dataplane::tables::Options;
use log::info;

use super::Director;
use crate::api::{ApiError, Code, MarkInfo, Request};
use crate::config::{self, Config, Server};
use crate::ipvs;
use crate::statistics::Reading;

/// Most changes that are told one by one.
const MOST_TOLD: usize = 5000;

/// What a reload changed.
#[derive(Debug, Default)]
pub(super) struct Changes {
    told: Vec<String>,
    untold: usize,
}

impl Changes {
    pub(super) fn note(&mut self, text: impl FnOnce() -> String) {
        if self.told.len() < MOST_TOLD {
            self.told.push(text());
        } else {
            self.untold += 1;
        }
    }

    fn len(&self) -> usize {
        self.told.len() + self.untold
    }

    pub(super) fn lines(mut self) -> Vec<String> {
        if self.untold > 0 {
            self.told.push(format!("and {} changes more", self.untold));
        }
        self.told
    }
}

impl Director {
    /// Reads the file again and converges to it. Returns what changed, one line each.
    pub(super) fn reload(&mut self, prune: bool) -> Result<Vec<String>, ApiError> {
        let Some(file) = self.facts.file.clone() else {
            return Err(super::unsupported("this director was started without a configuration file"));
        };
        let error = |text: String| ApiError { code: Code::Config, place: file.display().to_string(), text };
        let config = config::load(&file).map_err(|errors| ApiError {
            code: Code::Config,
            place: String::new(),
            text: errors.to_string(),
        })?;
        self.needs_restart(&config).map_err(error)?;
        let changes = self.converge(config, prune)?;
        info!("{}: reloaded, {} changes", file.display(), changes.len());
        Ok(changes.lines())
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
    pub(super) fn converge(&mut self, mut config: Config, prune: bool) -> Result<Changes, ApiError> {
        validate(&config)?;
        let mut changes = Changes::default();
        let services = std::mem::take(&mut config.services);
        self.follow_addresses(true);
        let converged = self.converge_services(services, prune, &mut changes);
        self.follow_addresses(false);
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
        if config.ipvs.timeouts != self.config.ipvs.timeouts {
            self.tables.timeouts = Arc::new(timeouts_of(&config.ipvs.timeouts));
            changes.note(|| "timeouts changed".to_owned());
        }
        self.converge_sysctls(&config, &mut changes)?;
        if config.vips != self.config.vips {
            changes.note(|| "virtual addresses changed".to_owned());
        }
        self.converge_vips(&config, prune);
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

    /// Takes the services as the file has them; each is forgotten when it runs, so that there is never twice a table.
    fn converge_services(
        &mut self,
        services: Vec<config::Service>,
        prune: bool,
        changes: &mut Changes,
    ) -> Result<(), ApiError> {
        let wanted: HashSet<ServiceKey> = services.iter().map(|service| service.spec.key).collect();
        let gone: Vec<ServiceKey> = self
            .services
            .newest_first()
            .filter(|service| (prune || !service.runtime) && !wanted.contains(&service.spec.key))
            .map(|service| service.spec.key)
            .collect();
        for key in gone {
            self.delete_service(&key)?;
            changes.note(|| format!("service {key} removed"));
        }
        for service in services {
            self.converge_service(&service, prune, changes)?;
        }
        Ok(())
    }

    fn converge_service(
        &mut self,
        service: &config::Service,
        prune: bool,
        changes: &mut Changes,
    ) -> Result<(), ApiError> {
        let key = service.spec.key;
        match self.services.get(&key).map(|running| running.spec == service.spec) {
            None => {
                self.edit(Request::AddService { service: service.spec.clone() }, false)?;
                changes.note(|| format!("service {key} added"));
            }
            Some(false) => {
                self.edit(Request::EditService { service: service.spec.clone() }, false)?;
                changes.note(|| format!("service {key} changed"));
            }
            Some(true) => {}
        }
        self.services.set_runtime(&key, None, false);
        self.file_has(&key);
        let running: Vec<_> = self
            .services
            .get(&key)
            .map_or(Vec::new(), |running| running.servers.iter().map(|s| (s.spec.address, s.runtime)).collect());
        let kept = |address| service.servers.iter().any(|server| server.spec.address == address);
        for (address, runtime) in running {
            if (prune || !runtime) && !kept(address) {
                self.edit(Request::DeleteServer { key, address }, false)?;
                changes.note(|| format!("service {key}: server {address} removed"));
            }
        }
        service.servers.iter().try_for_each(|server| self.converge_server(key, server, changes))
    }

    fn converge_server(&mut self, key: ServiceKey, server: &Server, changes: &mut Changes) -> Result<(), ApiError> {
        let spec = server.spec.clone();
        let address = spec.address;
        let running = self.services.get(&key).and_then(|s| s.servers.iter().find(|s| s.spec.address == address));
        let change = match running.map(|running| running.spec == spec) {
            None => {
                self.edit(Request::AddServer { key, server: spec }, false)?;
                "added"
            }
            Some(false) => {
                self.edit(Request::EditServer { key, server: spec }, false)?;
                "changed"
            }
            Some(true) => "",
        };
        self.services.set_runtime(&key, Some(address), false);
        if !change.is_empty() {
            changes.note(|| format!("service {key}: server {address} {change}"));
        }
        Ok(())
    }

    /// The running configuration: the file's own parts, and routes and services as they are now, services oldest first.
    pub(super) fn running_config(&self) -> Config {
        let mut config = self.config.clone();
        let service = |running: &ipvs::Service| config::Service {
            spec: running.spec.clone(),
            servers: running
                .servers
                .iter()
                .rev()
                .map(|s| Server { spec: s.spec.clone(), place: Default::default() })
                .collect(),
            place: Default::default(),
        };
        config.services = self.services.oldest_first().map(service).collect();
        let rule = |rule: &MarkInfo| config::MarkRule { spec: rule.spec.clone(), place: Default::default() };
        config.marks = self.marks.iter().map(rule).collect();
        config.routes = self.running_routes();
        config.ipvs.sysctls = self.running_sysctls();
        let (timeouts, usual) = (&self.tables.timeouts, config.ipvs.timeouts.profile.timeouts());
        let differs = |now: u32, usual: u32| (now != usual).then_some(now / dataplane::clock::TICKS_PER_SECOND);
        config.ipvs.timeouts.tcp = std::array::from_fn(|state| differs(timeouts.tcp[state], usual.tcp[state]));
        config.ipvs.timeouts.sctp = std::array::from_fn(|state| differs(timeouts.sctp[state], usual.sctp[state]));
        let [stream, one_way] = [State::Stream, State::OneWay];
        config.ipvs.timeouts.udp = differs(timeouts.udp.of(stream), usual.udp.of(stream));
        let mut implied = usual.udp;
        implied.set(timeouts.udp.of(stream));
        config.ipvs.timeouts.udp_one_way = differs(timeouts.udp.of(one_way), implied.of(one_way));
        config
    }
}

/// The timeouts of a profile, with those that the file names.
fn timeouts_of(wanted: &config::Timeouts) -> Timeouts {
    let mut timeouts = wanted.profile.timeouts();
    let by_state = wanted.tcp.iter().zip(&mut timeouts.tcp).chain(wanted.sctp.iter().zip(&mut timeouts.sctp));
    for (seconds, place) in by_state {
        if let Some(seconds) = seconds {
            *place = ticks(*seconds);
        }
    }
    if let Some(seconds) = wanted.udp {
        timeouts.udp.set(ticks(seconds));
    }
    if let Some(seconds) = wanted.udp_one_way {
        timeouts.udp.set_one_way(ticks(seconds));
    }
    timeouts
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
    use dataplane::proto::sctp::State;

    use super::*;

    #[test]
    fn a_file_names_timeouts_by_state() {
        let text = "schema = 1\n[ipvs.timeouts]\nsctp_c_sent = 7\nsctp = 30\nudp = 8\n";
        let read = config::parse(text, "t.toml").map(|config| timeouts_of(&config.ipvs.timeouts));
        let mut wanted = Timeouts::default();
        wanted.sctp[State::CookieSent as usize] = ticks(7);
        wanted.sctp[State::Established as usize] = ticks(30);
        wanted.udp.set(ticks(8));
        assert_eq!(read.expect("a right file"), wanted);
    }
}

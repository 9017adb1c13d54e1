//! The operator: asks a director by the tool, and reads what it answers.

use std::path::PathBuf;
use std::process::Command;

use control::api::{Answer, ServerInfo, ServiceInfo, StatsReport, Status, SteeringReport};

use crate::process::Ran;
use crate::ready;

/// Someone at a director's control socket.
#[derive(Debug)]
pub(crate) struct Operator {
    socket: PathBuf,
}

impl Operator {
    /// At this socket.
    pub(crate) fn at(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// The control socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.socket.clone()
    }

    /// The operator's tool.
    pub(crate) fn tool(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new("timeout");
        command.arg("20").arg(ready::sluice()).arg("--socket").arg(&self.socket).args(arguments);
        Ran::of(&mut command)
    }

    fn ask(&self, what: &str) -> Answer {
        let ran = self.tool(&["--json", what]).good();
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}", ran.out))
    }

    /// Every service.
    pub(crate) fn services(&self) -> Vec<ServiceInfo> {
        let Answer::Services { services, .. } = self.ask("services") else { panic!("not services") };
        services
    }

    /// A service by its key, such as `TCP 10.0.0.100:80`.
    pub(crate) fn service(&self, key: &str) -> ServiceInfo {
        let found = self.services().into_iter().find(|service| service.spec.key.to_string() == key);
        found.unwrap_or_else(|| panic!("no service {key}"))
    }

    /// A server of a service.
    pub(crate) fn server(&self, key: &str, address: &str) -> ServerInfo {
        let servers = self.service(key).servers;
        let found = servers.into_iter().find(|server| server.spec.address.to_string() == address);
        found.unwrap_or_else(|| panic!("no server {address}"))
    }

    /// The director in a few lines.
    pub(crate) fn status(&self) -> Status {
        let Answer::Status(status) = self.ask("status") else { panic!("not a status") };
        *status
    }

    /// Which worker gets what.
    pub(crate) fn steering(&self) -> SteeringReport {
        let Answer::Steering(report) = self.ask("steering") else { panic!("not steering") };
        *report
    }

    /// Every counter.
    pub(crate) fn stats(&self) -> StatsReport {
        let Answer::Stats(report) = self.ask("stats") else { panic!("not stats") };
        *report
    }

    /// One counter.
    pub(crate) fn counter(&self, name: &str) -> u64 {
        let found = self.stats().counters.into_iter().find(|counter| counter.name == name);
        found.unwrap_or_else(|| panic!("no counter {name}")).value
    }

    /// One counter of every worker.
    pub(crate) fn by_worker(&self, name: &str) -> Vec<u64> {
        let of = |counters: &Vec<control::api::Counter>| counters.iter().find(|c| c.name == name).map(|c| c.value);
        let workers = self.stats().workers;
        workers.iter().map(|counters| of(counters).unwrap_or_else(|| panic!("no counter {name}"))).collect()
    }

    /// A number about the packet pool.
    pub(crate) fn memory(&self, name: &str) -> u64 {
        let found = self.stats().memory.into_iter().find(|counter| counter.name == name);
        found.unwrap_or_else(|| panic!("no {name} of memory")).value
    }

    /// Nothing was lost by the director.
    #[track_caller]
    pub(crate) fn assert_nothing_dropped(&self) {
        self.assert_only_dropped(&[]);
    }

    /// Nothing was lost by the director, but for these reasons.
    #[track_caller]
    pub(crate) fn assert_only_dropped(&self, reasons: &[&str]) {
        let lost = |name: &str| (name.starts_with("drop_") || name == "sent_lost") && !reasons.contains(&name);
        let moved: Vec<_> = self.stats().counters.into_iter().filter(|c| lost(&c.name) && c.value > 0).collect();
        assert!(moved.is_empty(), "{moved:?}");
    }
}

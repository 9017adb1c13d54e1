//! Routes: those of the file, those made at run time, and lists of both.

use dataplane::route::Action;
use ipnet::IpNet;

use super::Director;
use super::converge::Changes;
use crate::api::{Answer, ApiError, Code, RouteInfo, RouteSpec};
use crate::config::network::DEFAULT_ROUTE;
use crate::config::{self, Config, RouteAction};
use crate::net::{self, NetRoute};

/// Servers that forget their routes in one turn.
const FORGOTTEN: u32 = 8192;

impl Director {
    /// The file's routes, and those made at run time that it does not speak of.
    pub(super) fn converge_routes(&mut self, config: &Config, prune: bool, changes: &mut Changes) {
        let mut routes: Vec<NetRoute> = config.routes.iter().filter_map(|route| self.net_route(route, false)).collect();
        let kept = |own: &&NetRoute| own.runtime && !prune && routes.iter().all(|route| route.to != own.to);
        let kept: Vec<NetRoute> = self.routes.iter().filter(kept).cloned().collect();
        routes.extend(kept);
        if routes != self.routes {
            self.set_routes(routes);
            changes.note(|| "routes changed".to_owned());
        }
    }

    fn set_routes(&mut self, routes: Vec<NetRoute>) {
        self.routes = routes;
        self.net_changed = true;
        self.services.forget_paths();
        self.forgetting = Some(0);
        self.forget_routes();
    }

    /// Goes on having servers forget how they were reached by the routes of before; a bounded number in a turn.
    pub(super) fn forget_routes(&mut self) {
        if let Some(from) = self.forgetting {
            self.forgetting = self.services.forget_routes(from, FORGOTTEN);
        }
    }

    /// Adds a route at run time.
    pub(super) fn add_route(&mut self, spec: &RouteSpec) -> Result<(), ApiError> {
        let route = self.read_route(spec)?;
        if self.routes.iter().any(|known| known.to == route.to) {
            let text = "this route exists; remove it first".to_owned();
            return Err(ApiError { code: Code::Exists, place: spec.to.clone(), text });
        }
        let added = self.net_route(&route, true);
        self.set_routes(self.routes.iter().cloned().chain(added).collect());
        Ok(())
    }

    /// Removes a route, whoever made it.
    pub(super) fn delete_route(&mut self, to: &str) -> Result<(), ApiError> {
        let prefix: Option<IpNet> = if to == DEFAULT_ROUTE { self.default_route()? } else { to.parse().ok() };
        let rest: Vec<NetRoute> = self.routes.iter().filter(|route| Some(route.to) != prefix).cloned().collect();
        if rest.len() == self.routes.len() {
            let text = "no such route; `sluice routes` lists them, connected ones belong to their interface".to_owned();
            return Err(ApiError { code: Code::NoEntry, place: to.to_owned(), text });
        }
        self.set_routes(rest);
        Ok(())
    }

    /// The only default route, if there is one.
    fn default_route(&self) -> Result<Option<IpNet>, ApiError> {
        let mut defaults = self.routes.iter().map(|route| route.to).filter(|to| to.prefix_len() == 0);
        match (defaults.next(), defaults.next()) {
            (Some(one), Some(other)) => {
                let text = format!("there are two; write {one} or {other}");
                Err(ApiError { code: Code::Invalid, place: DEFAULT_ROUTE.to_owned(), text })
            }
            (only, _) => Ok(only),
        }
    }

    /// A route as the file would have it: what is wrong with one there is wrong with one here.
    fn read_route(&self, spec: &RouteSpec) -> Result<config::Route, ApiError> {
        let wrong = |text: String| ApiError { code: Code::Invalid, place: spec.to.clone(), text };
        let around = Config { interfaces: self.config.interfaces.clone(), ..Config::default() };
        let route = toml::to_string(spec).map_err(|error| wrong(error.to_string()))?;
        let text = config::render(&around) + "\n[[route]]\n" + &route;
        let read = config::parse(&text, "route").map_err(|errors| {
            wrong(errors.iter().map(|error| format!("{} {}", error.key, error.text)).collect::<Vec<_>>().join("; "))
        })?;
        read.routes.into_iter().next().ok_or_else(|| wrong("is not a route".to_owned()))
    }

    fn net_route(&self, route: &config::Route, runtime: bool) -> Option<NetRoute> {
        let action = match &route.action {
            RouteAction::Via { gateway, interface } => {
                let named = interface.as_deref().and_then(|name| self.interface_index(name));
                let near = || self.interfaces.iter().position(|i| i.has_on_link(*gateway)).map(|index| index as u16);
                Action::Via { interface: named.or_else(near)?, gateway: *gateway }
            }
            RouteAction::Interface(name) => Action::OnLink { interface: self.interface_index(name)? },
            RouteAction::Unreachable => Action::Unreachable,
            RouteAction::Blackhole => Action::Blackhole,
        };
        Some(NetRoute { to: route.to, action, runtime })
    }

    pub(super) fn interface_name(&self, interface: u16) -> Option<String> {
        self.interfaces.get(usize::from(interface)).map(|interface| interface.name.to_string())
    }

    /// Routes as they are now, for a file.
    pub(super) fn running_routes(&self) -> Vec<config::Route> {
        let route = |route: &NetRoute| {
            let action = match route.action {
                Action::OnLink { interface } => RouteAction::Interface(self.interface_name(interface)?),
                Action::Via { interface, gateway } => {
                    RouteAction::Via { gateway, interface: self.interface_name(interface) }
                }
                Action::Unreachable => RouteAction::Unreachable,
                Action::Blackhole => RouteAction::Blackhole,
            };
            Some(config::Route { to: route.to, action, place: Default::default() })
        };
        self.routes.iter().filter_map(route).collect()
    }

    pub(super) fn list_routes(&self) -> Answer {
        let info = |(route, connected): (NetRoute, bool)| {
            let (via, interface, kind) = match route.action {
                Action::OnLink { interface } if connected => (None, self.interface_name(interface), "connected"),
                Action::OnLink { interface } => (None, self.interface_name(interface), "static"),
                Action::Via { interface, gateway } => (Some(gateway), self.interface_name(interface), "static"),
                Action::Unreachable => (None, None, "unreachable"),
                Action::Blackhole => (None, None, "blackhole"),
            };
            RouteInfo { to: route.to.to_string(), via, interface, kind: kind.to_owned(), runtime: route.runtime }
        };
        Answer::Routes { routes: net::all_routes(&self.interfaces, &self.routes).into_iter().map(info).collect() }
    }
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;

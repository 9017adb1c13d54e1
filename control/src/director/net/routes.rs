//! Routes: those of the file, those made at run time, and lists of both. Who changes them has servers forget how they were
//! reached by the routes of before.

use dataplane::route::Action;
use ipnet::IpNet;

use super::Net;
use crate::api::{ApiError, Code, RouteInfo, RouteKind};
use crate::config::network::DEFAULT_ROUTE;
use crate::config::{self, RouteAction};
use crate::net::{self, NetRoute};

impl Net {
    /// Takes the file's routes, and keeps those made at run time that it does not speak of, unless `prune`. Returns whether
    /// that changes anything.
    pub(in crate::director) fn converge_routes(&mut self, wanted: &[config::Route], prune: bool) -> bool {
        let mut routes: Vec<NetRoute> = wanted.iter().filter_map(|route| self.net_route(route, false)).collect();
        let kept = |own: &&NetRoute| own.runtime && !prune && routes.iter().all(|route| route.to != own.to);
        let kept: Vec<NetRoute> = self.routes.iter().filter(kept).cloned().collect();
        routes.extend(kept);
        let differs = routes != self.routes;
        if differs {
            self.set_routes(routes);
        }
        differs
    }

    fn set_routes(&mut self, routes: Vec<NetRoute>) {
        self.routes = routes;
        self.changed = true;
    }

    /// Adds a route at run time.
    pub(in crate::director) fn add_route(&mut self, route: &config::Route, place: &str) -> Result<(), ApiError> {
        if self.routes.iter().any(|known| known.to == route.to) {
            let text = "this route exists; remove it first".to_owned();
            return Err(ApiError { code: Code::Exists, place: place.to_owned(), text });
        }
        let added = self.net_route(route, true);
        self.set_routes(self.routes.iter().cloned().chain(added).collect());
        Ok(())
    }

    /// Removes a route, whoever made it.
    pub(in crate::director) fn delete_route(&mut self, to: &str) -> Result<(), ApiError> {
        let prefix: Option<IpNet> = if to == DEFAULT_ROUTE { self.default_route()? } else { to.parse().ok() };
        let rest: Vec<NetRoute> = self.routes.iter().filter(|route| Some(route.to) != prefix).cloned().collect();
        if rest.len() == self.routes.len() {
            let text = "no such route; `sluice routes` lists them, connected ones belong to their interface".to_owned();
            return Err(ApiError { code: Code::NoEntry, place: to.to_owned(), text });
        }
        self.set_routes(rest);
        Ok(())
    }

    /// How many routes were made at run time.
    pub(in crate::director) fn runtime_routes(&self) -> usize {
        self.routes.iter().filter(|route| route.runtime).count()
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

    /// Routes as they are now, for a file.
    pub(in crate::director) fn running_routes(&self) -> Vec<config::Route> {
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

    /// Routes as they are now, connected ones among them.
    pub(in crate::director) fn list_routes(&self) -> Vec<RouteInfo> {
        let info = |(route, connected): (NetRoute, bool)| {
            let (via, interface, kind) = match route.action {
                Action::OnLink { interface } if connected => {
                    (None, self.interface_name(interface), RouteKind::Connected)
                }
                Action::OnLink { interface } => (None, self.interface_name(interface), RouteKind::Static),
                Action::Via { interface, gateway } => {
                    (Some(gateway), self.interface_name(interface), RouteKind::Static)
                }
                Action::Unreachable => (None, None, RouteKind::Unreachable),
                Action::Blackhole => (None, None, RouteKind::Blackhole),
            };
            RouteInfo { to: route.to.to_string(), via, interface, kind, runtime: route.runtime }
        };
        net::all_routes(&self.interfaces, &self.routes).into_iter().map(info).collect()
    }
}

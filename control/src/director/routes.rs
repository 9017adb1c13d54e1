//! Routes changed by the file and at run time. Servers are reached by other ones then.

use super::Director;
use super::converge::Changes;
use crate::api::{ApiError, Code, RouteSpec};
use crate::config::{self, Config};

/// Servers that forget their routes in one turn.
const FORGOTTEN: u32 = 8192;

impl Director {
    /// The file's routes, and those made at run time that it does not speak of.
    pub(super) fn converge_routes(&mut self, config: &Config, prune: bool, changes: &mut Changes) {
        if self.net.converge_routes(&config.routes, prune) {
            self.reach_anew();
            changes.note(|| "routes changed".to_owned());
        }
    }

    /// Adds a route at run time.
    pub(super) fn add_route(&mut self, spec: &RouteSpec) -> Result<(), ApiError> {
        let route = self.read_route(spec)?;
        self.net.add_route(&route, &spec.to)?;
        self.reach_anew();
        Ok(())
    }

    /// Removes a route, whoever made it.
    pub(super) fn delete_route(&mut self, to: &str) -> Result<(), ApiError> {
        self.net.delete_route(to)?;
        self.reach_anew();
        Ok(())
    }

    /// Begins to have servers forget how they were reached.
    fn reach_anew(&mut self) {
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
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;

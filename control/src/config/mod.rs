//! The configuration file: TOML, read once at the door into a value that has been checked.
//!
//! ```text
//! text -> toml tables with spans -> settings, network, services (each table by itself) -> check (how they fit) -> Config
//!                                                                                         warn (what cannot work)
//! ```
//!
//! Everything that is wrong is said at once, a line each, with file, line and key: `sluice.toml:17: interface.mtu:
//! 80000 is too large; 68 to 9600`. Unknown keys are refused, and the nearest right ones named. What a machine lacks (a
//! device, a CPU, a group) is not decided here; objects keep their [`Place`], tables the [`Lines`] of their keys, so that
//! whoever decides can say where.

use std::path::Path;

use toml::de::DeTable;

mod check;
mod device;
mod error;
mod mac;
mod marks;
mod model;
pub(crate) mod network;
mod render;
mod restart;
mod scope;
mod services;
mod settings;
mod source;
mod spot;
pub(crate) mod suggest;
#[cfg(test)]
mod tests;
mod warn;

pub use error::{ConfigError, ConfigErrors, Lines, Place};
pub use mac::{Mac, MacError};
pub use model::{
    Config, Control, DEFAULT_SOCKET, Dataplane, Interface, Ipvs, MarkRule, Neighbor, Profile, Route, RouteAction,
    Server, Service, Timeouts, Vip,
};
pub use render::{render, render_service};
pub use restart::restart;
pub use settings::timeout_names;

use scope::Scope;
use source::Source;

/// The only version of the file's schema.
pub const SCHEMA: u32 = 1;

/// What was found in a file.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// What it says; where there are errors, as far as it could be understood.
    pub config: Config,
    /// Everything that is wrong with it, in the order of its lines.
    pub errors: Vec<ConfigError>,
    /// What is allowed and cannot work, in the order of its lines.
    pub warnings: Vec<ConfigError>,
}

impl Reading {
    /// The configuration, if nothing is wrong with it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn verdict(self) -> Result<Config, ConfigErrors> {
        ConfigErrors::of(self.errors).map_or(Ok(self.config), Err)
    }
}

/// Reads a file.
///
/// # Errors
/// That it cannot be read, or everything that is wrong with it.
pub fn load(path: &Path) -> Result<Config, ConfigErrors> {
    read(path).verdict()
}

/// Reads a file, and tells all that was found.
#[must_use]
pub fn read(path: &Path) -> Reading {
    let file = path.display().to_string();
    let failed = |line, text: String| {
        let place = Place { file: file.as_str().into(), line };
        Reading { errors: vec![place.error("", text)], ..Reading::default() }
    };
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => return failed(0, format!("cannot read the file: {error}")),
    };
    match String::from_utf8(bytes) {
        Ok(text) => read_text(&text, &file),
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..good].iter().filter(|&&byte| byte == b'\n').count() + 1;
            failed(u32::try_from(line).unwrap_or(u32::MAX), "is not UTF-8 text".to_owned())
        }
    }
}

/// Reads the text of a file; `file` is its name in errors.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(text: &str, file: &str) -> Result<Config, ConfigErrors> {
    read_text(text, file).verdict()
}

/// Reads the text of a file, and tells all that was found.
#[must_use]
pub fn read_text(text: &str, file: &str) -> Reading {
    let source = Source::new(file, text);
    let (document, faults) = DeTable::parse_recoverable(text);
    for fault in &faults {
        let at = fault.span().map_or(0, |span| span.start);
        source.wrong(at, "", fault.message().trim().replace('\n', "; "));
    }
    let mut config = Config::default();
    if faults.is_empty() {
        let top = Scope::top(&source, document.get_ref());
        if schema(&top, &source) {
            config = tables(&top, &source);
            top.finish();
        }
    }
    let [errors, warnings] = source.findings();
    Reading { config, errors, warnings }
}

/// Whether the file is of this schema. If not, nothing else in it can be judged.
fn schema(top: &Scope<'_>, source: &Source) -> bool {
    let Some(spot) = top.value("schema") else {
        source.wrong_file("schema", format!("is missing; begin the file with schema = {SCHEMA}"));
        return false;
    };
    let number = spot.number::<u32>(0..=u32::MAX.into());
    if let Some(other) = number.filter(|&number| number != SCHEMA) {
        top.wrong("schema", format!("{other} is a schema that this version does not know; it knows {SCHEMA}"));
    }
    number == Some(SCHEMA)
}

fn tables(top: &Scope<'_>, source: &Source) -> Config {
    let interfaces = network::interfaces(top);
    let links = check::Links::new(&interfaces, source.is_clean());
    let routes = network::routes(top);
    let neighbors = network::neighbors(top);
    let vips = network::vips(top);
    let marks = marks::marks(top);
    check::interfaces(&links);
    check::routes(&links, &routes);
    check::neighbors(&links, &neighbors);
    check::vips(&links, &vips);
    check::marks(&links, &marks);
    let control = settings::control(top);
    let sure = source.is_clean();
    let services = services::services(top);
    check::services(&links, &services);
    let network = warn::Network { interfaces: &interfaces, routes: &routes, vips: &vips };
    network.warn(sure, control.rules.is_some(), &services);
    Config {
        dataplane: settings::dataplane(top),
        control,
        ipvs: settings::ipvs(top),
        interfaces: scope::values(interfaces),
        routes: scope::values(routes),
        neighbors: scope::values(neighbors),
        vips: scope::values(vips),
        marks: scope::values(marks),
        services: scope::values(services),
    }
}

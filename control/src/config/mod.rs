//! The configuration file: TOML, read once at the door into a value that has been checked.
//!
//! ```text
//! text -> toml tables with spans -> settings, network, services (each table by itself) -> check (how they fit) -> Config
//! ```
//!
//! Everything that is wrong is said at once, a line each, with file, line and key: `sluice.toml:17: interface.mtu:
//! 80000 is too large; 68 to 9600`. Unknown keys are refused, and the nearest right ones named. What a director cannot
//! do (a driver it lacks, a scheduler it does not know) is not decided here; objects keep their [`Place`] so that
//! whoever decides can say where.

use std::path::Path;

use toml::de::DeTable;

mod check;
mod device;
mod error;
mod flags;
mod mac;
mod marks;
mod model;
pub(crate) mod network;
mod render;
pub mod rules;
mod scope;
mod services;
mod settings;
mod source;
mod spot;
pub(crate) mod suggest;
#[cfg(test)]
mod tests;

pub use error::{ConfigError, ConfigErrors, Place};
pub use mac::{Mac, MacError};
pub use model::{
    Config, Control, DEFAULT_SOCKET, Dataplane, Interface, Ipvs, MarkRule, Neighbor, Profile, Route, RouteAction,
    Server, Service, Timeouts, Vip,
};
pub use render::{render, render_service};
pub use settings::timeout_names;

use scope::Scope;
use source::Source;

/// The only version of the file's schema.
pub const SCHEMA: u32 = 1;

/// Reads a file.
///
/// # Errors
/// That it cannot be read, or everything that is wrong with it.
pub fn load(path: &Path) -> Result<Config, ConfigErrors> {
    let file = path.display().to_string();
    let whole = |text: String| Place { file: file.as_str().into(), line: 0 }.error("", text);
    let bytes = std::fs::read(path).map_err(|error| whole(format!("cannot read the file: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..good].iter().filter(|&&byte| byte == b'\n').count() + 1;
        let place = Place { file: file.as_str().into(), line: u32::try_from(line).unwrap_or(u32::MAX) };
        place.error("", "is not UTF-8 text")
    })?;
    parse(&text, &file)
}

/// Reads the text of a file; `file` is its name in errors.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(text: &str, file: &str) -> Result<Config, ConfigErrors> {
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
    source.verdict().map(|()| config)
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
    Config {
        dataplane: settings::dataplane(top),
        control: settings::control(top),
        ipvs: settings::ipvs(top),
        interfaces: scope::values(interfaces),
        routes: scope::values(routes),
        neighbors: scope::values(neighbors),
        vips: scope::values(vips),
        marks: scope::values(marks),
        services: services::services(top),
    }
}

//! What only a new start can change: the keys by which two configurations differ in it, each with its line.

use dataplane::limiter::Limits;

use super::error::{ConfigError, Lines, Place};
use super::model::{Config, Interface};
use super::render::render;

/// Keys of `[dataplane]` that a reload changes, beside the limits.
const LIVE: [&str; 3] = ["ip_forward", "accept_source_route", "unwrap_ipip"];

/// Every key that is set at the start and is another in the new configuration; empty where a reload can carry it out.
#[must_use]
pub fn restart(old: &Config, new: &Config) -> Vec<ConfigError> {
    if old.dataplane == new.dataplane && old.control == new.control && old.interfaces == new.interfaces {
        return Vec::new();
    }
    let [before, after] = [old, new].map(tables);
    let mut all = Vec::new();
    for (table, lines) in [("dataplane", &new.dataplane.lines), ("control", &new.control.lines)] {
        let live = |key: &str| {
            table == "dataplane" && (LIVE.contains(&key) || Limits::NONE.named().iter().any(|(name, _)| *name == key))
        };
        let [before, after] = [&before, &after].map(|tables| tables.get(table).and_then(toml::Value::as_table));
        let changes = differences(before, after).into_iter().filter(|(key, _)| !live(key));
        all.extend(changes.map(|(key, change)| told(lines, table, &key, &change)));
    }
    all.extend(interfaces(old, new, [&before, &after]));
    all.sort_by_key(|error| error.line);
    all
}

fn told(lines: &Lines, table: &str, key: &str, change: &str) -> ConfigError {
    lines.of(key).error(format!("{table}.{key}"), format!("{change}; set at the start: restart"))
}

/// What is rendered of the tables that are looked at.
fn tables(config: &Config) -> toml::Table {
    let (dataplane, control) = (config.dataplane.clone(), config.control.clone());
    let part = Config { dataplane, control, interfaces: config.interfaces.clone(), ..Config::default() };
    toml::from_str(&render(&part)).unwrap_or_default()
}

/// The keys by which two tables differ, and how.
fn differences(before: Option<&toml::Table>, after: Option<&toml::Table>) -> Vec<(String, String)> {
    let nothing = toml::Table::new();
    let (before, after) = (before.unwrap_or(&nothing), after.unwrap_or(&nothing));
    let absent = |value: Option<&toml::Value>| value.map_or_else(|| "absent".to_owned(), toml::Value::to_string);
    let mut keys: Vec<&String> = before.keys().chain(after.keys().filter(|key| !before.contains_key(*key))).collect();
    keys.retain(|key| before.get(*key) != after.get(*key));
    keys.into_iter()
        .map(|key| (key.clone(), format!("{} -> {}", absent(before.get(key)), absent(after.get(key)))))
        .collect()
}

fn interfaces(old: &Config, new: &Config, rendered: [&toml::Table; 2]) -> Vec<ConfigError> {
    let [before, after] = rendered.map(|tables| tables.get("interface").and_then(toml::Value::as_array));
    let table =
        |all: Option<&'_ Vec<toml::Value>>, index: usize| all.and_then(|all| all.get(index)?.as_table().cloned());
    let find = |all: &[Interface], name: &str| all.iter().position(|interface| interface.name == name);
    let mut found = Vec::new();
    for (index, interface) in new.interfaces.iter().enumerate() {
        let lines = &interface.lines;
        let Some(at) = find(&old.interfaces, &interface.name) else {
            let text = format!("{} is new; devices are opened at the start: restart", interface.name);
            found.push(lines.of("name").error("interface.name", text));
            continue;
        };
        let changes = differences(table(before, at).as_ref(), table(after, index).as_ref());
        found.extend(
            changes
                .into_iter()
                .map(|(key, change)| told(lines, "interface", &key, &format!("{}: {change}", interface.name))),
        );
    }
    let whole = Place { line: 0, ..new.dataplane.lines.of("") };
    for gone in old.interfaces.iter().filter(|interface| find(&new.interfaces, &interface.name).is_none()) {
        let text = format!("{} is gone; devices are closed at the end: restart", gone.name);
        found.push(whole.error("interface.name", text));
    }
    if found.is_empty() && old.interfaces != new.interfaces {
        found.push(whole.error("interface", "their order is another; devices are opened in it at the start: restart"));
    }
    found
}

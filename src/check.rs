//! What is wrong with a configuration, found out before anything is touched. A start looks first, and refuses what a check
//! refuses, in the same words.

use std::path::Path;

use control::config::{self, Config, ConfigError, ConfigErrors, Place, Reading};
use control::director;
use control::ipvsadm::rules;
use control::socket;

use crate::dpdk::eth_dev::DeviceSpec;
use crate::host::{self, Machine};
use crate::plan::MemoryPlan;
use crate::words::Words;

/// How far to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// At the file and its rules.
    File,
    /// At this machine, too, on which a director may run.
    Host,
    /// At this machine, where no other director may have the socket.
    Start,
}

/// What was found.
pub(crate) struct Examined {
    /// As far as it could be understood.
    pub(crate) config: Config,
    /// Of every device that could be understood.
    pub(crate) specs: Vec<DeviceSpec>,
    /// What the configuration needs.
    pub(crate) plan: MemoryPlan,
    /// What a start refuses, in the order of the file's lines.
    pub(crate) errors: Vec<ConfigError>,
    /// What cannot work, in the order of the file's lines.
    pub(crate) warnings: Vec<ConfigError>,
}

/// Errors and warnings of one look.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) errors: Vec<ConfigError>,
    pub(crate) warnings: Vec<ConfigError>,
}

impl Findings {
    /// Notes what a start refuses.
    pub(crate) fn wrong(&mut self, place: &Place, key: &str, text: impl ToString) {
        self.errors.push(place.error(key, text.to_string()));
    }

    /// Notes what cannot work.
    pub(crate) fn warn(&mut self, place: &Place, key: &str, text: impl ToString) {
        self.warnings.push(place.error(key, text.to_string()));
    }
}

/// Reads a file and looks.
pub(crate) fn examine(file: &Path, purpose: Purpose) -> Examined {
    let Reading { config, errors, warnings } = config::read(file);
    let mut findings = Findings { errors, warnings };
    let specs = devices(&config, &mut findings);
    let plan = MemoryPlan::of(&config);
    settings(&config, &plan, &mut findings);
    restored(&config, purpose, &mut findings);
    // Of a file that is not understood there is nothing to compare with the machine.
    if purpose != Purpose::File && !config.interfaces.is_empty() {
        host::look(&Machine::this(), &config, &specs, &plan, purpose, &mut findings);
    }
    let Findings { mut errors, mut warnings } = findings;
    // What is about no line, last.
    let order = |error: &ConfigError| (error.file.clone(), error.line.checked_sub(1).unwrap_or(u32::MAX));
    errors.sort_by_key(order);
    warnings.sort_by_key(order);
    let specs = specs.into_iter().map(|(_, spec)| spec).collect();
    Examined { config, specs, plan, errors, warnings }
}

impl Examined {
    /// Itself, if a start refuses nothing.
    pub(crate) fn good(mut self) -> Result<Self, ConfigErrors> {
        ConfigErrors::of(std::mem::take(&mut self.errors)).map_or(Ok(self), Err)
    }
}

/// An interface on a device, and the device.
pub(crate) type Device<'a> = (&'a config::Interface, DeviceSpec);

fn devices<'a>(config: &'a Config, findings: &mut Findings) -> Vec<Device<'a>> {
    let mut specs = Vec::new();
    for interface in config.devices() {
        match DeviceSpec::parse(interface.device.as_deref().unwrap_or_default()) {
            Ok(spec) => specs.push((interface, spec)),
            Err(error) => findings.wrong(&interface.lines.of("device"), "interface.device", error),
        }
    }
    specs
}

/// What the file says of its tables that its text alone does not show to be wrong.
fn settings(config: &Config, plan: &MemoryPlan, findings: &mut Findings) {
    if findings.errors.is_empty()
        && let Err(error) = director::validate(config)
    {
        findings.wrong(&whole(config), &error.place, &error.text);
    }
    if let Some(group) = &config.control.group
        && let Err(error) = socket::group(group)
    {
        findings.wrong(&config.control.lines.of("group"), "control.group", error);
    }
    if let Some(text) = Words::read(&config.dataplane.eal).err().or_else(|| plan.shortage()) {
        findings.wrong(&config.dataplane.lines.of("eal"), "dataplane.eal", text);
    }
}

/// The file as a whole.
fn whole(config: &Config) -> Place {
    Place { line: 0, ..config.dataplane.lines.of("") }
}

/// Rules that are restored: carried out for a trial by a check, and as they are by a start that found nothing before.
fn restored(config: &Config, purpose: Purpose, findings: &mut Findings) {
    let trial = if findings.errors.is_empty() && purpose != Purpose::Start {
        director::rehearse(config.clone())
    } else {
        config.control.rules.as_ref().map_or(Ok(()), |file| rules::load(file).map(drop))
    };
    findings.errors.extend(trial.err().into_iter().flatten());
}

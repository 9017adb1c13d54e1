//! Links that go down and come up, and devices that are taken away from a running director.

use std::time::Duration;

use crate::lab::{Lab, Load};
use crate::process::until;

const LONG: Duration = Duration::from_secs(60);

/// Waits for a line of the director's log.
#[track_caller]
fn hears(lab: &mut Lab, level: &str, text: &str) {
    let said = |lab: &mut Lab| lab.process("sluiced").said();
    let found = until(LONG, || {
        let said = said(lab);
        said.lines().any(|line| line.contains(level) && line.contains(text)).then_some(())
    });
    found.unwrap_or_else(|| panic!("no {level} with {text:?}: {}", said(lab)));
}

/// Whether an interface is up, and whether it is gone; as JSON has it, and as the table shows it.
fn shown(lab: &Lab, name: &str) -> (bool, bool, String) {
    let status = lab.status();
    let interface = status.interfaces.iter().find(|interface| interface.name == name).expect("it is configured");
    let table = lab.tool(&["status"]).good().out;
    let row = table.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    let word = row.split_whitespace().nth(1).unwrap_or_default().to_owned();
    (interface.link, interface.gone, word)
}

#[test]
fn a_link_that_goes_down_and_comes_up_is_shown_and_told() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    lab.start_director("");
    assert_eq!(shown(&lab, "wan"), (true, false, "up".to_owned()));
    // The other end of the cable.
    lab.ip("switch", &["link", "set", "out", "down"]);
    hears(&mut lab, "WARN", "wan (af_packet:wan): link down");
    assert_eq!(shown(&lab, "wan"), (false, false, "down".to_owned()));
    assert_eq!(shown(&lab, "lan"), (true, false, "up".to_owned()));
    lab.ip("switch", &["link", "set", "out", "up"]);
    hears(&mut lab, "INFO", "wan (af_packet:wan): link up");
    assert_eq!(shown(&lab, "wan"), (true, false, "up".to_owned()));
    lab.run("client", &["ping", "-c", "1", "-w", "20", "10.0.0.1"]).good();
    let said = lab.process("sluiced").said();
    assert_eq!(said.matches("): link ").count(), 2, "one line for each change: {said}");
}

#[test]
fn a_device_that_is_gone_is_shown_and_told_and_the_other_one_works() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    lab.start_director("");
    lab.ip("director", &["link", "del", "lan"]);
    hears(&mut lab, "ERROR", "lan (af_packet:lan): the device is gone");
    assert_eq!(shown(&lab, "lan"), (false, true, "gone".to_owned()));
    assert_eq!(shown(&lab, "wan"), (true, false, "up".to_owned()));
    // One of the same name is another device.
    lab.ip("director", &["link", "add", "lan", "type", "veth", "peer", "name", "other"]);
    lab.ip("director", &["link", "set", "lan", "up"]);
    assert_eq!(shown(&lab, "lan"), (false, true, "gone".to_owned()));
    lab.run("client", &["ping", "-c", "1", "-w", "20", "10.0.0.1"]).good();
    lab.process("sluiced").signal("TERM");
    assert_eq!(lab.process("sluiced").wait(LONG).code(), Some(0));
}

#[test]
fn a_tap_that_is_taken_away_is_gone() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    lab.configure("");
    let file = lab.path("sluice.toml");
    let text = std::fs::read_to_string(&file).expect("a configuration").replace("af_packet:lan", "tap:tap9");
    std::fs::write(&file, text).expect("another");
    lab.start_configured();
    lab.ip("director", &["link", "del", "tap9"]);
    hears(&mut lab, "ERROR", "lan (tap:tap9): the device is gone");
    assert_eq!(shown(&lab, "lan"), (false, true, "gone".to_owned()));
    lab.run("client", &["ping", "-c", "1", "-w", "20", "10.0.0.1"]).good();
}

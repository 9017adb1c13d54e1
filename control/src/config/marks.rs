//! `[[mark]]`.

use super::model::MarkRule;
use super::network::{self, mac, name, prefix};
use super::scope::{Read, Scope};
use super::spot::Spot;
use crate::api::{IpProtocol, MarkSpec, Ports};

/// All rules of the file.
pub(super) fn marks<'a>(top: &Scope<'a>) -> Vec<Read<'a, MarkRule>> {
    network::entries(top, "mark", mark)
}

fn mark(scope: &Scope<'_>) -> Option<MarkRule> {
    let mark = scope.need("mark").and_then(|spot| spot.number(0..=u32::MAX.into()));
    let local = scope.value("local").map_or(Some(true), |spot| spot.boolean());
    let ports = |key| scope.value(key).map_or(Some(None), |spot| word(&spot, Ports::FORM).map(Some));
    let interface = scope.value("interface").map_or(Some(None), |spot| name(&spot).map(Some));
    let station = |key| scope.value(key).map_or(Some(None), |spot| mac(&spot).map(Some));
    let addresses = |key| scope.value(key).map_or(Some(None), |spot| prefix(&spot).map(Some));
    let protocol = scope.value("protocol").map_or(Some(None), |spot| word(&spot, IpProtocol::FORM).map(Some));
    let [source_mac, not_source_mac] = ["source_mac", "not_source_mac"].map(station);
    let [source, destination] = ["source", "destination"].map(addresses);
    let [source_port, destination_port] = ["source_port", "destination_port"].map(ports);
    let spec = MarkSpec {
        mark: mark?,
        local: local?,
        interface: interface?,
        source_mac: source_mac?,
        not_source_mac: not_source_mac?,
        source: source?,
        destination: destination?,
        protocol: protocol?,
        source_port: source_port?,
        destination_port: destination_port?,
    };
    for (key, text) in spec.faults() {
        scope.wrong(key, text);
    }
    Some(MarkRule { spec, place: scope.place() })
}

/// A number, or text that stands for one or more.
fn word<T: std::str::FromStr>(spot: &Spot<'_>, wanted: &str) -> Option<T> {
    if spot.is_text() {
        return spot.read(wanted, |text| text.parse().ok());
    }
    let number: u32 = spot.number(0..=u16::MAX.into())?;
    number.to_string().parse().ok().or_else(|| spot.wrong(format!("{number} is not {wanted}")))
}

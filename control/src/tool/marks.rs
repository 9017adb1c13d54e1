//! `sluice mark`: the rules that mark packets.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use ipnet::IpNet;

use super::args::whole;
use super::table::Table;
use crate::api::{Edit, IpProtocol, MarkInfo, MarkSpec, Ports, Query, Request};
use crate::config::Mac;
use crate::net::host_or_prefix;

#[derive(Clone, Debug, Subcommand)]
pub(super) enum MarkCommand {
    /// The rules in their order; of several that fit a packet, the last counts
    List,
    /// Adds a rule at the end
    #[command(after_help = "Example: sluice mark add 7 --interface wan --protocol tcp --destination-port 80-81")]
    Add(Rule),
    /// Removes a rule: the one that was added with the same words
    Del(Rule),
}

/// A rule. What is not said fits every packet; of several rules that fit a packet, the last counts.
#[derive(Clone, Debug, Args)]
pub(super) struct Rule {
    /// The mark (fwmark) that packets get, 0 to 4294967295; 0 removes the mark of an earlier rule
    #[arg(value_parser = whole::<u32>)]
    mark: u32,
    /// Packets that arrive on this interface
    #[arg(long, value_name = "NAME")]
    interface: Option<String>,
    /// Packets that come from this neighbour
    #[arg(long, value_name = "MAC")]
    source_mac: Option<Mac>,
    /// Packets that do not come from this neighbour
    #[arg(long, value_name = "MAC", conflicts_with = "source_mac")]
    not_source_mac: Option<Mac>,
    /// Packets from these addresses
    #[arg(long, value_name = "PREFIX", value_parser = prefix)]
    source: Option<IpNet>,
    /// Packets to these addresses
    #[arg(long, value_name = "PREFIX", value_parser = prefix)]
    destination: Option<IpNet>,
    /// Packets of this protocol: tcp, udp, sctp, icmp or a number
    #[arg(long, value_name = "PROTOCOL")]
    protocol: Option<IpProtocol>,
    /// Packets from these ports: 80, or 8000-8999
    #[arg(long, value_name = "PORTS", requires = "protocol")]
    source_port: Option<Ports>,
    /// Packets to these ports
    #[arg(long, value_name = "PORTS", requires = "protocol")]
    destination_port: Option<Ports>,
    /// Marked packets are for the director only if they are addressed to it; without this, all of them are
    #[arg(long)]
    not_local: bool,
}

fn prefix(text: &str) -> Result<IpNet, String> {
    host_or_prefix(text).ok_or_else(|| "write 10.0.0.1, 10.0.0.0/24 or fd00::/64".to_owned())
}

impl Rule {
    fn spec(&self) -> MarkSpec {
        MarkSpec {
            mark: self.mark,
            local: !self.not_local,
            interface: self.interface.clone(),
            source_mac: self.source_mac,
            not_source_mac: self.not_source_mac,
            source: self.source,
            destination: self.destination,
            protocol: self.protocol,
            source_port: self.source_port,
            destination_port: self.destination_port,
        }
    }
}

impl MarkCommand {
    pub(super) fn request(&self) -> Request {
        match self {
            Self::List => Query::Marks.into(),
            Self::Add(rule) => Edit::AddMark { rule: rule.spec() }.into(),
            Self::Del(rule) => Edit::DeleteMark { rule: rule.spec() }.into(),
        }
    }
}

pub(super) fn print(rules: &[MarkInfo], out: &mut dyn Write) -> io::Result<()> {
    if rules.is_empty() {
        return writeln!(out, "no mark rules");
    }
    let headings = [">MARK", "INTERFACE", "SOURCE MAC", "SOURCE", "DESTINATION", "PROTOCOL", "PORTS", "NOTES"];
    let mut table = Table::new(&headings);
    rules.iter().for_each(|rule| table.row(row(rule)));
    table.print(out)
}

fn row(rule: &MarkInfo) -> Vec<String> {
    let spec = &rule.spec;
    let any = |text: Option<String>| text.unwrap_or_else(|| "any".to_owned());
    let other = spec.not_source_mac.map(|mac| format!("not {mac}"));
    let ports = |ports: Option<Ports>| any(ports.map(|ports| ports.to_string()));
    let mut notes = Vec::new();
    notes.extend((!spec.local).then(|| "not local".to_owned()));
    notes.extend(rule.runtime.then(|| "runtime".to_owned()));
    vec![
        spec.mark.to_string(),
        any(spec.interface.clone()),
        any(spec.source_mac.map(|mac| mac.to_string()).or(other)),
        any(spec.source.map(|net| net.to_string())),
        any(spec.destination.map(|net| net.to_string())),
        any(spec.protocol.map(|protocol| protocol.to_string())),
        format!("{} > {}", ports(spec.source_port), ports(spec.destination_port)),
        notes.join(", "),
    ]
}

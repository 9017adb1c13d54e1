//! `sluice doctor`: begin an examination, ask until it is over, say what to do.

use std::io::{self, Write};
use std::net::IpAddr;
use std::time::Duration;

use dataplane::words::counted;

use super::{Failure, print_json};
use crate::api::{Answer, ArpLeak, Client, DoctorReport, Observe};

/// Between two questions to the director.
const PAUSE: Duration = Duration::from_millis(100);
/// Questions to the director: an examination is over long before.
const MOST_TRIES: usize = 100;

/// `sluice doctor arp`.
pub(super) fn arp(json: bool, client: &mut dyn Client, out: &mut dyn Write) -> Result<(), Failure> {
    let mut examination = None;
    for _ in 0..MOST_TRIES {
        let Answer::DoctorArp(report) = client.ask(Observe::DoctorArp { examination }.into())? else {
            return Err(Failure::Strange);
        };
        if report.over {
            return told(report, json, out);
        }
        examination = Some(report.examination);
        std::thread::sleep(PAUSE);
    }
    Err(Failure::Strange)
}

fn told(report: DoctorReport, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let sound = report.leaks.is_empty();
    if json {
        print_json(&Answer::DoctorArp(report), out)?;
    } else {
        print(&report, out)?;
    }
    if sound { Ok(()) } else { Err(Failure::Found) }
}

fn print(report: &DoctorReport, out: &mut dyn Write) -> io::Result<()> {
    for leak in &report.leaks {
        let name = known_as(leak);
        writeln!(out, "{} is answered on {} by {}{name} too", leak.address, leak.interface, leak.mac)?;
    }
    if report.leaks.iter().any(|leak| leak.address.is_ipv4()) {
        writeln!(
            out,
            "Hosts that hear these answers send past the director. On a real server (DR or tunnel): put the address on \
             lo, as /32; net.ipv4.conf.all.arp_ignore = 1; net.ipv4.conf.all.arp_announce = 2; \
             conf/realserver/realserver.sh does that. On any other host: remove the address."
        )?;
    }
    if report.leaks.iter().any(|leak| leak.address.is_ipv6()) {
        writeln!(
            out,
            "A host answers neighbour discovery for IPv6 addresses of that interface. On a real server: put the address \
             on lo, as /128, and on no other interface (conf/realserver/realserver.sh)."
        )?;
    }
    if report.unasked > 0 {
        writeln!(out, "too many for one run, not sent: {}", counted(report.unasked.into(), "request"))?;
    }
    if report.leaks.is_empty() {
        let requests = counted(report.asked.into(), "request");
        writeln!(out, "no other host answers for a virtual address: {requests}, each sent twice")?;
    }
    Ok(())
}

fn known_as(leak: &ArpLeak) -> String {
    let names: Vec<String> = leak.servers.iter().map(IpAddr::to_string).collect();
    if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) }
}

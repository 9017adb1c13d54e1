//! UDP through the virtual address: name servers and `dig`.

use std::collections::BTreeMap;

use crate::config::{self, NAMES, VIP};
use crate::lab::{Lab, Load};

#[test]
fn name_servers_take_turns() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    (1..=3).for_each(|number| lab.start_names(number));
    lab.start_director(&config::service("udp", 53, "rr", &NAMES));

    let mut answers = BTreeMap::new();
    for _ in 0..30 {
        let at = format!("@{VIP}");
        let answer = lab.run("client", &["dig", "+short", "+tries=1", "+timeout=5", &at, "who.test", "TXT"]).good();
        *answers.entry(answer.out.trim().to_owned()).or_insert(0) += 1;
    }
    // dig takes another port each time, so each question is a connection.
    let each = [("\"rs1\"", 10), ("\"rs2\"", 10), ("\"rs3\"", 10)].map(|(name, count)| (name.to_owned(), count));
    assert_eq!(answers, BTreeMap::from(each));

    let service = lab.service("UDP 10.0.0.100:53");
    let totals = service.totals;
    assert_eq!((totals.connections, totals.in_packets, totals.out_packets), (30, 30, 30), "{service:?}");
    // UDP has no active connections: as in the kernel, all are inactive until they expire.
    assert!(service.servers.iter().all(|s| s.active == 0 && s.inactive == 10), "{service:?}");
    lab.assert_nothing_dropped();
}

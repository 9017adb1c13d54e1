//! Three thousand SYNs a second to closed ports of the VIP. Each is answered, and so is everybody else: pings, packets that
//! are too large for the servers' link, and other clients' mistakes.

use std::time::Duration;

use crate::config::{self, VIP, WEB};
use crate::lab::{Lab, Load};

/// The address that floods.
const FLOODER: &str = "10.0.0.253";

#[test]
fn a_flood_of_syns_costs_nobody_else_an_answer() {
    let Some(mut lab) = Lab::new(Load::Heavy) else { return };
    lab.mtus = [1500, 1400];
    lab.start_web(1);
    lab.start_director(&config::service("tcp", 80, "rr", &WEB[..1]));
    lab.ip("client", &["address", "add", &format!("{FLOODER}/24"), "dev", "eth0"]);
    lab.fetch(2, 1);
    lab.run("client", &["ping", "-c", "1", "-I", FLOODER, VIP]).good();
    let mut flood = lab.start_pace("flood", &["syn", "3000", "10", FLOODER, VIP]);
    let mut large = lab.start_pace("large", &["large", "10", "8", "10.0.0.254", "10.1.0.11"]);
    let mut ping = lab.start("client", "ping", &["ping", "-q", "-c", "80", "-i", "0.1", "-W", "2", VIP]);
    let mut good = lab.start_requests("good", 80, 80);
    let mut refused = lab.start_requests("refused", 82, 80);

    let answered = ping.wait_good(Duration::from_secs(30));
    let received = answered.split(" received").next().and_then(|text| text.rsplit(' ').next()?.parse().ok());
    assert!(received.is_some_and(|n: u32| n >= 76), "{answered}");
    let told = large.wait_good(Duration::from_secs(30));
    let counts: Vec<u32> = told.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert!(matches!(counts[..], [sent, told] if sent >= 70 && told * 100 >= sent * 95), "{told}");
    let of = |said: String, line: &str| said.lines().filter(|other| *other == line).count();
    let served = of(good.wait_good(Duration::from_secs(40)), "200 0");
    assert!(served >= 76, "{served} of 80 requests were served");
    let refused = of(refused.wait_good(Duration::from_secs(40)), "000 7");
    assert!(refused >= 76, "{refused} of 80 connections were refused at once");
    flood.wait_good(Duration::from_secs(20));
    assert!(lab.counter("answer_tcp_reset") >= 20_000, "the flood is answered, too");
    lab.assert_nothing_dropped();
}

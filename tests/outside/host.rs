//! The director as a host: what is addressed to it and fits no service.

use crate::config::{self, VIP};
use crate::lab::{Lab, Load};

/// A director with a service and no server that runs.
fn quiet_lab() -> Option<Lab> {
    let mut lab = Lab::new(Load::Light)?;
    lab.start_director(&config::service("tcp", 80, "rr", &config::WEB));
    Some(lab)
}

#[test]
fn its_addresses_and_the_vip_answer_echo() {
    let Some(lab) = quiet_lab() else { return };
    let wan = [VIP, "10.0.0.1", "10.1.0.1"].map(|address| ("client", address));
    for (room, address) in wan.into_iter().chain([("rs1", "10.1.0.1"), ("rs2", VIP)]) {
        let ping =
            lab.run(room, &["ping", "-c", "3", "-i", "0.2", "-W", "2", "-s", "1472", "-M", "do", address]).good();
        assert!(ping.out.contains(" 0% packet loss"), "{ping:?}");
    }
    assert_eq!(lab.counter("sent_echo_reply"), 15);
    lab.assert_nothing_dropped();
}

#[test]
fn a_closed_port_is_refused_at_once() {
    let Some(lab) = quiet_lab() else { return };
    for address in [VIP, "10.0.0.1"] {
        let curl = lab.curl(&format!("http://{address}:81/"));
        assert_eq!(curl.code, Some(7), "refused, not waited for: {curl:?}");

        let at = format!("@{address}");
        let dig = lab.run("client", &["dig", "+tries=1", "+timeout=5", "-p", "5353", &at, "who.test"]);
        assert!(dig.out.contains("connection refused"), "{dig:?}");
    }
    assert_eq!(lab.counter("answer_tcp_reset"), 2);
    assert_eq!(lab.counter("answer_port_unreachable"), 2);
    assert_eq!((lab.counter("sent_tcp_reset"), lab.counter("sent_icmp_error")), (2, 2));
}

#[test]
fn a_server_that_refuses_is_heard_by_the_client() {
    let Some(lab) = quiet_lab() else { return };
    let curl = lab.curl(&format!("http://{VIP}/"));
    assert_eq!(curl.code, Some(7), "refused, not waited for: {curl:?}");
    assert_eq!((lab.counter("forward_nat_request"), lab.counter("forward_nat_reply")), (1, 1));
    lab.assert_nothing_dropped();
}

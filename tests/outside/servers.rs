//! A real server dies and is taken out while others go on.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::config::{VIP, WEB};
use crate::lab::{Lab, Load, utf8};
use crate::process::{Process, Ran};

#[test]
fn a_dead_server_leaves_and_connections_to_the_others_do_not_notice() {
    let Some(mut lab) = Lab::of_web_servers(Load::Light, "rr") else { return };
    let file = lab.path("files/data");
    Ran::of(Command::new("sh").args(["-c", &format!("head -c 3000000 /dev/urandom > {}", utf8(&file))])).good();
    let mut downloads: Vec<Process> = (0..6).map(|number| download(&lab, number)).collect();
    thread::sleep(Duration::from_millis(800));
    for download in &mut downloads {
        assert!(download.ended().is_none(), "it ended too early: {}", download.said());
    }

    lab.process("nginx1").signal("KILL");
    lab.tool(&["ipvsadm", "-d", "-t", "10.0.0.100:80", "-r", WEB[0]]).good();
    let listing = lab.tool(&["ipvsadm", "-Ln"]).good().out;
    assert!(!listing.contains(WEB[0]) && listing.contains(WEB[1]), "{listing}");
    let pages = lab.fetch(30, 5);
    assert_eq!(pages.into_iter().collect::<Vec<_>>(), [("rs2".to_owned(), 15), ("rs3".to_owned(), 15)]);

    let sent = fs::read(&file).expect("the file");
    let mut whole = 0;
    for (number, download) in downloads.iter_mut().enumerate() {
        let headers = fs::read_to_string(lab.path(&format!("{number}.headers"))).unwrap_or_default();
        assert!(headers.contains("X-Server: rs"), "{headers}");
        if !headers.contains("X-Server: rs1") {
            download.wait_good(Duration::from_secs(20));
            assert!(
                fs::read(lab.path(&format!("{number}.body"))).expect("a body") == sent,
                "download {number} differs"
            );
            whole += 1;
        }
    }
    assert_eq!(whole, 4, "round robin gave each server two");
}

/// A download that takes some seconds.
fn download(lab: &Lab, number: usize) -> Process {
    let (body, headers) = (lab.path(&format!("{number}.body")), lab.path(&format!("{number}.headers")));
    let url = format!("http://{VIP}/slow/data");
    let fixed = ["curl", "-sSf", "--noproxy", "*", "--max-time", "25"];
    let more = ["-o", utf8(&body), "-D", utf8(&headers), &url];
    lab.start("client", &format!("download{number}"), &[&fixed[..], &more[..]].concat())
}

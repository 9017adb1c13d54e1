//! FTP through the virtual address, with `vsftpd` and curl: the client connects for data, and the server does.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::config::{self, VIP, VIP6};
use crate::lab::{Lab, Load, utf8};
use crate::process::{Process, Ran, until};

const SERVERS: [&str; 2] = ["10.1.0.11:21", "10.1.0.12:21"];

/// A server of FTP on a real server, and what anybody may fetch from it: `/pub/who` says its name, `/pub/large` is large.
fn serve(lab: &Lab, number: u8, six: bool) -> Process {
    let room = format!("rs{number}");
    let home = lab.path(&format!("ftp{number}"));
    fs::create_dir_all(home.join("pub")).expect("a directory for the server");
    fs::create_dir_all(home.join("empty")).expect("one for where it has nothing to do");
    fs::write(home.join("pub/who"), format!("served by {room}\n")).expect("a file");
    let script = format!("head -c 3000000 /dev/urandom > {}", utf8(&home.join("pub/large")));
    Ran::of(Command::new("sh").args(["-c", &script])).good();
    let (home, file) = (utf8(&home).to_owned(), home.join("vsftpd.conf"));
    let listen = if six { "listen=NO\nlisten_ipv6=YES" } else { "listen=YES\nlisten_ipv6=NO" };
    let text = format!(
        "{listen}\nbackground=NO\nanonymous_enable=YES\nlocal_enable=NO\nno_anon_password=YES\nanon_root={home}\n\
         connect_from_port_20=YES\nsecure_chroot_dir={home}/empty\nseccomp_sandbox=NO\nxferlog_enable=NO\n"
    );
    fs::write(&file, text).expect("its configuration");
    let process = lab.start(&room, &format!("vsftpd{number}"), &["vsftpd", utf8(&file)]);
    let address = format!("ftp://10.1.0.1{number}/pub/who");
    let up = || (lab.run(&room, &["curl", "-sf", "--noproxy", "*", &address]).code == Some(0)).then_some(());
    until(Duration::from_secs(10), up).expect("vsftpd is up");
    process
}

/// A file by FTP.
fn fetch(lab: &Lab, more: &[&str], host: &str, file: &str) -> Ran {
    let url = format!("ftp://{host}/pub/{file}");
    let fixed = ["curl", "-sSf", "--noproxy", "*", "--max-time", "15"];
    lab.run("client", &[&fixed[..], more, &[&url]].concat())
}

#[test]
fn files_come_by_passive_and_by_active_transfers() {
    let Some(mut lab) = Lab::new(Load::Light) else { return };
    let _servers = [1, 2].map(|number| serve(&lab, number, false));
    lab.start_director(&config::service("tcp", 21, "rr", &SERVERS));
    // PASV, whose answer curl is told to believe; EPSV; PORT and EPRT.
    let ways: [&[&str]; 4] =
        [&["--disable-epsv", "--no-ftp-skip-pasv-ip"], &[], &["-P", "-", "--disable-eprt"], &["-P", "-"]];
    for more in ways {
        let mut said = [0, 1].map(|_| fetch(&lab, more, VIP, "who").good().out);
        said.sort();
        assert_eq!(said, ["served by rs1\n", "served by rs2\n"], "{more:?}");
        assert!(fetch(&lab, more, VIP, "large").good().out.len() > 1_000_000, "{more:?}");
    }
    assert_eq!(lab.service("TCP 10.0.0.100:21").totals.connections, 12);
    assert_eq!(lab.counter("connections_made"), 24, "each had a connection for data");
    assert_eq!(lab.counter("forward_routed"), 0, "nothing went past the director's eyes");
    let helped = lab.tool(&["proc", "ip_vs_app"]).good().out;
    assert!(helped.contains("TCP  21      12     ftp"), "{helped}");
    lab.assert_nothing_dropped();
}

#[test]
fn files_come_over_ipv6() {
    let Some(mut lab) = Lab::with_ipv6(Load::Light) else { return };
    let _server = serve(&lab, 1, true);
    lab.start_director(&config::service_at(&format!("[{VIP6}]:21"), "nat", "tcp", "rr", &["[fd00:1::11]:21"]));
    let host = format!("[{VIP6}]");
    for more in [&[][..], &["-P", "-"]] {
        assert_eq!(fetch(&lab, more, &host, "who").good().out, "served by rs1\n", "{more:?}");
    }
    assert_eq!(lab.counter("connections_made"), 4);
}

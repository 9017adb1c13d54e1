//! `-R` as a whole: few publications, and the same errors as line by line. Also refusals that are no line's fault.

use std::fmt::Write;

use super::fake::{Fake, error};
use super::story::{call, nameless, play};
use crate::api::{ApiError, Code, ServiceInfo};
use crate::ipvsadm::scripts;

fn table(services: u32) -> String {
    (0..services).fold(String::new(), |mut text, n| {
        let _ = writeln!(text, "-A -t 10.{}.{}.{}:80 -s rr", n >> 16, n >> 8 & 255, n & 255);
        text
    })
}

#[test]
fn a_restore_is_one_batch() {
    let mut fake = Fake::new();
    assert_eq!(call(&mut fake, &nameless(), "-R", &table(1000)).code, 0);
    assert_eq!((fake.asked, fake.services.len()), (1, 1000));
}

#[test]
fn a_large_restore_is_a_few() {
    let mut fake = Fake::new();
    assert_eq!(call(&mut fake, &nameless(), "-R", &table(10_000)).code, 0);
    assert_eq!((fake.asked, fake.services.len()), (2, 10_000));
}

#[test]
fn a_table_of_errors_costs_no_more_than_twice() {
    let mut fake = Fake::new();
    call(&mut fake, &nameless(), "-R", &table(1000));
    fake.batched = 0;
    let got = call(&mut fake, &nameless(), "-R", &table(1000));
    assert_eq!((got.code, got.err), (255, "Service already exists\n".repeat(1000)));
    assert!(fake.batched <= 2000, "{}", fake.batched);
}

#[test]
fn one_error_in_the_middle_costs_one_batch_more() {
    let mut fake = Fake::new();
    let text = table(600) + "-a -t 10.99.0.1:80 -r 10.1.0.1\n-a -t 10.0.0.1:80 -r 10.1.0.1 -m\n";
    let got = call(&mut fake, &nameless(), "-R", &text);
    assert_eq!((got.code, got.err.as_str()), (0, "Service not defined\n"));
    assert_eq!((fake.asked, fake.services.len()), (2, 600));
}

/// All that a table is made of, in no order.
fn settings(fake: &Fake) -> Vec<String> {
    let servers = |s: &ServiceInfo| s.servers.iter().map(|r| format!("{:?} {:?}", s.spec, r.spec)).collect::<Vec<_>>();
    let mut all: Vec<String> = fake.services.iter().flat_map(servers).collect();
    all.extend(fake.services.iter().map(|service| format!("{:?}", service.spec)));
    all.sort();
    all
}

#[test]
fn what_was_saved_comes_back() {
    let mut fake = Fake { strict: false, ..Fake::new() };
    let (setup, _) = include_str!("show.txt").split_once("# traffic\n").unwrap();
    play(&mut fake, &nameless(), setup);
    let more = "$ -A -f 4294967295\n$ -a -f 4294967295 -r [fd00::1]:8080 -w 0 -i\n$ -A -t 10.9.9.9:1 -s rr -b flag-3\n\
                $ -A -t 10.9.9.9:2 -s sh -b flag-3\n$ -A -t 10.9.9.9:3 -s mh -b flag-3,mh-port\n\
                $ -a -t 10.9.9.9:3 -r 10.1.0.9 -x 2147483647 -y 7\n";
    play(&mut fake, &nameless(), more);
    let saved = call(&mut fake, &nameless(), "-Sn", "").out;
    let before = settings(&fake);
    call(&mut fake, &nameless(), "-C", "");
    assert_eq!(call(&mut fake, &nameless(), "-R", &saved).code, 0);
    assert_eq!(settings(&fake), before);
    assert_eq!(call(&mut fake, &nameless(), "-Sn", "").out, saved);
}

#[test]
fn without_permission() {
    let mut fake = Fake::new();
    fake.refusal = Some(error(Code::Permission));
    for arguments in ["-Ln", "-A -t 1.2.3.4:80", "-Lnc", "-Sn", "-C", "-R"] {
        let got = call(&mut fake, &nameless(), arguments, "-C\n-C\n-C\n");
        let wanted = "Can't initialize ipvs: Permission denied (you must be root)\n\
                      Are you sure that IP Virtual Server is built in the kernel or as module?\n";
        assert_eq!((got.code, got.out.as_str(), got.err.as_str()), (2, "", wanted), "{arguments}");
    }
}

#[test]
fn the_director_has_words_of_its_own() {
    let mut fake = Fake::new();
    for code in [Code::Unsupported, Code::Full, Code::Timeout, Code::Internal] {
        let (place, text) = ("worker 3".to_owned(), "did not confirm in time".to_owned());
        fake.refusal = Some(ApiError { code, place, text });
        for arguments in ["-Ln", "-A -t 1.2.3.4:80", "-Lnc", "-Sn", "-C", "-R"] {
            let got = call(&mut fake, &nameless(), arguments, "-C\n-C\n-C\n");
            let wanted = (255, "", "worker 3: did not confirm in time\n");
            assert_eq!((got.code, got.out.as_str(), got.err.as_str()), wanted, "{arguments}");
        }
    }
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn the_scripts_save_and_restore() {
    let mut fake = Fake { strict: false, ..Fake::new() };
    let rules =
        "# a comment\n-A -t 10.9.9.9:1 -s rr\n#-A -t 10.9.9.9:2 -s rr\n-a -t 10.9.9.9:1 -r 10.1.0.9:1 -g -w 3\n";
    call(&mut fake, &nameless(), "-A -t 10.8.8.8:1", "");
    let restored = scripts::restore(&mut rules.as_bytes(), &mut fake);
    assert_eq!((restored.code, &*restored.out, &*restored.err), (0, "", ""));
    let saved = scripts::save(&words("-n"), &mut std::io::empty(), &mut fake);
    assert_eq!((saved.code, &*saved.err), (0, ""));
    assert_eq!(saved.out, "-A -t 10.9.9.9:1 -s rr\n-a -t 10.9.9.9:1 -r 10.1.0.9:1 -g -w 3\n", "cleared before");
    assert_eq!(saved, call(&mut fake, &nameless(), "-Sn", ""));
    let help = scripts::save(&words("-n -h"), &mut std::io::empty(), &mut fake);
    let expected = "ipvsadm-save: Script to save the IPVS table to stdout.\n   \
                    With the -n option, prints out the table in numeric format.\n";
    assert_eq!((help.code, &*help.out, &*help.err), (1, "", expected));
    fake.refusal = Some(error(Code::Permission));
    let refused = scripts::restore(&mut rules.as_bytes(), &mut fake);
    assert_eq!(refused, call(&mut fake, &nameless(), "-C", ""));
    assert_eq!(fake.services.len(), 1);
}

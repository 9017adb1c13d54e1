//! Rules that are restored at the start.

use super::*;
use crate::config;

/// A server of the file's service.
const SERVER: &str = "[[service.server]]\naddress = \"10.1.0.12:80\"\n";

/// A director whose file has a service, and whose rules are these.
fn start(name: &str, rules: Option<&str>) -> Result<Director, String> {
    start_of(name, rules, "")
}

/// Services as ipvsadm-save writes them, with servers.
fn start_of(name: &str, rules: Option<&str>, servers: &str) -> Result<Director, String> {
    let path = std::env::temp_dir().join(format!("sluice-{}-{name}.rules", std::process::id()));
    if let Some(rules) = rules {
        std::fs::write(&path, rules).expect("a file");
    }
    let config = config::parse(&text(&path, servers), "test.toml").expect("a good file");
    let facts = Facts::in_memory(&config);
    let started = Director::new(config, facts, Nanos(0));
    _ = std::fs::remove_file(&path);
    started.map(|(director, _)| director).map_err(|e| e.to_string().replace(&path.display().to_string(), "rules"))
}

fn text(rules: &Path, servers: &str) -> String {
    format!(
        "schema = 1\n[dataplane]\nworkers = [3]\n[control]\nrules = {rules:?}\n[[interface]]\nname = \"wan\"\n\
         device = \"tap:wan\"\naddresses = [\"10.0.0.1/24\"]\n[[service]]\nprotocol = \"tcp\"\n\
         address = \"10.0.0.100:80\"\n{servers}"
    )
}

#[test]
fn rules_follow_the_services_of_the_file_and_are_made_at_run_time() {
    let rules = "-a -t 10.0.0.100:80 -r 10.1.0.11:8080 -m\n-A -u 10.0.0.100:53 -s rr\n";
    let director = start("good", Some(rules)).expect("it starts");
    let seen: Vec<_> =
        director.services.newest_first().map(|s| (s.spec.key.to_string(), s.origin.runtime, s.servers.len())).collect();
    assert_eq!(seen, [("UDP 10.0.0.100:53".to_owned(), true, 0), ("TCP 10.0.0.100:80".to_owned(), false, 1)]);
    assert!(director.services.newest_first().all(|service| service.servers.iter().all(|server| server.origin.runtime)));
}

#[test]
fn what_is_refused_is_told_with_its_line_and_nothing_starts() {
    let rules = "-A -u 10.0.0.100:53\n-A -u 10.0.0.100:53 -s rr\n-a -t 10.0.0.100:99 -r 10.1.0.11\n\
                 -a -t 10.0.0.100:80 -r 10.1.0.11 -m\n-a -t 10.0.0.100:80 -r 10.1.0.11 -m\n";
    let told = start("bad", Some(rules)).err().expect("it does not start");
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 3, "{told}");
    assert_eq!(lines[0], "rules:2: duplicate of line 1");
    assert!(lines[1].starts_with("rules:3: TCP 10.0.0.100:99: no such service"), "{told}");
    assert_eq!(lines[2], "rules:5: duplicate of line 4");
}

#[test]
fn what_the_file_has_may_be_saved_and_restored() {
    let rules = "-A -t 10.0.0.100:80 -s wlc\n-a -t 10.0.0.100:80 -r 10.1.0.11:80 -m -w 1\n-A -u 10.0.0.100:53 -s rr\n";
    let director = start("same", Some(rules)).expect("it starts");
    let kept = director.services.newest_first().find(|service| !service.origin.runtime).expect("that of the file");
    assert_eq!((kept.spec.scheduler.name(), kept.servers.len()), ("wlc", 1));
}

#[test]
fn what_was_edited_before_it_was_saved_is_edited_again() {
    let rules = "-A -t 10.0.0.100:80 -s rr\n-a -t 10.0.0.100:80 -r 10.1.0.12:80 -m -w 0\n";
    let director = start_of("edited", Some(rules), SERVER).expect("it starts");
    let service = director.services.newest_first().next().expect("a service");
    assert_eq!((service.spec.scheduler.name(), service.origin.runtime), ("rr", false));
    let servers: Vec<_> = service.servers.iter().map(|server| (server.spec.weight, server.origin.runtime)).collect();
    assert_eq!(servers, [(0, false)]);
}

#[test]
fn what_a_line_removes_another_may_add_again() {
    let rules = "-A -u 10.0.0.100:53\n-D -u 10.0.0.100:53\n-A -u 10.0.0.100:53 -s rr\n-C\n-A -t 10.0.0.100:80\n";
    let director = start("again", Some(rules)).expect("it starts");
    assert_eq!(director.services.len(), 1);
}

#[test]
fn the_rehearsal_says_what_the_start_says() {
    let rules = "-A -u 10.0.0.100:53\n-A -u 10.0.0.100:53\n-a -t 10.0.0.100:80 -r 10.0.0.255 -m\n-Ln\n";
    for (name, rules) in [("all", rules), ("late", rules.trim_end_matches("-Ln\n"))] {
        let path = std::env::temp_dir().join(format!("sluice-{}-{name}.rehearsed", std::process::id()));
        std::fs::write(&path, rules).expect("a file");
        let config = config::parse(&text(&path, ""), "test.toml").expect("a good file");
        let rehearsed = rehearse(config.clone()).expect_err("refused").to_string();
        let started = Director::new(config.clone(), Facts::in_memory(&config), Nanos(0)).err().expect("refused");
        _ = std::fs::remove_file(&path);
        assert_eq!(rehearsed, started.to_string());
    }
}

#[test]
fn rules_that_were_never_saved_are_none() {
    assert_eq!(start("absent", None).expect("it starts").services.len(), 1);
}

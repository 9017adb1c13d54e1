//! The rules that `ipvsadm-save` wrote, restored at the start: `[control] rules`.

use std::path::Path;

use super::Director;
use crate::api::{ApiError, Code};
use crate::config::{ConfigError, ConfigErrors};
use crate::ipvsadm::rules;

impl Director {
    /// Does what a file of rules says, as if an operator did: what it makes stays at a reload. What is refused is told
    /// with its line, all of it.
    pub(super) fn restore(&mut self, file: &Path) -> Result<(), ApiError> {
        let changes = rules::load(file).map_err(refused)?;
        let told = |(place, request): (crate::config::Place, _)| -> Option<ConfigError> {
            self.edit(request, true).err().map(|error| place.error("", error.to_string()))
        };
        let errors = changes.into_iter().filter_map(told).collect();
        ConfigErrors::of(errors).map_or(Ok(()), |errors| Err(refused(errors)))
    }
}

fn refused(errors: ConfigErrors) -> ApiError {
    ApiError { code: Code::Config, place: String::new(), text: errors.to_string() }
}

#[cfg(test)]
mod tests {
    use dataplane::clock::Nanos;

    use super::*;
    use crate::config;
    use crate::director::Facts;

    /// A director whose file has a service, and whose rules are these.
    fn start(name: &str, rules: Option<&str>) -> Result<Director, String> {
        let path = std::env::temp_dir().join(format!("sluice-{}-{name}.rules", std::process::id()));
        if let Some(rules) = rules {
            std::fs::write(&path, rules).expect("a file");
        }
        let text = format!(
            "schema = 1\n[dataplane]\nworkers = [3]\n[control]\nrules = {path:?}\n[[interface]]\nname = \"wan\"\n\
             device = \"tap:wan\"\naddresses = [\"10.0.0.1/24\"]\n[[service]]\nprotocol = \"tcp\"\n\
             address = \"10.0.0.100:80\"\n"
        );
        let config = config::parse(&text, "test.toml").expect("a good file");
        let facts = Facts::in_memory(&config);
        let started = Director::new(config, facts, Nanos(0));
        _ = std::fs::remove_file(&path);
        started.map(|(director, _)| director).map_err(|e| e.to_string().replace(&path.display().to_string(), "rules"))
    }

    #[test]
    fn rules_follow_the_services_of_the_file_and_are_made_at_run_time() {
        let rules = "-a -t 10.0.0.100:80 -r 10.1.0.11:8080 -m\n-A -u 10.0.0.100:53 -s rr\n";
        let director = start("good", Some(rules)).expect("it starts");
        let seen: Vec<_> = director
            .services
            .oldest_first()
            .map(|s| (s.spec.key.to_string(), s.origin.runtime, s.servers.len()))
            .collect();
        assert_eq!(seen, [("TCP 10.0.0.100:80".to_owned(), false, 1), ("UDP 10.0.0.100:53".to_owned(), true, 0)]);
        assert!(
            director.services.newest_first().all(|service| service.servers.iter().all(|server| server.origin.runtime))
        );
    }

    #[test]
    fn what_is_refused_is_told_with_its_line_and_nothing_starts() {
        let rules = "-A -t 10.0.0.100:80 -s rr\n-A -u 10.0.0.100:53\n-a -t 10.0.0.100:99 -r 10.1.0.11\n";
        let told = start("bad", Some(rules)).err().expect("it does not start");
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), 2, "{told}");
        assert!(lines[0].starts_with("rules:1: TCP 10.0.0.100:80: the service exists"), "{told}");
        assert!(lines[1].starts_with("rules:3: TCP 10.0.0.100:99: no such service"), "{told}");
    }

    #[test]
    fn rules_that_were_never_saved_are_none() {
        assert_eq!(start("absent", None).expect("it starts").services.len(), 1);
    }
}

//! Every edit in words, for the log: `service TCP 10.0.0.100:80: scheduler wlc -> rr`. There is no edit without.

use dataplane::clock::TICKS_PER_SECOND;
use dataplane::flow::ServiceKey;
use dataplane::proto::tcp::State;
use dataplane::proto::udp;
use dataplane::sysctl::Sysctls;

use super::Director;
use super::audit::count;
use crate::api::{Edit, ServerSpec, ServiceSpec};

impl Director {
    /// What an edit changes, in words; nothing where it changes nothing. Ask before it is carried out.
    pub(super) fn words(&self, edit: &Edit) -> Option<String> {
        Some(match edit {
            Edit::AddService { service } => {
                format!("service {} added: {}", service.key, service.clone().known().ok()?.options())
            }
            Edit::EditService { service } => self.edited_service(&service.clone().known().ok()?)?,
            Edit::DeleteService { key } => {
                let servers = self.services.get(key).map_or(0, |service| service.servers.len());
                format!("service {key} removed, with {}", count(servers, "server"))
            }
            Edit::AddServer { key, server } => {
                format!("service {key}: server {} added: {}", server.address, server.options())
            }
            Edit::EditServer { key, server } => self.edited_server(key, server)?,
            Edit::DeleteServer { key, address } => format!("service {key}: server {address} removed"),
            Edit::Flush if self.services.is_empty() => return None,
            Edit::Flush => {
                let (services, servers) = (self.services.len(), self.services.servers());
                format!("everything removed: {}, {}", count(services, "service"), count(servers, "server"))
            }
            Edit::Zero { key: Some(key) } => format!("service {key}: counters zeroed"),
            Edit::Zero { key: None } => "all counters zeroed".to_owned(),
            Edit::SetTimeouts { tcp, tcp_fin, udp } => self.other_timeouts([*tcp, *tcp_fin, *udp])?,
            Edit::AddMark { rule } => format!("mark rule {rule} added"),
            Edit::DeleteMark { rule } => format!("mark rule {rule} removed"),
            Edit::SetSysctl { name, value } => {
                let mut after = Sysctls::clone(&self.tables.sysctls);
                let old = after.get(name).unwrap_or_default();
                // As it is then: what is written may be text of any length.
                after.set(name, value).ok()?;
                let new = after.get(name).unwrap_or_default();
                format!("net.ipv4.vs.{name} {} -> {}", blanks(&old), blanks(&new))
            }
            Edit::AddRoute { route } => {
                let via = route.via.map_or_else(String::new, |via| format!(" via {via}"));
                let dev = route.interface.as_ref().map_or_else(String::new, |name| format!(" dev {}", plain(name)));
                format!("route {}{via}{dev} added", plain(&route.to))
            }
            Edit::DeleteRoute { to } => format!("route {} removed", plain(to)),
            Edit::DeleteVip { address } => format!("virtual address {address} removed"),
            Edit::StartDaemon { daemon } => format!("synchronisation daemon started on {}", plain(&daemon.interface)),
            Edit::StopDaemon { .. } => "synchronisation daemon stopped".to_owned(),
        })
    }

    fn edited_service(&self, new: &ServiceSpec) -> Option<String> {
        let changes = self.services.get(&new.key)?.spec.changes_to(new);
        (!changes.is_empty()).then(|| format!("service {}: {changes}", new.key))
    }

    fn edited_server(&self, key: &ServiceKey, new: &ServerSpec) -> Option<String> {
        let changes = self.services.get(key)?.server(new.address)?.spec.changes_to(new);
        (!changes.is_empty()).then(|| format!("service {key}: server {}: {changes}", new.address))
    }

    fn other_timeouts(&self, new: [u32; 3]) -> Option<String> {
        let (tcp, udp) = (&self.tables.timeouts.tcp, self.tables.timeouts.udp.of(udp::State::Stream));
        let old = [tcp[State::Established as usize], tcp[State::FinWait as usize], udp];
        let all = ["tcp", "tcp_fin", "udp"].into_iter().zip(old.map(|ticks| ticks / TICKS_PER_SECOND)).zip(new);
        let changed = all.filter(|((_, old), new)| *new > 0 && old != new);
        let words: Vec<String> = changed.map(|((name, old), new)| format!("timeout {name} {old} -> {new} s")).collect();
        (!words.is_empty()).then(|| words.join(", "))
    }
}

/// Text of others: one word, and not long.
fn plain(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).take(64).collect()
}

/// Values of several numbers have tabs between them.
fn blanks(value: &str) -> String {
    value.replace('\t', " ")
}

#[cfg(test)]
mod tests {
    use crate::api::Edit;
    use crate::director::lab;

    #[test]
    fn every_change_has_words_with_old_and_new() {
        let mut director = lab::fresh(
            "schema = 1\n[[interface]]\nname = \"wan\"\ndevice = \"tap:wan\"\naddresses = [\"10.0.0.1/24\"]\n\
             [[service]]\nprotocol = \"tcp\"\naddress = \"10.0.0.100:80\"\n[[service.server]]\n\
             address = \"10.0.0.11\"\nweight = 3\n",
        );
        let key = r#""key":{"protocol":"tcp","address":"10.0.0.100","port":80}"#;
        let server = |weight| format!(r#""server":{{"address":"10.0.0.11:80","forward":"nat","weight":{weight}}}"#);
        let service = |scheduler: &str| format!(r#""service":{{{key},"scheduler":"{scheduler}"}}"#);
        let cases = [
            (
                format!(r#"{{"op":"edit-server",{key},{}}}"#, server(0)),
                "service TCP 10.0.0.100:80: server 10.0.0.11:80: weight 3 -> 0",
            ),
            (format!(r#"{{"op":"edit-service",{}}}"#, service("rr")), "service TCP 10.0.0.100:80: scheduler wlc -> rr"),
            (r#"{"op":"set-timeouts","tcp":0,"tcp_fin":7,"udp":300}"#.to_owned(), "timeout tcp_fin 120 -> 7 s"),
            (r#"{"op":"set-sysctl","name":"drop_entry","value":"3"}"#.to_owned(), "net.ipv4.vs.drop_entry 1 -> 3"),
            (
                format!(r#"{{"op":"delete-server",{key},"address":"10.0.0.11:80"}}"#),
                "service TCP 10.0.0.100:80: server 10.0.0.11:80 removed",
            ),
            (
                r#"{"op":"set-sysctl","name":"drop_entry","value":"1\nINFO root: all is well"}"#.to_owned(),
                "net.ipv4.vs.drop_entry 3 -> 1",
            ),
            (r#"{"op":"flush"}"#.to_owned(), "everything removed: 1 service, 0 servers"),
            (format!(r#"{{"op":"add-service",{}}}"#, service("sh")), "service TCP 10.0.0.100:80 added: scheduler sh"),
            (
                format!(r#"{{"op":"add-server",{key},{}}}"#, server(1)),
                "service TCP 10.0.0.100:80: server 10.0.0.11:80 added: forward nat, weight 1",
            ),
            (format!(r#"{{"op":"delete-service",{key}}}"#), "service TCP 10.0.0.100:80 removed, with 1 server"),
        ];
        for (line, words) in cases {
            let edit: Edit = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            assert_eq!(director.words(&edit).as_deref(), Some(words), "{line}");
            director.edit(edit, &mut || true).expect("it is possible");
        }
        let again = Edit::SetTimeouts { tcp: 900, tcp_fin: 7, udp: 0 };
        assert_eq!((director.words(&again), director.words(&Edit::Flush)), (None, None), "nothing changes");
    }
}

//! Rules that mark packets: adding, taking away, following the file, and what workers read. Those of the file stand
//! before those made at run time.

use dataplane::mark::{Mark, Marks, Rule, Sender};
use dataplane::route::Prefix;
use dataplane::wire::ethernet::MacAddr;
use ipnet::IpNet;

use super::Director;
use super::converge::Changes;
use crate::api::{ApiError, Code, MarkInfo, MarkSpec, Ports};
use crate::config::{Config, Mac};

impl Director {
    pub(super) fn add_mark(&mut self, spec: MarkSpec) -> Result<(), ApiError> {
        let refuse = |code, text: String| Err(ApiError { code, place: format!("mark {spec}"), text });
        if let Some((key, text)) = spec.faults().into_iter().next() {
            return refuse(Code::Invalid, format!("{key}: {text}"));
        }
        if let Some(name) = spec.interface.as_deref().filter(|name| self.net.interface_index(name).is_none()) {
            let names: Vec<&str> = self.net.interfaces().iter().map(|interface| &*interface.name).collect();
            return refuse(Code::NoDevice, format!("there is no interface {name:?}; known: {}", names.join(", ")));
        }
        if self.marks.iter().any(|rule| rule.spec == spec) {
            return refuse(Code::Exists, "the rule exists".to_owned());
        }
        self.marks.push(MarkInfo { spec, runtime: true });
        self.use_marks();
        Ok(())
    }

    pub(super) fn delete_mark(&mut self, spec: &MarkSpec) -> Result<(), ApiError> {
        let Some(at) = self.marks.iter().position(|rule| rule.spec == *spec) else {
            let text = "there is no such rule; `sluice mark list` lists them".to_owned();
            return Err(ApiError { code: Code::NoEntry, place: format!("mark {spec}"), text });
        };
        self.marks.remove(at);
        self.use_marks();
        Ok(())
    }

    /// The rules that the file speaks of in its order, and behind them what was made at run time, unless `prune`.
    pub(super) fn converge_marks(&mut self, config: &Config, prune: bool, changes: &mut Changes) {
        let named = |spec: &MarkSpec| config.marks.iter().any(|rule| rule.spec == *spec);
        let before = std::mem::take(&mut self.marks);
        let wanted = config.marks.iter().map(|rule| MarkInfo { spec: rule.spec.clone(), runtime: false });
        let kept = before.iter().filter(|rule| rule.runtime && !prune && !named(&rule.spec)).cloned();
        self.marks = wanted.chain(kept).collect();
        let lacks = |rules: &[MarkInfo], spec: &MarkSpec| rules.iter().all(|rule| rule.spec != *spec);
        let gone: Vec<_> = before.iter().filter(|rule| lacks(&self.marks, &rule.spec)).collect();
        let new: Vec<_> = self.marks.iter().filter(|rule| lacks(&before, &rule.spec)).collect();
        gone.iter().for_each(|rule| changes.note(|| format!("mark rule {} removed", rule.spec)));
        new.iter().for_each(|rule| changes.note(|| format!("mark rule {} added", rule.spec)));
        let same_order = before.iter().map(|rule| &rule.spec).eq(self.marks.iter().map(|rule| &rule.spec));
        if gone.is_empty() && new.is_empty() && !same_order {
            changes.note(|| "the order of the mark rules changed".to_owned());
        }
        self.use_marks();
    }

    fn use_marks(&mut self) {
        self.tables.marks = Marks::new(self.marks.iter().map(|rule| self.mark_rule(&rule.spec)).collect());
        self.publish_soon();
    }

    fn mark_rule(&self, spec: &MarkSpec) -> Rule {
        let mac = |mac: Mac| MacAddr(mac.0);
        let prefix = |net: IpNet| Prefix { address: net.network(), length: net.prefix_len() };
        let ports = |ports: Ports| ports.first..=ports.last;
        let not_from = || spec.not_source_mac.map(|station| Sender::IsNot(mac(station)));
        Rule {
            interface: spec.interface.as_deref().and_then(|name| self.net.interface_index(name)),
            sender: spec.source_mac.map(|station| Sender::Is(mac(station))).or_else(not_from),
            source: spec.source.map(prefix),
            destination: spec.destination.map(prefix),
            protocol: spec.protocol.map(|protocol| protocol.0),
            source_ports: spec.source_port.map(ports),
            destination_ports: spec.destination_port.map(ports),
            mark: Mark { number: spec.mark, local: spec.local && spec.mark != 0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use dataplane::clock::Nanos;

    use super::*;
    use crate::api::Edit;
    use crate::config;
    use crate::director::Facts;

    const NETWORK: &str = "schema = 1\n[[interface]]\nname = \"wan\"\ndevice = \"tap:wan\"\naddresses = [\"10.0.0.1/24\"]\n\
                           mac = \"02:00:00:00:00:01\"\n";

    fn config(marks: &[u32]) -> Config {
        let rules: String =
            marks.iter().map(|mark| format!("[[mark]]\nmark = {mark}\ninterface = \"wan\"\n")).collect();
        config::parse(&format!("{NETWORK}{rules}"), "t.toml").unwrap_or_else(|errors| panic!("{errors}"))
    }

    fn director(marks: &[u32]) -> Director {
        let config = config(marks);
        let facts = Facts::in_memory(&config);
        Director::new(config, facts, Nanos(0)).expect("a possible configuration").0
    }

    fn rule(mark: u32) -> MarkSpec {
        config(&[mark]).marks.remove(0).spec
    }

    fn marks(director: &Director) -> Vec<(u32, bool)> {
        director.marks.iter().map(|rule| (rule.spec.mark, rule.runtime)).collect()
    }

    #[test]
    fn requests_and_their_refusals() {
        let mut director = director(&[1]);
        director.apply(Edit::AddMark { rule: rule(2) }, true, &mut || false).unwrap();
        assert_eq!(marks(&director), [(1, false), (2, true)]);
        let refused = |director: &mut Director, request| director.apply(request, true, &mut || false).unwrap_err();
        let error = refused(&mut director, Edit::AddMark { rule: rule(1) });
        assert_eq!((error.code, error.place.as_str()), (Code::Exists, "mark 1 --interface wan"));
        let elsewhere = MarkSpec { interface: Some("lan".to_owned()), ..rule(3) };
        let error = refused(&mut director, Edit::AddMark { rule: elsewhere });
        assert_eq!((error.code, error.text.as_str()), (Code::NoDevice, "there is no interface \"lan\"; known: wan"));
        let ports = MarkSpec { source_port: Some(Ports { first: 1, last: 2 }), ..rule(3) };
        let error = refused(&mut director, Edit::AddMark { rule: ports });
        assert!(error.code == Code::Invalid && error.text.starts_with("source_port: needs"), "{error}");
        assert_eq!(refused(&mut director, Edit::DeleteMark { rule: rule(3) }).code, Code::NoEntry);
        director.apply(Edit::DeleteMark { rule: rule(1) }, true, &mut || false).unwrap();
        assert_eq!(marks(&director), [(2, true)]);
    }

    #[test]
    fn the_file_comes_first_and_what_was_made_at_run_time_stays() {
        let mut director = director(&[1, 2]);
        director.apply(Edit::AddMark { rule: rule(3) }, true, &mut || false).unwrap();
        director.apply(Edit::AddMark { rule: rule(4) }, true, &mut || false).unwrap();
        let mut follow = |file: &[u32], prune| {
            let mut changes = Changes::default();
            director.converge_marks(&config(file), prune, &mut changes);
            let running: Vec<u32> = director.running_settings().marks.iter().map(|rule| rule.spec.mark).collect();
            (running, changes.lines().join("; "))
        };
        let changes = "mark rule 1 --interface wan removed; mark rule 5 --interface wan added".to_owned();
        assert_eq!(follow(&[2, 5], false), (vec![2, 5, 3, 4], changes));
        assert_eq!(follow(&[5, 2], false), (vec![5, 2, 3, 4], "the order of the mark rules changed".to_owned()));
        assert_eq!(follow(&[5, 2, 3], false), (vec![5, 2, 3, 4], String::new()));
        let gone = "mark rule 4 --interface wan removed".to_owned();
        assert_eq!(follow(&[5, 2, 3], true), (vec![5, 2, 3], gone));
        assert_eq!(marks(&director), [(5, false), (2, false), (3, false)]);
    }
}

//! Long requests make nobody on the network wait. A reload, a restore, a removal of everything go on for seconds in a large
//! table; every few items they ask their [`super::Host`] whether the network is to be served first.
//!
//! ```text
//! request: item, item, item, pause -> frames of the workers (ARP, ND), neighbours' timers, housekeeping -> item, item ...
//! ```
//!
//! What is half done is not published meanwhile: workers get the tables of before, with what is new of neighbours.

use std::sync::Arc;

use dataplane::clock::Nanos;

use super::{Director, Pump};

/// Services, servers, addresses and the like that are dealt with between two questions for a pause.
pub(super) const SLICE: usize = 32;

/// Nanoseconds between two publications of neighbours in the middle of a request.
const NET_PERIOD: u64 = 10_000_000;

impl Director {
    /// Serves the network, if it is time to, in the middle of a request.
    pub(super) fn pause(&mut self, host: Pump<'_>) {
        if let Some(now) = host.pause() {
            self.now = now;
            self.pauses.in_request = true;
            self.serve_network();
            self.pauses.in_request = false;
            // Made anew as a whole, so not at every pause.
            if self.now >= self.pauses.next_net {
                self.publish_net();
                self.pauses.next_net = Nanos(self.now.0 + NET_PERIOD);
            }
            host.served(self.crew.turns());
        }
    }

    /// Waits for workers, and serves the network meanwhile. `false` when they have been waited for long enough.
    pub(super) fn wait(&mut self, host: Pump<'_>) -> bool {
        self.pause(host);
        host.wait()
    }

    /// Gives workers what is new of neighbours, and nothing of what is half done.
    pub(super) fn publish_net(&mut self) {
        if self.net.is_changed() {
            self.tables.net = self.net.make_tables();
            self.published.net = Arc::clone(&self.tables.net);
            self.crew.publish(self.published.clone());
        }
    }

    /// Lets go of tables that no worker uses.
    pub(super) fn sweep_tables(&mut self) {
        for tables in self.crew.sweep() {
            (self.facts.discard)(Box::new(tables));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Edit;
    use crate::director::lab;

    const FILE: &str =
        "schema = 1\n[[interface]]\nname = \"wan\"\ndevice = \"tap:wan\"\naddresses = [\"10.0.0.1/24\"]\n";

    fn add(port: u16) -> Edit {
        let key = format!(r#"{{"protocol":"tcp","address":"10.0.0.7","port":{port}}}"#);
        let text = format!(r#"{{"op":"add-service","service":{{"key":{key},"scheduler":"rr"}}}}"#);
        serde_json::from_str(&text).expect("a request")
    }

    #[test]
    fn an_address_is_not_answered_for_before_workers_know_it() {
        let mut director = lab::quiet(FILE);
        let vip = "10.0.0.7".parse().expect("an address");
        director.apply(add(80), true, &mut || false).expect("it is possible");
        assert!(director.follow_addresses(true, 9));
        (60..65).for_each(|tenth| {
            director.now = Nanos(tenth * lab::SECOND / 10);
            director.serve_network();
        });
        assert_eq!((director.net.owns(0, vip), lab::sent(&director).len()), (false, 0), "half done");
        director.turn(Nanos(7 * lab::SECOND));
        director.turn(Nanos(8 * lab::SECOND));
        assert!(director.net.owns(0, vip) && !lab::sent(&director).is_empty(), "published, and announced");
    }

    #[test]
    fn what_is_left_of_an_earlier_change_does_not_hide_a_later_one() {
        let mut director = lab::quiet(FILE);
        let server = |port: u16, host: u8| -> Edit {
            let key = format!(r#"{{"protocol":"tcp","address":"10.0.0.7","port":{port}}}"#);
            let server = format!(r#"{{"address":"10.0.0.{host}:80","forward":"nat","weight":1}}"#);
            serde_json::from_str(&format!(r#"{{"op":"add-server","key":{key},"server":{server}}}"#)).expect("a request")
        };
        for request in [add(1), server(1, 21), server(1, 22), server(1, 23)] {
            director.apply(request, true, &mut || false).expect("it is possible");
        }
        // One of three listeners is taken; then more come.
        assert!(!director.take_services(1));
        director.apply(server(1, 24), true, &mut || false).expect("it is possible");
        let mut takes = 0;
        while !director.take_services(2) {
            takes += 1;
            assert!(takes < 10, "it ends");
        }
        assert_eq!(director.tables.listeners.len(), 4);
    }
}

//! The running configuration as a file, a page at a time.

use dataplane::clock::TICKS_PER_SECOND;
use dataplane::proto::udp::State;

use super::Director;
use super::listing::MOST_SERVERS;
use crate::api::{Answer, Cursor, MarkInfo};
use crate::config::{self, Config, Server};
use crate::ipvs::Piece;

impl Director {
    /// One page: the first begins with all but the services, these follow in the order of the list, which is the file's.
    pub(super) fn show_config(&self, cursor: Option<Cursor>) -> Answer {
        let mut text = if cursor.is_none() { config::render(&self.running_settings()) } else { String::new() };
        let (pieces, next) = self.services.page_as_filed(cursor.unwrap_or(Cursor::START), MOST_SERVERS as usize);
        for piece in &pieces {
            text += &config::render_service(&as_filed(piece), piece.continued);
        }
        Answer::Text { text, next }
    }

    /// What the file says beside services, with routes, marks, settings and timeouts as they are now.
    pub(super) fn running_settings(&self) -> Config {
        let mut config = self.config.clone();
        let rule = |rule: &MarkInfo| config::MarkRule { spec: rule.spec.clone(), place: Default::default() };
        config.marks = self.marks.iter().map(rule).collect();
        config.routes = self.net.running_routes();
        config.ipvs.sysctls = self.running_sysctls();
        let (timeouts, usual) = (&self.tables.timeouts, config.ipvs.timeouts.profile.timeouts());
        let differs = |now: u32, usual: u32| (now != usual).then_some(now / TICKS_PER_SECOND);
        config.ipvs.timeouts.tcp = std::array::from_fn(|state| differs(timeouts.tcp[state], usual.tcp[state]));
        config.ipvs.timeouts.sctp = std::array::from_fn(|state| differs(timeouts.sctp[state], usual.sctp[state]));
        let [stream, one_way] = [State::Stream, State::OneWay];
        config.ipvs.timeouts.udp = differs(timeouts.udp.of(stream), usual.udp.of(stream));
        let mut implied = usual.udp;
        implied.set(timeouts.udp.of(stream));
        config.ipvs.timeouts.udp_one_way = differs(timeouts.udp.of(one_way), implied.of(one_way));
        config
    }
}

/// A piece of the list as the file would have it: servers in the order in which they were added.
fn as_filed(piece: &Piece<'_>) -> config::Service {
    let server = |server: &crate::ipvs::ServerEntry| Server { spec: server.spec.clone(), place: Default::default() };
    config::Service {
        spec: piece.service.spec.clone(),
        servers: piece.servers.iter().rev().map(server).collect(),
        place: Default::default(),
    }
}

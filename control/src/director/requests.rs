//! What an operator asks for: questions, observations, edits, batches of them, and reloads.

use dataplane::clock::Nanos;

use super::watch::Wish;
use super::{Director, Pump};
use crate::api::{Answer, ApiError, Batch, Observe, Query, Reload, Request, SteeringReport};

impl Director {
    /// Answers a request. "Done" means seen by every worker.
    pub fn handle(&mut self, request: Request, now: Nanos, pump: Pump<'_>) -> Result<Answer, ApiError> {
        self.now = now;
        match request {
            Request::Query(query) => self.query(query, pump),
            Request::Observe(observe) => self.observe(observe),
            Request::Reload(Reload { prune }) => {
                let prepared = self.prepare()?;
                self.reload(prepared, prune, pump)
            }
            Request::Batch(Batch { requests, more }) => {
                let result = self.batch(requests, pump);
                let published = if more { self.hold(pump) } else { self.commit(pump) };
                result.and(published).map(|()| Answer::Done)
            }
            Request::Edit(edit) => {
                let result = self.edit(edit, pump);
                result.and(self.commit(pump)).map(|()| Answer::Done)
            }
        }
    }

    /// Answers a question. The network is served while workers are asked.
    fn query(&mut self, query: Query, pump: Pump<'_>) -> Result<Answer, ApiError> {
        match query {
            Query::Services { key, cursor, limit } => self.list_services(key, cursor, limit),
            Query::Connections { cursor, limit } => self.list_connections(cursor, limit, pump),
            Query::Timeouts => Ok(self.timeouts()),
            Query::Sysctls { name } => self.list_sysctls(name),
            Query::Daemons => Ok(Answer::Daemons { daemons: Vec::new() }),
            Query::Status => Ok(self.status()),
            Query::Stats => Ok(self.stats()),
            Query::Neighbors => Ok(self.list_neighbors(pump)),
            Query::Routes => Ok(Answer::Routes { routes: self.net.list_routes() }),
            Query::Vips { cursor } => Ok(self.list_vips(cursor)),
            Query::Marks => Ok(Answer::Marks { rules: self.marks.clone() }),
            Query::Steering => Ok(Answer::Steering(Box::new(SteeringReport::of(&self.facts.steering)))),
            Query::ConfigShow { cursor } => Ok(self.show_config(cursor)),
            Query::Proc { name, cursor } => self.proc(&name, cursor, pump),
        }
    }

    /// Starts, reads or ends an observation.
    fn observe(&mut self, observe: Observe) -> Result<Answer, ApiError> {
        match observe {
            Observe::TraceStart { filter, count, seconds } => self.start_watch(&Wish::trace(filter, count, seconds)),
            Observe::CaptureStart { filter, count, seconds, snaplen } => {
                self.start_watch(&Wish::capture(filter, count, seconds, snaplen))
            }
            Observe::WatchNext { watch } => self.watches.next(watch, &self.tables.net, self.now),
            Observe::WatchStop { watch } => self.watches.stop(watch),
            Observe::DoctorArp { examination } => self.net.doctor_arp(examination, self.now),
        }
    }

    fn start_watch(&mut self, wish: &Wish) -> Result<Answer, ApiError> {
        self.watches.start(wish, &self.net, &self.crew, self.now)
    }
}

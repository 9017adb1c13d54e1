//! What time and the network ask for: frames of workers at every turn, housekeeping ten times a second.

use dataplane::clock::Nanos;
use dataplane::mailbox::Report;
use dataplane::shard::{Shared, let_go};

use super::{Director, net};

/// Templates, or expected connections, of a shard that one round looks at for their end.
const TEMPLATES: usize = 1024;
/// Slots of removed servers looked at in one round of housekeeping.
const SWEEP_BUDGET: usize = 16_384;

impl Director {
    /// What packets and time ask for. Returns the items handled.
    pub fn turn(&mut self, now: Nanos) -> usize {
        self.now = now;
        let items = self.serve_network();
        let shared = Shared { servers: self.services.states(), templates: &self.templates, expected: &self.expected };
        self.orphans.end(&self.crew, shared, self.now);
        self.forget_routes();
        if self.is_to_publish() {
            self.publish();
        }
        self.retire_servers();
        items
    }

    /// What cannot wait for the end of a long request.
    pub(super) fn serve_network(&mut self) -> usize {
        let items = self.drain() + self.net.time_neighbors(self.now);
        if self.now >= self.next_round {
            self.do_housekeeping();
        }
        if self.tables.sysctls.run_estimation != 0 {
            self.sampling.sample(&mut self.services, &self.crew, self.now);
        }
        items
    }

    /// What need not be done at every turn.
    fn do_housekeeping(&mut self) {
        let now = self.now;
        self.next_round = Nanos(now.0 + net::ROUND);
        self.net.look_at_stale(now);
        self.net.look_at_cables(&*self.facts.devices, now);
        self.net.look_for_silent(&self.services, now);
        // Of addresses that workers do not know yet nothing is told.
        if !self.pauses.in_request && !self.has_changes() {
            self.net.announce(now);
        }
        self.net.answer_for_groups(now);
        self.net.examine(now);
        self.crew.check_heartbeats(now);
        self.look_at_stores();
        self.crew.look_at_cut_frames();
        self.expire_templates();
        self.services.forget_destinations(now.tick(), &self.tables.sysctls);
        self.watches.sweep(now);
        self.sweep_tables();
        self.sweep_slots(SWEEP_BUDGET);
    }

    /// Ends persistence templates, and expected connections, whose time has come.
    fn expire_templates(&self) {
        let states = self.services.states();
        self.templates.expire(self.now.tick(), TEMPLATES, |template| let_go(template, states));
        self.expected.expire(self.now.tick(), TEMPLATES, |expected| {
            if let Some(server) = states.get(expected.slot) {
                server.unbind(true);
            }
        });
    }

    /// Takes what the workers report.
    pub(super) fn drain(&mut self) -> usize {
        let mut items = 0;
        for worker in 0..self.crew.len() {
            while let Some(report) = self.crew.report(worker) {
                items += 1;
                match report {
                    Report::Frame { lan, frame } => self.net.frame(lan, &frame, self.now),
                    Report::Listed(page) => self.crew.keep(worker, page),
                }
            }
        }
        items + self.answer_questions()
    }

    /// Asks for neighbours that packets wait for: one of each class in turn, from every worker, as long as the mailbox
    /// that the questions leave by has room. Returns how many that were.
    fn answer_questions(&mut self) -> usize {
        let mut asked = 0;
        loop {
            let before = asked;
            for worker in 0..self.crew.len() {
                if self.net.room_for_questions() == 0 {
                    return asked;
                }
                for key in self.crew.wanted(worker) {
                    self.net.resolve(key, self.now);
                    asked += 1;
                }
            }
            if asked == before {
                return asked;
            }
        }
    }
}

//! The workers, as the director talks with them: what is published to them, what they are asked and told, what they count,
//! and whether they turn.
//!
//! ```text
//! publish -> epoch ... behind(epoch)?     tables, and who has not taken them over
//! command -> report                       a worker at a time; a page of connections is kept for who asked for it
//! ```

mod cut;
mod heartbeat;
mod stores;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use dataplane::clock::Nanos;
use dataplane::counters::Counters;
use dataplane::mailbox::{Command, Link, Page, Report};
use dataplane::parking::Neighbor;
use dataplane::service::TotalsRead;
use dataplane::snapshot::{Publisher, Reader};
use dataplane::tables::Tables;
use dataplane::verdict::Drop;

use super::mail::Mail;
use crate::api::{ApiError, Code, Counter, WorkerStatus};
use crate::statistics::sum;
use heartbeat::Heart;
use stores::Stores;
pub(super) use stores::{Found, Kind, Level, kind};

/// Every worker there is.
#[derive(Debug)]
pub(super) struct Crew {
    publisher: Publisher,
    links: Arc<[Arc<Link>]>,
    /// CPUs that the workers run on.
    cpus: Vec<u32>,
    hearts: Vec<Heart>,
    /// The last page of connections that each has sent.
    listed: Vec<Option<Page>>,
    /// Answers of workers are told apart by the number of their question.
    questions: u64,
    stores: Stores,
    /// It has been said that devices cut frames.
    cut_told: bool,
}

impl Crew {
    /// Workers on these CPUs, and what each of them reads and answers.
    pub(super) fn new(workers: usize, cpus: Vec<u32>, tables: Tables, now: Nanos) -> (Self, Vec<(Reader, Arc<Link>)>) {
        let (publisher, board) = Publisher::new(workers, tables);
        let links: Arc<[_]> = (0..workers).map(|_| Link::new()).collect();
        let ends = links.iter().enumerate();
        let ends = ends.map(|(worker, link)| (Reader::new(Arc::clone(&board), worker), Arc::clone(link))).collect();
        let crew = Self {
            publisher,
            cpus,
            hearts: links.iter().map(|_| Heart::new(now)).collect(),
            listed: links.iter().map(|_| None).collect(),
            links,
            questions: 0,
            stores: Stores::default(),
            cut_told: false,
        };
        (crew, ends)
    }

    /// How many workers there are.
    pub(super) fn len(&self) -> usize {
        self.links.len()
    }

    /// Their mailboxes, for who speaks to the network by them.
    pub(super) fn mail(&self) -> Mail {
        Mail::new(Arc::clone(&self.links))
    }

    /// Tells workers the time of day, in milliseconds since midnight UT.
    pub(super) fn tell_time(&self, now: Nanos, since_midnight: u32) {
        self.links.iter().for_each(|link| link.midnight.set(now.tick(), since_midnight));
    }

    /// Whether nothing waits in any mailbox.
    pub(super) fn is_idle(&self) -> bool {
        self.links.iter().all(|link| link.commands.is_empty() && link.reports.is_empty() && link.questions.is_empty())
    }
}

/// Publication.
impl Crew {
    /// Gives every worker these tables.
    pub(super) fn publish(&mut self, tables: Tables) {
        self.publisher.publish(tables);
    }

    /// The number of the last publication.
    pub(super) fn epoch(&self) -> u64 {
        self.publisher.epoch()
    }

    /// A worker that has not taken over a publication.
    pub(super) fn behind(&self, epoch: u64) -> Option<usize> {
        self.publisher.behind(epoch)
    }

    /// Tables that no worker uses any more.
    pub(super) fn sweep(&mut self) -> Vec<Arc<Tables>> {
        self.publisher.sweep()
    }

    /// The refusal of who waits for a worker: what was published is in force, but for this one.
    pub(super) fn late(&self, worker: usize, now: Nanos) -> ApiError {
        let why = match self.hearts[worker].stalled_for(now) {
            Some(time) => format!("it has been stalled for {} ms", time.as_millis()),
            None => "it is busy".to_owned(),
        };
        let cpu = self.cpu(worker);
        ApiError {
            code: Code::Late,
            place: String::new(),
            text: format!("applied; worker {worker} (CPU {cpu}) has not taken it over yet: {why}. Do not repeat it"),
        }
    }

    fn cpu(&self, worker: usize) -> u32 {
        self.cpus.get(worker).copied().unwrap_or(0)
    }
}

/// Commands, questions and reports.
impl Crew {
    /// Tells a worker to do something.
    ///
    /// # Errors
    /// The command, where the mailbox is full.
    pub(super) fn tell(&self, worker: usize, command: Command) -> Result<(), Command> {
        self.links[worker].commands.push(command)
    }

    /// The next report of a worker.
    pub(super) fn report(&self, worker: usize) -> Option<Report> {
        self.links[worker].reports.pop()
    }

    /// Neighbours that packets of a worker wait for, one of each class.
    pub(super) fn wanted(&self, worker: usize) -> impl Iterator<Item = Neighbor> + use<> {
        self.links[worker].questions.take().into_iter().flatten()
    }

    /// Asks a worker for a page of its connections. Returns the number of the question; nothing where the mailbox is full.
    pub(super) fn ask(&mut self, worker: usize, from: u32, most: u32) -> Option<u64> {
        self.questions += 1;
        let question = self.questions;
        self.listed[worker] = None;
        self.tell(worker, Command::List { question, from, most }).ok()?;
        Some(question)
    }

    /// A worker has sent a page.
    pub(super) fn keep(&mut self, worker: usize, page: Page) {
        self.listed[worker] = Some(page);
    }

    /// The answer to a question, if it has come. A page that came too late answers an earlier one.
    pub(super) fn answer(&mut self, worker: usize, question: u64) -> Option<Page> {
        self.listed[worker].take_if(|page| page.question == question)
    }
}

/// What workers count.
impl Crew {
    /// Has room for a slot's totals.
    pub(super) fn ensure(&self, slot: u32) {
        self.links.iter().for_each(|link| _ = link.totals.ensure(slot));
    }

    /// A slot's totals, summed over workers.
    pub(super) fn totals(&self, slot: u32) -> TotalsRead {
        self.totals_by_worker(slot).fold(TotalsRead::default(), sum)
    }

    /// A slot's totals, worker by worker.
    pub(super) fn totals_by_worker(&self, slot: u32) -> impl Iterator<Item = TotalsRead> {
        self.links.iter().map(move |link| link.totals.get(slot).map(|totals| totals.read()).unwrap_or_default())
    }

    /// A counter, summed over workers.
    pub(super) fn counted(&self, read: impl Fn(&Counters) -> u64) -> u64 {
        self.links.iter().map(|link| read(&link.counters)).sum()
    }

    /// Packets dropped for a reason, summed over workers.
    pub(super) fn dropped(&self, reason: Drop) -> u64 {
        self.counted(|counters| counters.dropped(reason))
    }

    /// Every counter of every worker.
    pub(super) fn counters(&self) -> Vec<Vec<Counter>> {
        let counter = |(name, value): (&str, u64)| Counter { name: name.to_owned(), value };
        self.links.iter().map(|link| link.counters.read().into_iter().map(counter).collect()).collect()
    }

    /// Whether a worker has more connections than so many.
    pub(super) fn any_has_more_than(&self, connections: u32) -> bool {
        self.links.iter().any(|link| link.connections.load(Relaxed) > u64::from(connections))
    }

    /// Every worker in a few numbers, each with room for so many connections.
    pub(super) fn status(&self, capacity: u32, now: Nanos) -> Vec<WorkerStatus> {
        (0..self.len()).map(|worker| self.worker_status(worker, capacity, now)).collect()
    }

    fn worker_status(&self, worker: usize, capacity: u32, now: Nanos) -> WorkerStatus {
        let (link, heart) = (&self.links[worker], &self.hearts[worker]);
        WorkerStatus {
            id: worker as u32,
            cpu: self.cpu(worker),
            connections: link.connections.load(Relaxed),
            capacity: u64::from(capacity),
            turns: link.turns.load(Relaxed),
            busy_turns: link.busy_turns.load(Relaxed),
            load: heart.load(),
            longest_turn: link.longest_turn.load(Relaxed),
            longest_turn_1s: link.longest_turn_1s.load(Relaxed),
            stalls: heart.stalls(),
            stalled_for: heart.stalled_for(now).map(|stood| stood.as_secs()),
            tables: self.publisher.seen(worker),
        }
    }
}

#[cfg(test)]
impl Crew {
    /// The next command in a worker's mailbox.
    pub(super) fn next_command(&self, worker: usize) -> Option<Command> {
        self.links[worker].commands.pop()
    }
}

//! Watches on the director's side: started on every worker, asked for page by page, and ended by count, by time, by
//! request, or because nobody asks any more.

use std::fmt::Write;
use std::sync::Arc;

use dataplane::clock::Nanos;
use dataplane::mailbox::Command;
use dataplane::tables;
use dataplane::trace::{Frame, MAX_WATCHES, Record, Sight, Tray, Wanted, Watch, Way};

use super::crew::Crew;
use super::net::Net;
use crate::api::{Answer, ApiError, Code, Direction, FrameInfo, WatchEnd, WatchInfo, WatchPage};
use crate::watch::{explain, filter};

const SECOND: u64 = 1_000_000_000;
/// Most packets of a watch.
const MOST_PACKETS: u64 = 100_000;
/// Most seconds of a watch, and those of one that does not say.
const MOST_SECONDS: u32 = 3600;
const SECONDS: u32 = 30;
/// Packets of a trace that does not say.
const TRACED: u64 = 10;
/// Bytes of a frame that are kept where nobody says how many: all of them.
const SNAPLEN: u32 = 262_144;
/// Who has not asked for so long is gone.
const PATIENCE: u64 = 15 * SECOND;
/// Packets that were counted may be on their way for so long: longer than any waits for a neighbour.
const ON_THE_WAY: u64 = 10 * SECOND;
/// Records, and bytes of frames, in one answer.
const PAGE_RECORDS: usize = 512;
const PAGE_BYTES: usize = 256 << 10;

/// What an operator asks of a watch.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) filter: String,
    pub(super) count: Option<u64>,
    pub(super) seconds: Option<u32>,
    pub(super) wanted: Wanted,
}

impl Wish {
    pub(super) fn trace(filter: String, count: Option<u64>, seconds: Option<u32>) -> Self {
        Self { filter, count: count.or(Some(TRACED)), seconds, wanted: Wanted::Trace }
    }

    pub(super) fn capture(filter: String, count: Option<u64>, seconds: Option<u32>, snaplen: Option<u32>) -> Self {
        let snaplen = snaplen.filter(|bytes| *bytes > 0).unwrap_or(SNAPLEN);
        Self { filter, count, seconds, wanted: Wanted::Frames { snaplen } }
    }
}

/// A watch that is on, or has not been asked for all it saw.
#[derive(Debug)]
pub(super) struct Watching {
    id: u64,
    slot: u8,
    tray: Arc<Tray>,
    until: Nanos,
    asked: Nanos,
    full: Option<Nanos>,
}

impl Watching {
    /// Whether no worker has anything to add. Time alone does not say so: a worker may still be at work.
    fn is_over(&self, now: Nanos) -> bool {
        Arc::strong_count(&self.tray) == 1 || now.0 > self.until.0 + SECOND
    }

    fn reason(&self) -> WatchEnd {
        match () {
            () if self.tray.is_full() => WatchEnd::Count,
            () if self.tray.is_closed() => WatchEnd::Stopped,
            () => WatchEnd::Time,
        }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Watches {
    on: Vec<Watching>,
    last: u64,
}

impl Watches {
    /// Begins a watch on every worker.
    pub(super) fn start(&mut self, wish: &Wish, net: &Net, crew: &Crew, now: Nanos) -> Result<Answer, ApiError> {
        self.sweep(now);
        let interfaces = net.interfaces();
        let place = |name: &str| interfaces.iter().find(|i| &*i.name == name).map(|i| i.lan);
        let filter = filter::parse(&wish.filter, place)?;
        let count = within("count", wish.count.unwrap_or(MOST_PACKETS), MOST_PACKETS)?;
        let seconds = within("seconds", wish.seconds.unwrap_or(SECONDS), MOST_SECONDS)?;
        let slot = self.free_slot()?;
        let (tray, until) = (Tray::new(count), Nanos(now.0 + u64::from(seconds) * SECOND));
        for worker in 0..crew.len() {
            let (filter, tray) = (filter.clone(), Arc::clone(&tray));
            let watch = Watch { filter, wanted: wish.wanted, until, worker: worker as u32, slot, tray };
            if let Err(Command::Watch(watch)) = crew.tell(worker, Command::Watch(Box::new(watch))) {
                watch.tray.close();
                let (code, place) = (Code::Timeout, format!("worker {worker}"));
                return Err(ApiError { code, place, text: "takes no requests: its mailbox is full".to_owned() });
            }
        }
        self.last += 1;
        let id = self.last;
        self.on.push(Watching { id, slot, tray, until, asked: now, full: None });
        let interfaces = interfaces.iter().map(|interface| interface.name.to_string()).collect();
        Ok(Answer::Watching(WatchInfo { watch: id, now: now.0, count, seconds, interfaces }))
    }

    /// A bit that no watch uses, and, as marks may outlive a watch, the one that was not used for longest.
    fn free_slot(&self) -> Result<u8, ApiError> {
        let on = &self.on;
        if on.len() >= MAX_WATCHES {
            let text =
                format!("{MAX_WATCHES} watches (traces and captures) run already; wait until one ends, or stop one");
            return Err(ApiError { code: Code::Full, place: String::new(), text });
        }
        let next = (self.last % u64::from(u8::BITS)) as u8;
        let mut slots = (next..u8::BITS as u8).chain(0..next);
        Ok(slots.find(|slot| on.iter().all(|watch| watch.slot != *slot)).unwrap_or(next))
    }

    /// What a watch has seen since it was asked last.
    pub(super) fn next(&mut self, id: u64, net: &tables::Net, now: Nanos) -> Result<Answer, ApiError> {
        self.sweep(now);
        let watch = self.on.iter_mut().find(|watch| watch.id == id).ok_or_else(|| gone(id))?;
        watch.asked = now;
        let over = watch.is_over(now);
        let tray = Arc::clone(&watch.tray);
        let reason = watch.reason();
        let mut page = WatchPage { seen: tray.packets(), lost: tray.lost(), ..WatchPage::default() };
        let drained = fill(&mut page, &tray, net);
        // A worker may tell of a packet after the one that it handed the packet to.
        page.packets.sort_by_key(|packet| packet.at);
        page.frames.sort_by_key(|frame| frame.at);
        if over && drained {
            page.over = Some(reason);
            self.on.retain(|watch| watch.id != id);
        }
        Ok(Answer::Watched(Box::new(page)))
    }

    /// Ends a watch. What it saw can still be asked for.
    pub(super) fn stop(&self, id: u64) -> Result<Answer, ApiError> {
        let watch = self.on.iter().find(|watch| watch.id == id).ok_or_else(|| gone(id))?;
        watch.tray.close();
        Ok(Answer::Done)
    }

    /// Ends watches that nobody asks for any more, and those whose last packets do not come to an end.
    pub(super) fn sweep(&mut self, now: Nanos) {
        for watch in self.on.iter_mut().filter(|watch| watch.tray.is_full()) {
            let since = *watch.full.get_or_insert(now);
            if now.0.saturating_sub(since.0) > ON_THE_WAY {
                watch.tray.close();
            }
        }
        self.on.retain(|watch| {
            let kept = now.0.saturating_sub(watch.asked.0) <= PATIENCE;
            if !kept {
                watch.tray.close();
            }
            kept
        });
    }
}

/// Fills a page. Returns whether nothing is left.
fn fill(page: &mut WatchPage, tray: &Tray, net: &tables::Net) -> bool {
    let mut bytes = 0;
    for _ in 0..PAGE_RECORDS {
        let Some(record) = tray.pop() else { return true };
        match &record.sight {
            Sight::Packet(trace) => page.packets.push(explain::packet(&record, trace, net)),
            Sight::Later(later) => page.packets.push(explain::later(&record, later, net)),
            Sight::Frame(frame) => {
                bytes += frame.bytes.len();
                page.frames.push(frame_info(&record, frame, net));
            }
        }
        if bytes >= PAGE_BYTES {
            return false;
        }
    }
    false
}

fn frame_info(record: &Record, frame: &Frame, net: &tables::Net) -> FrameInfo {
    let mut bytes = String::with_capacity(frame.bytes.len() * 2);
    for byte in &frame.bytes {
        _ = write!(bytes, "{byte:02x}");
    }
    FrameInfo {
        at: record.at.0,
        worker: record.worker,
        interface: explain::lan_name(frame.lan, net),
        direction: match frame.way {
            Way::In => Direction::In,
            Way::Out => Direction::Out,
        },
        length: frame.length,
        bytes,
    }
}

fn within<T: PartialOrd + From<u8> + std::fmt::Display>(place: &str, value: T, most: T) -> Result<T, ApiError> {
    if value >= T::from(1) && value <= most {
        return Ok(value);
    }
    let text = format!("{value} is not a number from 1 to {most}");
    Err(ApiError { code: Code::Invalid, place: place.to_owned(), text })
}

fn gone(id: u64) -> ApiError {
    let text = "no such watch; it ended, or was not read for 15 s".to_owned();
    ApiError { code: Code::NoEntry, place: format!("watch {id}"), text }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;

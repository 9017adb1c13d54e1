//! The burst rule over the golden cases: what a case does to the director is recorded (frames, commands, time) and done
//! again with bursts of 1, 7 and 64 frames; whatever the size, the same leaves by each leg, in the same order.

use std::cell::RefCell;
use std::rc::Rc;

use crate::runner::case::Case;
use crate::runner::director::{Director, Leg};
use crate::runner::stage::Stage;
use crate::runner::steps;

/// Frames of one leg that may come together: as many as a worker takes at once.
const TOGETHER: usize = 64;

/// A director that takes frames together, as the product does.
pub(crate) trait Bursts: Director {
    /// Frames arrive together on a leg; nothing else happens before they are through.
    fn burst(&mut self, leg: Leg, frames: &mut dyn Iterator<Item = &[u8]>);
}

/// Sets a director on a stage.
pub(crate) type MakeDirector = fn(&Stage) -> Box<dyn Bursts>;

/// Something done to the director.
#[derive(Clone, Debug)]
enum Event {
    Frame(Leg, Vec<u8>),
    Ipvsadm(String, Option<String>),
    Sysctl(String, Option<String>),
    Shell(String),
    Advance(u64),
}

/// A director, and what is done to it.
struct Recorded {
    director: Box<dyn Director>,
    events: Rc<RefCell<Vec<Event>>>,
}

impl Director for Recorded {
    fn inject(&mut self, leg: Leg, frame: &[u8]) {
        self.events.borrow_mut().push(Event::Frame(leg, frame.to_vec()));
        self.director.inject(leg, frame);
    }

    fn drain(&mut self) -> Vec<(Leg, Vec<u8>)> {
        self.director.drain()
    }

    fn ipvsadm(&mut self, args: &str, stdin: Option<&str>) -> (i32, String, String) {
        self.events.borrow_mut().push(Event::Ipvsadm(args.to_owned(), stdin.map(str::to_owned)));
        self.director.ipvsadm(args, stdin)
    }

    fn advance(&mut self, nanoseconds: u64) {
        self.events.borrow_mut().push(Event::Advance(nanoseconds));
        self.director.advance(nanoseconds);
    }

    fn proc(&mut self, name: &str) -> Result<String, String> {
        self.director.proc(name)
    }

    fn sysctl(&mut self, name: &str, value: Option<&str>) -> Result<String, String> {
        self.events.borrow_mut().push(Event::Sysctl(name.to_owned(), value.map(str::to_owned)));
        self.director.sysctl(name, value)
    }

    fn sh(&mut self, command: &str) -> Option<(i32, String, String)> {
        self.events.borrow_mut().push(Event::Shell(command.to_owned()));
        self.director.sh(command)
    }
}

/// By leg, in order of leaving.
type Sent = [Vec<Vec<u8>>; 2];

/// Does it all again, frames in bursts of at most this many. Control acts when a group of frames is through.
fn replay(mut director: Box<dyn Bursts>, events: &[Event], burst: usize) -> Vec<Sent> {
    let mut steps = Vec::new();
    let mut at = 0;
    while at < events.len() {
        let group = frames_together(&events[at..]);
        match (&events[at], group.first()) {
            (_, Some((leg, _))) => {
                group.chunks(burst).for_each(|frames| director.burst(*leg, &mut frames.iter().map(|(_, f)| *f)));
                director.advance(0);
            }
            (Event::Frame(..), None) => {}
            (Event::Ipvsadm(args, stdin), _) => drop(director.ipvsadm(args, stdin.as_deref())),
            (Event::Sysctl(name, value), _) => drop(director.sysctl(name, value.as_deref())),
            (Event::Shell(command), _) => drop(director.sh(command)),
            (Event::Advance(nanoseconds), _) => director.advance(*nanoseconds),
        }
        at += group.len().max(1);
        let mut sent = Sent::default();
        director.drain().into_iter().for_each(|(leg, frame)| sent[leg as usize].push(frame));
        steps.push(sent);
    }
    steps
}

/// The frames of one leg that stand at the beginning.
fn frames_together(events: &[Event]) -> Vec<(Leg, &[u8])> {
    let frames = events
        .iter()
        .map_while(|event| if let Event::Frame(leg, frame) = event { Some((*leg, frame.as_slice())) } else { None });
    let first = frames.clone().next().map(|(leg, _)| leg);
    frames.take_while(|(leg, _)| Some(*leg) == first).take(TOGETHER).collect()
}

/// Whether the size of bursts makes a difference to a case.
pub(crate) fn check(case: &Case, make: MakeDirector) -> Result<(), String> {
    let stage = Stage::new(&case.trace.scenario.net);
    let events = Rc::new(RefCell::new(Vec::new()));
    drop(steps::run(&case.trace.scenario, Box::new(Recorded { director: make(&stage), events: Rc::clone(&events) })));
    let events = events.take();
    let single = replay(make(&stage), &events, 1);
    let differs = [7, TOGETHER].into_iter().find(|burst| replay(make(&stage), &events, *burst) != single);
    differs.map_or(Ok(()), |burst| Err(format!("bursts of {burst} frames give something else than single ones")))
}

//! What a watch saw, as plain bounded values: nothing is formatted on a worker.

use std::net::IpAddr;

use arrayvec::ArrayVec;

use super::Outline;
use crate::clock::Nanos;
use crate::conn::Snapshot;
use crate::flow::{Direction, ServiceKey};
use crate::packet::{Arrival, Kind, Step};
use crate::service::Scheduler;
use crate::verdict::Handoff;
use crate::wire::ethernet::MacAddr;
use crate::wire::vlan::Lan;

/// Most verdicts, and most frames sent, that one packet is shown with.
pub const MOST_EFFECTS: usize = 4;

/// One thing seen.
#[derive(Clone, Debug)]
pub struct Record {
    /// When the turn began.
    pub at: Nanos,
    /// By which worker.
    pub worker: u32,
    /// What.
    pub sight: Sight,
}

/// What was seen.
#[derive(Clone, Debug)]
pub enum Sight {
    /// A packet on its way through the stages.
    Packet(Box<Trace>),
    /// What became later of a packet that waited or was handed over.
    Later(Box<Later>),
    /// Bytes of a frame.
    Frame(Frame),
}

/// A frame as received or as sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Which way.
    pub way: Way,
    /// Where it belongs.
    pub lan: Lan,
    /// Its length.
    pub length: u32,
    /// Its first bytes.
    pub bytes: Box<[u8]>,
}

/// Whether a frame came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Received.
    In,
    /// Sent.
    Out,
}

/// The stages that a packet took.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Where it came from.
    pub lan: Lan,
    /// How it came to this worker.
    pub arrival: Arrival,
    /// Its length as received.
    pub length: u32,
    /// What it says of itself.
    pub outline: Outline,
    /// What `parse` made of it.
    pub parsed: Parsed,
    /// The worker where `steer` found that it belongs, if that is another.
    pub steered: Option<u16>,
    /// Whether `lookup` found an entry whose tag fits; `None` = not looked up.
    pub candidate: Option<bool>,
    /// What `decide` did; `None` = `parse` ended it.
    pub decided: Option<Decided>,
    /// What it says of itself after `rewrite`, where that changed it.
    pub rewritten: Option<Outline>,
    /// How it ended.
    pub outcome: Outcome,
}

/// What `parse` found.
#[derive(Clone, Copy, Debug)]
pub struct Parsed {
    /// What the packet is.
    pub kind: Kind,
    /// Bytes of the IP packet.
    pub length: u32,
    /// `Undecided`, unless it ended here.
    pub step: Step,
}

/// What `decide` did.
#[derive(Clone, Debug)]
pub struct Decided {
    /// The connection found, as it was before, and by which key.
    pub found: Option<(Direction, Snapshot)>,
    /// The connection found ends because of this packet, which is looked at as if there were none.
    pub ends: bool,
    /// The service whose new connection this packet asks for.
    pub service: Option<Scheduling>,
    /// The connection as it is now.
    pub conn: Option<Snapshot>,
    /// Active and inactive connections of its server now.
    pub counts: (u32, u32),
    /// Where it is sent.
    pub route: Option<Route>,
    /// What shall happen.
    pub step: Step,
}

/// Who chose a server, and among how many.
#[derive(Clone, Copy, Debug)]
pub struct Scheduling {
    /// The service that matched.
    pub key: ServiceKey,
    /// Its scheduler.
    pub scheduler: Scheduler,
    /// Servers of the list.
    pub servers: u32,
    /// Those that may take a connection: weight above 0, below the threshold.
    pub usable: u32,
}

/// The next hop of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Interface it leaves by.
    pub interface: u16,
    /// The neighbour.
    pub neighbor: IpAddr,
    /// The connection remembered it.
    pub remembered: bool,
}

/// What became of a packet.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Names of the counters that moved.
    pub counters: ArrayVec<&'static str, MOST_EFFECTS>,
    /// Frames that left, the packet itself or the director's own.
    pub sent: ArrayVec<Left, MOST_EFFECTS>,
    /// It waits, or the director's answer does.
    pub waits: Option<Waiting>,
}

impl Outcome {
    /// Whether more is to come: it waits, or another worker has it.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        self.waits.is_some() || self.counters.iter().any(|counter| Handoff::NAMES.contains(counter))
    }
}

/// A frame that left.
#[derive(Clone, Copy, Debug)]
pub struct Left {
    /// Where it went.
    pub lan: Lan,
    /// To whom.
    pub mac: MacAddr,
    /// Its length.
    pub length: u32,
    /// What it says of itself.
    pub outline: Outline,
}

/// For whom something waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The neighbour's interface.
    pub interface: u16,
    /// Its address.
    pub neighbor: IpAddr,
    /// It is the director's own answer.
    pub own: bool,
}

/// What became later of a packet.
#[derive(Clone, Debug)]
pub struct Later {
    /// What it says of itself.
    pub outline: Outline,
    /// Where it was meanwhile.
    pub why: Why,
    /// How it ended.
    pub outcome: Outcome,
}

/// Why a packet did not end at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It waited so many ticks for a neighbour.
    Waited(Waiting, u32),
    /// Another worker sends by its port.
    Crossed,
}

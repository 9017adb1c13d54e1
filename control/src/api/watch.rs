//! What watches see, on the wire.

use serde::{Deserialize, Serialize};

/// A watch that has begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchInfo {
    /// Its number, for `watch-next` and `watch-stop`.
    pub watch: u64,
    /// The moment, nanoseconds since boot: what `at` of packets and frames counts from.
    pub now: u64,
    /// Packets it ends after.
    pub count: u64,
    /// Seconds it ends after.
    pub seconds: u32,
    /// Names of the interfaces.
    pub interfaces: Vec<String>,
}

/// What a watch has seen since it was asked last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchPage {
    /// Of a trace.
    pub packets: Vec<PacketInfo>,
    /// Of a capture.
    pub frames: Vec<FrameInfo>,
    /// Packets seen since the start.
    pub seen: u64,
    /// Records that found no room since the start.
    pub lost: u64,
    /// Why it is over, once it is and everything was handed out.
    pub over: Option<WatchEnd>,
}

/// Why a watch is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WatchEnd {
    /// It has seen as many packets as it was to see.
    Count,
    /// Its time has passed.
    Time,
    /// Somebody stopped it, or nobody read it.
    Stopped,
}

/// A packet and the stages it took on one worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PacketInfo {
    /// Nanoseconds since boot.
    pub at: u64,
    /// Worker.
    pub worker: u32,
    /// Interface it came by; absent where it goes on after it waited or was handed over.
    pub interface: Option<String>,
    /// What it says of itself, as received.
    pub packet: String,
    /// Bytes of the frame, where it was received.
    pub length: Option<u32>,
    /// What each stage did.
    pub stages: Vec<StageInfo>,
    /// The counter of its end; `parked` if it waits.
    pub verdict: String,
}

/// What a stage did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageInfo {
    /// Its name.
    pub stage: String,
    /// What it did and why, for people.
    pub text: String,
}

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameInfo {
    /// Nanoseconds since boot.
    pub at: u64,
    /// Worker.
    pub worker: u32,
    /// Interface.
    pub interface: String,
    /// `in` as received, `out` as sent.
    pub direction: Direction,
    /// Its length.
    pub length: u32,
    /// Its first bytes, two hexadecimal digits each.
    pub bytes: String,
}

/// Which way a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// As received.
    In,
    /// As sent.
    Out,
}

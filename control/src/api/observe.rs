//! Requests that observe for a while: what packets meet, and who answers for virtual addresses.

use serde::{Deserialize, Serialize};

/// A trace, a capture or an examination: started, read, or stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Observe {
    /// Starts to look at packets: the stages they take. Answer: [`Answer::Watching`](super::Answer::Watching).
    TraceStart {
        /// Which packets, in the words of [`crate::watch::filter`]; all if absent.
        #[serde(default)]
        filter: String,
        /// Packets after which it ends, 1 to 100,000; 10 if absent.
        #[serde(default)]
        count: Option<u64>,
        /// Seconds after which it ends, 1 to 3600; 30 if absent.
        #[serde(default)]
        seconds: Option<u32>,
    },
    /// Starts to look at packets: their bytes, as received and as sent. Answer: [`Answer::Watching`](super::Answer::Watching).
    CaptureStart {
        /// As of `trace-start`.
        #[serde(default)]
        filter: String,
        /// As of `trace-start`; 100,000 if absent.
        #[serde(default)]
        count: Option<u64>,
        /// As of `trace-start`.
        #[serde(default)]
        seconds: Option<u32>,
        /// Bytes of each frame, at most; all if absent or 0.
        #[serde(default)]
        snaplen: Option<u32>,
    },
    /// What a watch has seen since it was asked last. Answer: [`Answer::Watched`](super::Answer::Watched).
    WatchNext {
        /// Its number.
        watch: u64,
    },
    /// Ends a watch before its time.
    WatchStop {
        /// Its number.
        watch: u64,
    },
    /// Asks on every interface who else answers for virtual addresses. Answer: [`Answer::DoctorArp`](super::Answer::DoctorArp).
    DoctorArp {
        /// How this examination stands, by its number; a new one if absent and none is on.
        #[serde(default)]
        examination: Option<u64>,
    },
}

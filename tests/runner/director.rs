//! The door between the recorded scenarios and whatever plays the director: the product, or a test double.

use serde::{Deserialize, Serialize};

/// One of the director's two sides: `dc` towards the clients, `ds` towards the servers.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Leg {
    Client,
    Server,
}

/// What the runner asks of a director. Time passes in `advance` only.
pub(crate) trait Director {
    /// A frame (Ethernet header first) arrives on a leg.
    fn inject(&mut self, leg: Leg, frame: &[u8]);
    /// What was sent since the last call, in order of sending, on all legs.
    fn drain(&mut self) -> Vec<(Leg, Vec<u8>)>;
    /// Runs the tool: exit code, standard output, standard error.
    fn ipvsadm(&mut self, args: &str, stdin: Option<&str>) -> (i32, String, String);
    /// Virtual time passes; timers run.
    fn advance(&mut self, nanoseconds: u64);
    /// The bytes of `/proc/net/ip_vs_conn` (`conn`), `ip_vs` (`proc`), `ip_vs_stats` (`stats`), `ip_vs_app` (`app`).
    fn proc(&mut self, name: &str) -> Result<String, String>;
    /// Reads (`None`) or writes a setting by its full name, `net.ipv4.vs.NAME`. The error is the text of the errno.
    fn sysctl(&mut self, name: &str, value: Option<&str>) -> Result<String, String>;
    /// A shell command of a scenario; `None` if it means nothing to this director.
    fn sh(&mut self, command: &str) -> Option<(i32, String, String)>;

    /// The connection listing for the runner's own bookkeeping (what is due?); not a step of the scenario.
    fn peek_conns(&mut self) -> String {
        self.proc("conn").unwrap_or_default()
    }
}

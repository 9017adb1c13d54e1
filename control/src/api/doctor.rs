//! What an examination found.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Who else answers for virtual addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoctorReport {
    /// Its number.
    pub examination: u64,
    /// Whether all was asked and the time for answers is over.
    pub over: bool,
    /// Questions: addresses by interfaces.
    pub asked: u32,
    /// Questions that are too many for one examination.
    pub unasked: u32,
    /// Who answered.
    pub leaks: Vec<ArpLeak>,
}

/// A station that answers for a virtual address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArpLeak {
    /// Where it was heard.
    pub interface: String,
    /// The virtual address.
    pub address: IpAddr,
    /// Who it is.
    pub mac: String,
    /// The addresses by which the neighbour table knows it.
    pub servers: Vec<IpAddr>,
}

//! Runs golden cases: recorded scenarios with what a real kernel did, in virtual time, against a director.
//!
//! ```text
//! scenario -> steps (conns, flow, shell) -> build -> wire -> DIRECTOR -> wire -> decode -> observed
//! observed + recording -> compare (chance, text, paths, due) -> spoil -> verdict
//! ```

pub(crate) mod abridged;
pub(crate) mod build;
pub(crate) mod case;
pub(crate) mod chance;
pub(crate) mod checksum;
pub(crate) mod compare;
pub(crate) mod conns;
pub(crate) mod decode;
pub(crate) mod director;
pub(crate) mod due;
pub(crate) mod flow;
pub(crate) mod hex;
pub(crate) mod listing;
pub(crate) mod observed;
pub(crate) mod pairs;
pub(crate) mod paths;
pub(crate) mod python;
pub(crate) mod scenario;
pub(crate) mod shell;
pub(crate) mod spoil;
pub(crate) mod stage;
pub(crate) mod stamps;
pub(crate) mod steps;
pub(crate) mod text;
pub(crate) mod wire;
pub(crate) mod write;

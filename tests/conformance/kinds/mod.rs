//! The kinds of scenario.

pub(crate) mod clients;
pub(crate) mod commands;
pub(crate) mod packets;
pub(crate) mod persistence;
pub(crate) mod schedulers;
pub(crate) mod settings;
pub(crate) mod states;

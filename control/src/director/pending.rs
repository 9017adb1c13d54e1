//! What is on its way into the tables that are published next.

use std::collections::VecDeque;
use std::net::IpAddr;

use dataplane::clock::Nanos;
use dataplane::service::{Caller, Listener};

/// What is to be published.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Something in the tables to be published next is new.
    pub(super) unpublished: bool,
    /// Until when changes of services wait for more of them.
    pub(super) held_until: Option<Nanos>,
    /// Changes on their way from the services into the tables.
    pub(super) index: Index,
}

/// What services amount to, on its way into the tables.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) listeners: VecDeque<(Listener, bool)>,
    pub(super) paths: VecDeque<IpAddr>,
    pub(super) callers: VecDeque<(Listener, Option<Caller>)>,
}

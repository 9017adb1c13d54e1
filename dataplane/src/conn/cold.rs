//! What is asked of a connection rarely, beside its line: links of the wheel and of keys in common, and whom it depends on.

use bytemuck::Zeroable;

use super::index::NONE;

/// The cold half of a connection, half a cache line. [`NONE`] = nothing is on that side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Zeroable)]
#[repr(C, align(32))]
pub(super) struct Cold {
    /// Next in the wheel's slot, or in the list of free entries.
    pub(super) wheel_next: u32,
    /// Previous in the wheel's slot.
    pub(super) wheel_previous: u32,
    /// What stands behind it, and before it, in the chain of those with the same request key.
    pub(super) older_request: u32,
    pub(super) newer_request: u32,
    /// In the chain of its reply key: connections and signposts.
    pub(super) older_reply: u32,
    pub(super) newer_reply: u32,
    /// What controls it: a template, or a control connection of FTP ([`crate::expected`]).
    pub(super) controller: u32,
    /// Its place among what helpers keep ([`crate::conn::Helpers`]).
    pub(super) helper: u32,
}

const _: () = assert!(size_of::<Cold>() == 32);

impl Cold {
    /// In no list and no chain.
    pub(super) const NONE: Self = Self {
        wheel_next: NONE,
        wheel_previous: NONE,
        older_request: NONE,
        newer_request: NONE,
        older_reply: NONE,
        newer_reply: NONE,
        controller: NONE,
        helper: NONE,
    };
}

//! Whoever looks between the stages of a burst.

use super::desk::Desk;
use crate::packet::Burst;
use crate::parking::Parked;

/// The stages, as eyes know them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Parse,
    Lookup,
    Decide,
    Rewrite,
}

/// Whoever looks between the stages.
pub(super) trait Eyes<B> {
    /// Whether they see anything: only then do packets stop after every stage.
    const OPEN: bool = true;
    /// A stage is done with the burst.
    #[inline(always)]
    fn after(&mut self, _: Stage, _: &Burst<B>, _: &Desk<'_, B>) {}
    /// A packet that waited is about to leave.
    #[inline(always)]
    fn leaving(&mut self, _: &Parked<B>, _: &Desk<'_, B>) {}
    /// It has left.
    #[inline(always)]
    fn left(&mut self, _: &Desk<'_, B>) {}
}

/// Nobody looks.
pub(super) struct Blind;

impl<B> Eyes<B> for Blind {
    const OPEN: bool = false;
}

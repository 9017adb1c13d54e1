//! A place for a template: who has it, how much it is worth, and which handles still name it.
//!
//! A template that gives way while it controls connections leaves handles behind that name its place. A handle has the
//! generation of the place in it, so it never names a later occupant.

use super::Template;
/// The last generation of a place before one would come again.
const LAST: u16 = (1 << super::GENERATION_BITS) - 1;

/// What a template is worth where there are as many as can be. The least goes first, the oldest of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Worth {
    /// No longer found; or its client was never heard again, and has no connection.
    Nothing,
    /// Its client was never heard again, but has a connection.
    OneWay,
    /// Its client is real, and has no connection now.
    Known,
    /// Its client is real, and has connections.
    Used,
    /// It cannot give way: its place has no other generation left for who would come.
    Fixed,
}

impl Worth {
    /// How many there are.
    pub(super) const COUNT: usize = Self::Fixed as usize + 1;
    /// Those that can give way, the least first.
    pub(super) const GIVING_WAY: [Self; 4] = [Self::Nothing, Self::OneWay, Self::Known, Self::Used];
}

/// One place.
#[derive(Debug)]
pub(super) struct TemplateSlot {
    /// Who has it, or had it last.
    pub(super) template: Template,
    /// Whether it is taken.
    pub(super) live: bool,
    pub(super) generation: u16,
    /// Handles that were given out and have not come back, of all its occupants.
    named: u32,
    /// When it is looked at for its end, in ticks that do not wrap.
    pub(super) looked_at: u64,
    /// In which list it is.
    pub(super) worth: Worth,
}

impl TemplateSlot {
    /// A new place for a template that controls one connection.
    pub(super) fn new(template: Template) -> Self {
        Self { template, live: true, generation: 0, named: 1, looked_at: 0, worth: Worth::OneWay }
    }

    /// Another template takes it.
    pub(super) fn occupy(&mut self, template: Template) {
        debug_assert!(!self.live && !self.is_worn_out(), "somebody could still name it");
        self.generation = if self.named == 0 { 0 } else { self.generation + 1 };
        (self.template, self.live) = (template, true);
        self.named += 1;
    }

    /// The template is asked for once more.
    pub(super) fn join(&mut self, now: u32) {
        self.named += 1;
        let template = &mut self.template;
        (template.controls, template.last_used, template.heard_again) = (template.controls + 1, now, true);
    }

    /// A handle with a generation comes back. Returns whether it is the occupant's.
    pub(super) fn leave(&mut self, generation: u16) -> bool {
        self.named = self.named.saturating_sub(1);
        let current = self.live && self.generation == generation;
        if current {
            self.template.controls = self.template.controls.saturating_sub(1);
        }
        current
    }

    /// Whether nobody else can have it, since old handles might name him.
    pub(super) fn is_worn_out(&self) -> bool {
        self.generation == LAST && self.named > 0
    }

    /// Whether the last handle that kept it from being taken has come back.
    pub(super) fn is_rested(&self) -> bool {
        !self.live && self.generation == LAST && self.named == 0
    }

    /// What its template is worth now.
    pub(super) fn value(&self) -> Worth {
        let Template { invalid, assured, heard_again, controls, .. } = self.template;
        match (assured || heard_again, controls > 0) {
            _ if self.is_worn_out() => Worth::Fixed,
            _ if invalid => Worth::Nothing,
            (false, false) => Worth::Nothing,
            (false, true) => Worth::OneWay,
            (true, false) => Worth::Known,
            (true, true) => Worth::Used,
        }
    }
}

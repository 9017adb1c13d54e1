//! VLAN tags (IEEE 802.1Q, clause 9): four bytes between the MACs and the EtherType.
//!
//! ```text
//! MACs | 8100, priority (3 bits), drop eligible (1), VLAN (12) | EtherType | packet
//! ```

use super::{be16, ethernet, put};

/// Bytes of a tag.
pub const LEN: usize = 4;
/// What a tag begins with, in the place of an EtherType.
pub const TPID: u16 = 0x8100;
/// What the outer of two tags begins with (802.1ad).
pub const SERVICE_TPID: u16 = 0x88a8;
/// Bits of a tag that are the VLAN.
const VLAN_MASK: u16 = 0x0fff;
/// Where a tag is.
const AT: usize = ethernet::HEADER - 2;

/// What a frame's header says of VLANs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tagging {
    /// No tag.
    Untagged,
    /// One tag of this VLAN; 0 says a priority only, and the frame counts as untagged.
    Tagged(u16),
    /// More than one tag, or one that stands in front of others.
    Stacked,
}

impl Tagging {
    /// Reads the header of a frame; one that is too short is not tagged.
    #[must_use]
    pub fn of(frame: &[u8]) -> Self {
        match (be16(frame, AT), be16(frame, AT + LEN)) {
            (SERVICE_TPID, _) | (TPID, TPID | SERVICE_TPID) => Self::Stacked,
            (TPID, _) => Self::Tagged(be16(frame, AT + 2) & VLAN_MASK),
            _ => Self::Untagged,
        }
    }
}

/// Writes a tag into a frame that has room for it behind its MACs.
pub fn write(frame: &mut [u8], vlan: u16) {
    put(frame, AT, &TPID.to_be_bytes());
    put(frame, AT + 2, &vlan.to_be_bytes());
}

/// Puts a tag into an untagged frame; none for VLAN 0.
#[must_use]
pub fn tagged(mut frame: Vec<u8>, vlan: u16) -> Vec<u8> {
    if vlan != 0 && frame.len() >= AT {
        frame.splice(AT..AT, [0; LEN]);
        write(&mut frame, vlan);
    }
    frame
}

/// A network that stations reach each other in without a router: a port, or a VLAN on it. One word, since every packet
/// carries it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Lan(u32);

impl Lan {
    /// A VLAN on a port, 0 = what has no tag there.
    #[must_use]
    pub const fn new(port: u16, vlan: u16) -> Self {
        Self((vlan as u32) << 16 | port as u32)
    }

    /// What has no tag on a port.
    #[inline(always)]
    #[must_use]
    pub const fn untagged(port: u16) -> Self {
        Self(port as u32)
    }

    /// Where a frame that came or leaves by a port belongs, stacked tags to the port.
    #[must_use]
    pub fn of(port: u16, frame: &[u8]) -> Self {
        match Tagging::of(frame) {
            Tagging::Tagged(vlan) => Self::new(port, vlan),
            Tagging::Untagged | Tagging::Stacked => Self::untagged(port),
        }
    }

    /// The port.
    #[inline(always)]
    #[must_use]
    pub const fn port(self) -> u16 {
        self.0 as u16
    }

    /// The VLAN, 0 = none.
    #[inline(always)]
    #[must_use]
    pub const fn vlan(self) -> u16 {
        (self.0 >> 16) as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(behind: &[u8]) -> Vec<u8> {
        [&[2; 12], behind].concat()
    }

    #[test]
    fn tags_are_told_apart() {
        let of = |behind: &[u8]| Tagging::of(&frame(behind));
        assert_eq!(of(&[8, 0, 0x45, 0, 0, 0]), Tagging::Untagged);
        assert_eq!(of(&[0x81, 0, 0xe0, 100, 8, 0]), Tagging::Tagged(100), "priority 7");
        assert_eq!(of(&[0x81, 0, 0xff, 0xff, 8, 0]), Tagging::Tagged(4095), "reserved, and nobody's");
        assert_eq!(of(&[0x81, 0, 0x60, 0, 8, 0]), Tagging::Tagged(0));
        for inner in [[0x81, 0], [0x88, 0xa8]] {
            assert_eq!(of(&[&[0x81, 0, 0, 5][..], &inner, &[0, 6, 8, 0]].concat()), Tagging::Stacked);
        }
        assert_eq!(of(&[0x88, 0xa8, 0, 5, 8, 0]), Tagging::Stacked, "a service tag is never alone");
        assert_eq!((of(&[0x81]), of(&[])), (Tagging::Untagged, Tagging::Untagged), "cut");
    }

    #[test]
    fn a_tag_goes_behind_the_macs() {
        let put_in = tagged(frame(&[8, 6, 1]), 100);
        assert_eq!(put_in, frame(&[0x81, 0, 0, 100, 8, 6, 1]));
        assert_eq!(tagged(frame(&[8, 6]), 0), frame(&[8, 6]));
        assert_eq!(Lan::of(3, &put_in), Lan::new(3, 100));
        assert_eq!((Lan::new(3, 100).port(), Lan::new(3, 100).vlan()), (3, 100));
        assert_eq!(Lan::new(3, 0), Lan::untagged(3));
    }
}

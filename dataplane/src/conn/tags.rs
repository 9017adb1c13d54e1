//! Twelve tags, compared with another all at once: a vector instruction, of SSE2 on every x86-64; elsewhere what `wide` has
//! instead of it.

use bytemuck::{Pod, Zeroable};
use wide::{CmpEq, i8x16, i32x4};

/// Tags of a bucket.
pub(super) const SLOTS: usize = 12;

/// The tags of a bucket, and what stands behind them in the same register: the bucket that takes the overflow.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Tags {
    pub(super) tags: [u8; SLOTS],
    pub(super) overflow: u32,
}

impl Tags {
    /// Bit i is set where tag i matches, and nowhere else.
    #[inline(always)]
    pub(super) fn matches(self, tag: u8) -> u32 {
        const ALL: u32 = (1 << SLOTS) - 1;
        let wanted: i8x16 = bytemuck::cast(i32x4::splat((u32::from(tag) * 0x0101_0101).cast_signed()));
        let there: i8x16 = bytemuck::cast(self);
        there.cmp_eq(wanted).move_mask().cast_unsigned() & ALL
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one_by_one(tags: [u8; SLOTS], tag: u8) -> u32 {
        (0..SLOTS).map(|slot| u32::from(tags[slot] == tag) << slot).sum()
    }

    proptest! {
        #[test]
        fn all_at_once_is_as_one_by_one(mut tags: [u8; SLOTS], some: bool, slot in 0..SLOTS, overflow: u32, tag: u8) {
            if some {
                tags[slot] = tag;
            }
            for tag in [tag, tags[slot], 0] {
                prop_assert_eq!(Tags { tags, overflow }.matches(tag), one_by_one(tags, tag));
            }
        }

        #[test]
        fn few_values_match_often(tags in proptest::array::uniform12(0u8..3), overflow in 0u32..300, tag in 0u8..3) {
            prop_assert_eq!(Tags { tags, overflow }.matches(tag), one_by_one(tags, tag));
        }
    }
}

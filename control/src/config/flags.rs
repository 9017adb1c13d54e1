//! Scheduler flags by name, as `ipvsadm -b` has them. The bits of sh and mh have names of their own.

/// Names, their bits, and the scheduler they are for (empty: any).
const FLAGS: [(&str, u8, &str); 7] = [
    ("flag-1", 1, ""),
    ("flag-2", 2, ""),
    ("flag-3", 4, ""),
    ("sh-fallback", 1, "sh"),
    ("sh-port", 2, "sh"),
    ("mh-fallback", 1, "mh"),
    ("mh-port", 2, "mh"),
];

/// Every name.
pub(super) fn names() -> Vec<&'static str> {
    FLAGS.iter().map(|&(name, ..)| name).collect()
}

/// The bit of a name and the scheduler that it is for, if it is for one.
pub(super) fn bit(name: &str) -> Option<(u8, Option<&'static str>)> {
    let &(_, bit, scheduler) = FLAGS.iter().find(|(known, ..)| *known == name)?;
    Some((bit, Some(scheduler).filter(|scheduler| !scheduler.is_empty())))
}

/// The names of bits, the scheduler's own where it has some.
pub(super) fn of_bits(bits: u8, scheduler: &str) -> Vec<&'static str> {
    let named = |bit: u8, owner: &str| FLAGS.iter().find(|flag| flag.1 == bit && flag.2 == owner).map(|flag| flag.0);
    let set = [1, 2, 4].into_iter().filter(|bit| bits & bit != 0);
    set.filter_map(|bit| named(bit, scheduler).or_else(|| named(bit, ""))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_bits() {
        assert_eq!(bit("sh-port"), Some((2, Some("sh"))));
        assert_eq!(bit("flag-3"), Some((4, None)));
        assert_eq!(bit("sh"), None);
        assert_eq!(of_bits(3, "sh"), ["sh-fallback", "sh-port"]);
        assert_eq!(of_bits(6, "mh"), ["mh-port", "flag-3"]);
        assert_eq!(of_bits(5, "rr"), ["flag-1", "flag-3"]);
        assert!(of_bits(0, "rr").is_empty());
    }
}

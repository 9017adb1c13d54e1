//! Flags of schedulers by name. The bits of sh and mh have names of their own.

use dataplane::sched::Scheduler;

/// A flag: its name, its bit, and the scheduler that it is for; any if none.
const FLAGS: [(&str, u8, Option<Scheduler>); 7] = [
    ("flag-1", 1, None),
    ("flag-2", 2, None),
    ("flag-3", 4, None),
    ("sh-fallback", 1, Some(Scheduler::Sh)),
    ("sh-port", 2, Some(Scheduler::Sh)),
    ("mh-fallback", 1, Some(Scheduler::Mh)),
    ("mh-port", 2, Some(Scheduler::Mh)),
];

/// Every name.
pub(crate) fn names() -> Vec<&'static str> {
    FLAGS.iter().map(|&(name, ..)| name).collect()
}

/// The bit of a name and the scheduler that it is for, if it is for one.
pub(crate) fn bit(name: &str) -> Option<(u8, Option<Scheduler>)> {
    FLAGS.iter().find(|(known, ..)| *known == name).map(|&(_, bit, scheduler)| (bit, scheduler))
}

/// The names of bits, the scheduler's own where it has some.
pub(crate) fn of_bits(bits: u8, scheduler: Scheduler) -> Vec<&'static str> {
    let set = [1, 2, 4].into_iter().filter(|bit| bits & bit != 0);
    set.filter_map(|bit| named(bit, Some(scheduler)).or_else(|| named(bit, None))).collect()
}

/// The names of bits as ipvsadm lists them: a scheduler that has names of its own has no others, and bits without a name
/// are passed over.
pub(crate) fn listed(bits: u8, scheduler: Scheduler) -> Vec<&'static str> {
    let owner = Some(scheduler).filter(|&scheduler| FLAGS.iter().any(|flag| flag.2 == Some(scheduler)));
    [1, 2, 4].into_iter().filter(|bit| bits & bit != 0).filter_map(|bit| named(bit, owner)).collect()
}

/// The names of bits that are no scheduler's own.
pub(crate) fn plain(bits: u8) -> Vec<&'static str> {
    [1, 2, 4].into_iter().filter(|bit| bits & bit != 0).filter_map(|bit| named(bit, None)).collect()
}

fn named(bit: u8, owner: Option<Scheduler>) -> Option<&'static str> {
    FLAGS.iter().find(|flag| flag.1 == bit && flag.2 == owner).map(|flag| flag.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_bits() {
        assert_eq!(bit("sh-port"), Some((2, Some(Scheduler::Sh))));
        assert_eq!(bit("flag-3"), Some((4, None)));
        assert_eq!(bit("sh"), None);
        assert_eq!(of_bits(3, Scheduler::Sh), ["sh-fallback", "sh-port"]);
        assert_eq!(of_bits(6, Scheduler::Mh), ["mh-port", "flag-3"]);
        assert_eq!(of_bits(5, Scheduler::Rr), ["flag-1", "flag-3"]);
        assert!(of_bits(0, Scheduler::Rr).is_empty());
        assert_eq!(listed(6, Scheduler::Mh), ["mh-port"]);
        assert_eq!(listed(5, Scheduler::Rr), ["flag-1", "flag-3"]);
        assert_eq!(plain(6), ["flag-2", "flag-3"]);
    }
}

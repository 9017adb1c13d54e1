//! Lines of the log that others have a say in, as those about links and neighbours: so many in a while, the rest is
//! counted and told afterwards.

use dataplane::clock::Nanos;

/// Nanoseconds in which so many lines are written.
const WHILE: u64 = 10_000_000_000;
/// So many.
const MOST: u32 = 10;

/// Lines of one kind.
#[derive(Debug, Default)]
pub(super) struct Lines {
    begun: Nanos,
    written: u32,
    left_out: u32,
}

impl Lines {
    /// Whether one more may be written now.
    pub(super) fn may_write(&mut self, now: Nanos) -> bool {
        if self.is_over(now) {
            (self.begun, self.written) = (now, 0);
        }
        let may = self.written < MOST;
        match may {
            true => self.written += 1,
            false => self.left_out += 1,
        }
        may
    }

    /// How many were left out in a while that is over, once.
    pub(super) fn take_left_out(&mut self, now: Nanos) -> Option<u32> {
        let over = self.left_out > 0 && self.is_over(now);
        over.then(|| std::mem::take(&mut self.left_out))
    }

    /// How many were written, of the while that is not over.
    #[cfg(test)]
    pub(super) fn written(&self) -> u32 {
        self.written
    }

    fn is_over(&self, now: Nanos) -> bool {
        now.0 >= self.begun.0 + WHILE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_written_and_the_rest_is_counted() {
        let (mut lines, second) = (Lines::default(), 1_000_000_000);
        let at = |seconds: u64| Nanos((100 + seconds) * second);
        let written = (0..25).filter(|_| lines.may_write(at(0))).count();
        assert_eq!(written as u32, MOST);
        assert_eq!(lines.take_left_out(at(9)), None, "the while is not over");
        assert_eq!(lines.take_left_out(at(10)), Some(15));
        assert_eq!(lines.take_left_out(at(10)), None, "told once");
        assert!(lines.may_write(at(10)));
    }
}

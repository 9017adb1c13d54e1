//! Frames that lose their end in a device: told of once, with what helps. Their number is a counter like any other.

use dataplane::verdict::Drop;
use log::warn;

use super::Crew;

impl Crew {
    /// Looks whether devices have cut frames, and says so the first time.
    pub(in crate::director) fn look_at_cut_frames(&mut self) {
        if let Some(line) = self.cut_frames() {
            warn!("{line}");
        }
    }

    /// What is to be said of frames that were cut, if it has not been said.
    fn cut_frames(&mut self) -> Option<String> {
        let cut = self.dropped(Drop::CutByDevice);
        if cut == 0 || std::mem::replace(&mut self.cut_told, true) {
            return None;
        }
        Some(format!(
            "{cut} packets were dropped because their device had cut them (drop_cut_by_device): af_packet joins IPv4 \
             fragments, and what does not fit a slot loses its end; with device = \"af_packet:NAME,framesz=64512\" \
             slots take 64,432 bytes, and more memory"
        ))
    }
}

#[cfg(test)]
mod tests {
    use dataplane::clock::Nanos;
    use dataplane::verdict::{Drop, Verdict};

    use super::Crew;
    use crate::director::lab;

    #[test]
    fn cut_frames_are_told_of_once() {
        let (mut crew, ends) = Crew::new(2, vec![3, 4], lab::tables(), Nanos(0));
        assert_eq!(crew.cut_frames(), None);
        for (count, told) in [(3, true), (5, false)] {
            ends[1].1.counters.verdicts(Verdict::Drop(Drop::CutByDevice), count);
            let line = crew.cut_frames();
            assert_eq!(line.is_some_and(|line| line.starts_with("3 packets") && line.contains("framesz=64512")), told);
        }
    }
}

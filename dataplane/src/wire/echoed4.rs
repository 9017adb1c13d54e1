//! What an answer carries of the IPv4 options of the packet that it answers (RFC 1122 3.2.2.6, RFC 1812 4.3.2.6): record
//! route and timestamp, with the answering station's own entry, the source route turned round, CIPSO. After
//! `__ip_options_echo` and `ip_options_build` (`ip_options.c`).

use arrayvec::ArrayVec;

use super::be32;
use super::options4::{END, Found, Here, LENGTH, MOST, POINTER, slot_of, write_stamp};

/// Options of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Echoed {
    bytes: ArrayVec<u8, MOST>,
}

impl Echoed {
    /// The options, whole words.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What an answer to a packet carries. `header` is the packet's, filled in; `here` is the answering station. `None`
    /// where there is no answer: an entry would not fit into what is left of its option.
    #[must_use]
    pub fn of(header: &[u8], found: &Found, here: &Here<'_>) -> Option<Self> {
        let mut made = Self::default();
        let option = |at: usize| option(header, at);
        if let Some(option) = found.record_route.and_then(option) {
            record(made.copy(option), here)?;
        }
        if let Some(option) = found.timestamp.and_then(option) {
            stamp(made.copy(option), here)?;
        }
        if let Some(option) = found.source_route.and_then(option) {
            made.turn_round(option, be32(header, SOURCE));
        }
        if let Some(option) = found.cipso.and_then(option) {
            made.copy(option);
        }
        made.bytes.extend(std::iter::repeat_n(END, made.bytes.len().next_multiple_of(4) - made.bytes.len()));
        Some(made)
    }

    /// Appends an option. All of a header's together have room here.
    fn copy(&mut self, option: &[u8]) -> &mut [u8] {
        let at = self.bytes.len();
        self.bytes.extend(option.iter().copied().take(MOST - at));
        &mut self.bytes[at..]
    }

    /// Appends the stations that a source route has passed, last first, without the last of them, to which the answer is
    /// sent, and `source` behind them.
    fn turn_round(&mut self, option: &[u8], source: u32) {
        let Some(passed) = passed(option, source) else { return };
        self.copy(&[option[0], (HEAD + passed.len()) as u8, HEAD as u8 + 1]);
        passed.rchunks_exact(ADDRESS).skip(1).for_each(|station| _ = self.copy(station));
        self.copy(&source.to_be_bytes());
    }
}

/// To whom an answer to a packet is sent first, if the packet's source route says another than its source: the last station
/// that it has passed.
#[must_use]
pub fn first_hop(header: &[u8], found: &Found) -> Option<u32> {
    let passed = passed(option(header, found.source_route?)?, be32(header, SOURCE))?;
    Some(be32(passed, passed.len() - ADDRESS))
}

fn option(header: &[u8], at: usize) -> Option<&[u8]> {
    let option = header.get(at..)?;
    option.get(..usize::from(*option.get(LENGTH)?))
}

/// Where a header has its source.
const SOURCE: usize = 12;
/// Bytes before the stations of a source route.
const HEAD: usize = 3;
const ADDRESS: usize = 4;

/// The stations that a source route has passed. If the first of them is the source itself, it is left out (RFC 1812
/// 5.2.4.1); `None` where nobody is left.
fn passed(option: &[u8], source: u32) -> Option<&[u8]> {
    let pointer = usize::from(*option.get(POINTER)?).min(option.len() + 1);
    let stations = option.get(HEAD..pointer.checked_sub(1)?)?;
    // The last of them are whole, if the first is cut.
    let stations = stations.get(stations.len() % ADDRESS..)?;
    let stations = if be32(stations, 0) == source { stations.get(ADDRESS..)? } else { stations };
    (!stations.is_empty()).then_some(stations)
}

/// The station's own entry, if there is a slot: `None` if it is too short.
fn record(option: &mut [u8], here: &Here<'_>) -> Option<()> {
    let pointer = usize::from(*option.get(POINTER)?);
    if pointer <= option.len() {
        option.get_mut(pointer - 1..)?.get_mut(..ADDRESS)?.copy_from_slice(&here.route.to_be_bytes());
        option[POINTER] += ADDRESS as u8;
    }
    Some(())
}

fn stamp(option: &mut [u8], here: &Here<'_>) -> Option<()> {
    let pointer = usize::from(*option.get(POINTER)?);
    if pointer > option.len() {
        return Some(());
    }
    let (flag, size) = slot_of(option);
    let left = option.len() + 1 - pointer;
    if left < size {
        return None;
    }
    // A prespecified address that is cut is nobody's.
    if left >= slot_needed(flag) {
        write_stamp(option, pointer - 1, flag, here);
    }
    Some(())
}

const fn slot_needed(flag: u8) -> usize {
    if flag == 3 { 2 * ADDRESS } else { ADDRESS }
}

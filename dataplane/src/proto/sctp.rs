//! The SCTP state machine (`ip_vs_proto_sctp.c`): tables, not code. Rows are events, columns the state before.
//!
//! The first chunk of a packet is the event; an ABORT behind a COOKIE ECHO or COOKIE ACK counts instead.

use State::{
    Closed as CL, Cookie as CO, CookieEchoed as CE, CookieReplied as CR, CookieSent as CS, CookieWait as CW,
    Established as ES, Init as IN, Init1 as I1, None as NO, Rejected as RJ, ShutdownAckSent as SA,
    ShutdownReceived as SR, ShutdownSent as SS,
};

use super::tcp::Seen;
use crate::wire::sctp::{Chunk, chunk};
use crate::wire::tcp::{RST, SYN};

/// Number of states.
pub const STATES: usize = 14;

/// A state; the numbers are the kernel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Before the first packet.
    None,
    /// The client opened.
    Init1,
    /// It did so again.
    Init,
    /// The server answered with a cookie.
    CookieSent,
    /// The client brought it back.
    CookieReplied,
    /// Both opened.
    CookieWait,
    /// Both opened, and one was answered.
    Cookie,
    /// The server brought a cookie back.
    CookieEchoed,
    /// Both sides have agreed.
    Established,
    /// The server closes.
    ShutdownSent,
    /// The client closes.
    ShutdownReceived,
    /// The server has agreed to close.
    ShutdownAckSent,
    /// The server refused.
    Rejected,
    /// Over.
    Closed,
}

/// Seconds by state, the kernel's; those of appliances are the same.
pub const TIMEOUTS: [u32; STATES] = [2, 4, 61, 61, 61, 61, 61, 61, 900, 61, 61, 61, 4, 61];

const ALL: [State; STATES] = [NO, I1, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL];

impl State {
    /// The state of a number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        ALL.get(usize::from(number)).copied()
    }

    /// As ipvsadm lists it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            NO => "NONE",
            I1 => "INIT1",
            IN => "INIT",
            CS => "C-SENT",
            CR => "C-REPLIED",
            CW => "C-WAIT",
            CO => "COOKIE",
            CE => "C-ECHOED",
            ES => "ESTABLISHED",
            SS => "S-SENT",
            SR => "S-RECEIVED",
            SA => "S-ACK-SENT",
            RJ => "REJECTED",
            CL => "CLOSED",
        }
    }

    /// Whether a connection in this state counts as active.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(self, ES)
    }
}

/// What a packet means to the states; the numbers are rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Event {
    /// Data, and all that is not below.
    Data,
    /// INIT
    Init,
    /// INIT ACK
    InitAck,
    /// COOKIE ECHO
    CookieEcho,
    /// COOKIE ACK
    CookieAck,
    /// SHUTDOWN
    Shutdown,
    /// SHUTDOWN ACK
    ShutdownAck,
    /// SHUTDOWN COMPLETE
    ShutdownComplete,
    /// ERROR
    Error,
    /// ABORT
    Abort,
}

const EVENTS: usize = 10;
/// In place of an event: the packet has no chunk.
const NOTHING: u8 = 0x1f;

impl Event {
    const fn of(kind: u8) -> Self {
        match kind {
            chunk::INIT => Self::Init,
            chunk::INIT_ACK => Self::InitAck,
            chunk::COOKIE_ECHO => Self::CookieEcho,
            chunk::COOKIE_ACK => Self::CookieAck,
            chunk::SHUTDOWN => Self::Shutdown,
            chunk::SHUTDOWN_ACK => Self::ShutdownAck,
            chunk::SHUTDOWN_COMPLETE => Self::ShutdownComplete,
            chunk::ERROR => Self::Error,
            chunk::ABORT => Self::Abort,
            _ => Self::Data,
        }
    }
}

/// What a packet says, in a byte: the event in its upper bits; below, SYN and RST of TCP, as the first chunk alone has
/// it. SYN: it opens. RST: it is an ABORT or nothing at all, and neither starts a connection.
#[must_use]
pub fn said(packet: &[u8]) -> u8 {
    let Some(first) = Chunk::first(packet) else { return NOTHING << EVENT_SHIFT | RST };
    let bundles = matches!(first.kind, chunk::COOKIE_ECHO | chunk::COOKIE_ACK);
    let behind = if bundles { first.next() } else { None };
    let event = match behind {
        Some(Chunk { kind: chunk::ABORT, .. }) => Event::Abort,
        _ => Event::of(first.kind),
    };
    let flags = match first.kind {
        chunk::INIT => SYN,
        chunk::ABORT => RST,
        _ => 0,
    };
    (event as u8) << EVENT_SHIFT | flags
}

const EVENT_SHIFT: u8 = 3;

/// The state after a packet that said this; none for a packet without a chunk, which changes nothing.
#[must_use]
pub fn next(seen: Seen, state: u8, said: u8) -> Option<State> {
    MACHINE[seen as usize].get(usize::from(said >> EVENT_SHIFT))?.get(usize::from(state)).copied()
}

/// The state after an event.
#[must_use]
pub fn after(seen: Seen, state: u8, event: Event) -> Option<State> {
    next(seen, state, (event as u8) << EVENT_SHIFT)
}

type Table = [[State; STATES]; EVENTS];

/// By what was seen, as [`Seen`] counts.
static MACHINE: [Table; 3] = [INPUT, OUTPUT, INPUT_ONLY];

const INPUT: Table = [
    [ES, I1, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL],
    [I1, IN, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, IN, IN],
    [CW, CW, CW, CS, CR, CO, CO, CE, ES, SS, SR, SA, RJ, CL],
    [CR, IN, IN, CR, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL],
    [ES, I1, IN, CS, CR, CW, CO, ES, ES, SS, SR, SA, RJ, CL],
    [SR, I1, IN, CS, CR, CW, CO, CE, SR, SS, SR, SA, RJ, CL],
    [CL, IN, IN, CS, CR, CW, CO, CE, ES, CL, SR, CL, RJ, CL],
    [CL, CL, CL, CS, CR, CW, CO, CE, ES, SS, SR, CL, RJ, CL],
    [CL, I1, IN, CS, CR, CW, CO, CL, ES, SS, SR, SA, RJ, CL],
    [CL, CL, CL, CL, CL, RJ, CL, CL, CL, CL, CL, CL, CL, CL],
];
const OUTPUT: Table = [
    [ES, I1, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL],
    [CW, CW, CW, CW, CW, CW, CW, CW, ES, CW, CW, CW, CW, CW],
    [CS, CS, CS, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL],
    [CE, CE, CE, CE, CE, CE, CE, CE, ES, SS, SR, SA, RJ, CL],
    [ES, ES, ES, ES, ES, ES, ES, ES, ES, SS, SR, SA, RJ, CL],
    [SS, SS, SS, SS, SS, SS, SS, SS, SS, SS, SR, SA, RJ, CL],
    [SA, SA, SA, SA, SA, CW, CO, CE, ES, SA, SA, SA, RJ, CL],
    [CL, I1, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL],
    [CL, CL, CL, CL, CL, CW, CO, CE, ES, SS, SR, SA, RJ, CL],
    [CL, RJ, CL, CL, CL, CL, CL, CL, CL, CL, CL, CL, CL, CL],
];
const INPUT_ONLY: Table = [
    [ES, I1, IN, CS, CR, ES, CO, CE, ES, SS, SR, SA, RJ, CL],
    [I1, IN, IN, IN, IN, IN, CO, CE, ES, SS, SR, SA, IN, IN],
    [CE, CE, CE, CE, CE, CE, CO, CE, ES, SS, SR, SA, RJ, CL],
    [ES, ES, ES, ES, ES, ES, CO, CE, ES, SS, SR, SA, RJ, CL],
    [ES, I1, IN, ES, ES, CW, ES, ES, ES, SS, SR, SA, RJ, CL],
    [SR, I1, IN, CS, CR, CW, CO, CE, SR, SS, SR, SA, RJ, CL],
    [CL, IN, IN, CS, CR, CW, CO, CE, CL, CL, SR, CL, RJ, CL],
    [CL, CL, CL, CL, CL, CW, CO, CE, ES, SS, CL, CL, RJ, CL],
    [CL, I1, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL],
    [CL, CL, CL, CL, CL, RJ, CL, CL, CL, CL, CL, CL, CL, CL],
];

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(chunks: &[u8]) -> Vec<u8> {
        [&[0; 12], chunks].concat()
    }

    /// Names of the states that a path of events leads to.
    fn walk(path: &[(Seen, u8)]) -> Vec<&'static str> {
        let mut state = NO;
        path.iter()
            .map(|(seen, kind)| {
                state = next(*seen, state as u8, said(&packet(&[*kind, 0, 0, 4]))).expect("a state");
                state.name()
            })
            .collect()
    }

    #[test]
    fn an_association_from_open_to_close() {
        use Seen::{Input as C, InputOnly as D, Output as S};
        let path = [(C, 1), (S, 2), (C, 10), (S, 11), (C, 0), (C, 7), (S, 8), (C, 14)];
        let states =
            ["INIT1", "C-SENT", "C-REPLIED", "ESTABLISHED", "ESTABLISHED", "S-RECEIVED", "S-ACK-SENT", "CLOSED"];
        assert_eq!(walk(&path), states);
        assert_eq!(walk(&[(D, 1), (D, 10), (D, 7), (D, 14)]), ["INIT1", "ESTABLISHED", "S-RECEIVED", "CLOSED"]);
        assert_eq!(walk(&[(C, 1), (S, 6)]), ["INIT1", "REJECTED"]);
    }

    #[test]
    fn an_abort_counts_behind_a_cookie_only() {
        let event = |chunks: &[u8]| said(&packet(chunks)) >> EVENT_SHIFT;
        let abort = Event::Abort as u8;
        assert_eq!(event(&[10, 0, 0, 4, 6, 0, 0, 4]), abort);
        assert_eq!(event(&[11, 0, 0, 6, 9, 9, 0, 0, 6, 0, 0, 4]), abort, "behind the padding");
        assert_eq!(event(&[0, 0, 0, 4, 6, 0, 0, 4]), Event::Data as u8);
        for length in [0, 3, 0xff] {
            assert_eq!(event(&[10, 0, 0, length, 6, 0, 0, 4]), Event::CookieEcho as u8, "{length}");
        }
        assert_eq!(said(&packet(&[10, 0, 0, 4, 6, 0, 0, 4])) & RST, 0, "the first chunk says whether it may start");
    }

    #[test]
    fn a_packet_without_a_chunk_changes_and_starts_nothing() {
        for bytes in [&[][..], &[0; 3], &packet(&[]), &packet(&[1, 0, 0])] {
            let said = said(bytes);
            assert_eq!(said & (SYN | RST), RST);
            assert!(ALL.iter().all(|state| next(Seen::Input, *state as u8, said).is_none()));
        }
    }
}

//! The TCP state machine (`ip_vs_proto_tcp.c`): tables, not code. Rows are events, columns the state before.

use State::{
    Close as CL, CloseWait as CW, Established as ES, FinWait as FW, LastAck as LA, Listen as LI, None as NO,
    SynAck as SA, SynRecv as SR, SynSent as SS, TimeWait as TW,
};

use crate::wire::tcp::{ACK, FIN, RST, SYN};

/// Number of states.
pub const STATES: usize = 11;

/// A state; the numbers are the kernel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Before the first packet.
    None,
    /// Both sides have spoken.
    Established,
    /// The server opened.
    SynSent,
    /// The client opened.
    SynRecv,
    /// The server closes.
    FinWait,
    /// Both closed.
    TimeWait,
    /// Reset.
    Close,
    /// The client closes.
    CloseWait,
    /// Waiting for the last acknowledgement.
    LastAck,
    /// Expected (FTP data).
    Listen,
    /// Opened under `secure_tcp`.
    SynAck,
}

/// Seconds by state, the kernel's defaults.
pub const TIMEOUTS: [u32; STATES] = [2, 900, 120, 60, 120, 120, 10, 60, 30, 120, 120];
/// Seconds by state, short as appliances have them (those of DPVS).
pub const APPLIANCE_TIMEOUTS: [u32; STATES] = [2, 90, 3, 30, 7, 7, 3, 7, 7, 120, 30];

const ALL: [State; STATES] = [NO, ES, SS, SR, FW, TW, CL, CW, LA, LI, SA];

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
            ES => "ESTABLISHED",
            SS => "SYN_SENT",
            SR => "SYN_RECV",
            FW => "FIN_WAIT",
            TW => "TIME_WAIT",
            CL => "CLOSE",
            CW => "CLOSE_WAIT",
            LA => "LAST_ACK",
            LI => "LISTEN",
            SA => "SYNACK",
        }
    }

    /// Whether a connection in this state counts as active.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(self, ES | SS | SR | SA)
    }
}

/// Which packets the director sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// From the client.
    Input,
    /// From the server.
    Output,
    /// From the client, where replies never pass.
    InputOnly,
}

type Table = [[State; STATES]; 4];

/// The state machine: by what was seen, flags and state before. One load without a branch gives the next state.
#[derive(Debug)]
pub struct Machine([[[State; STATES_MASK + 1]; FLAGS_MASK + 1]; 3]);

/// The flags that count.
const FLAGS_MASK: usize = 0x1f;
/// Room for every state.
const STATES_MASK: usize = 0xf;

/// The usual one.
pub static USUAL: Machine = Machine::of(&INPUT, &OUTPUT, &INPUT_ONLY);
/// That of `secure_tcp`: a connection is active only when both sides have spoken.
pub static SECURE: Machine = Machine::of(&SECURE_INPUT, &SECURE_OUTPUT, &SECURE_INPUT_ONLY);

const INPUT: Table = [
    [SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SR],
    [CL, CW, SS, TW, TW, TW, CL, CW, LA, LI, TW],
    [ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES],
    [CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, SR],
];
const OUTPUT: Table = [
    [SS, ES, SS, SR, SS, SS, SS, SS, SS, LI, SR],
    [TW, FW, SS, TW, FW, TW, CL, TW, LA, LI, TW],
    [ES, ES, SS, ES, FW, TW, CL, CW, LA, ES, ES],
    [CL, CL, SS, CL, CL, TW, CL, CL, CL, CL, CL],
];
const INPUT_ONLY: Table = [
    [SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SR],
    [CL, FW, SS, TW, FW, TW, CL, CW, LA, LI, TW],
    [ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES],
    [CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, CL],
];

const SECURE_INPUT: Table = [
    [SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SA],
    [CL, CW, SS, TW, TW, TW, CL, CW, LA, LI, SA],
    [ES, ES, SS, SR, FW, TW, CL, CW, CL, LI, SA],
    [CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, CL],
];
const SECURE_OUTPUT: Table = [[SS, ES, SS, SA, SS, SS, SS, SS, SS, LI, SA], OUTPUT[1], OUTPUT[2], OUTPUT[3]];
const SECURE_INPUT_ONLY: Table =
    [[SA, ES, ES, SR, SA, SA, SA, SA, SA, SA, SA], INPUT_ONLY[1], INPUT_ONLY[2], INPUT_ONLY[3]];

impl Machine {
    const fn of(input: &Table, output: &Table, input_only: &Table) -> Self {
        Self([by_flags(input), by_flags(output), by_flags(input_only)])
    }

    /// The state after a segment with these flags.
    #[inline(always)]
    #[must_use]
    pub fn next(&self, seen: Seen, state: u8, flags: u8) -> State {
        self.0[seen as usize][usize::from(flags) & FLAGS_MASK][usize::from(state) & STATES_MASK]
    }
}

/// Reset counts before SYN, SYN before FIN, FIN before ACK; a segment with none of them closes.
const fn by_flags(table: &Table) -> [[State; STATES_MASK + 1]; FLAGS_MASK + 1] {
    let mut rows = [[CL; STATES_MASK + 1]; FLAGS_MASK + 1];
    let mut flags = 0;
    while flags <= FLAGS_MASK {
        let event = match flags as u8 {
            f if f & RST != 0 => Some(&table[3]),
            f if f & SYN != 0 => Some(&table[0]),
            f if f & FIN != 0 => Some(&table[1]),
            f if f & ACK != 0 => Some(&table[2]),
            _ => None,
        };
        let mut state = 0;
        while let Some(event) = event
            && state < STATES
        {
            rows[flags][state] = event[state];
            state += 1;
        }
        flags += 1;
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(path: &[(Seen, u8)]) -> Vec<&'static str> {
        let mut state = NO;
        path.iter()
            .map(|(seen, flags)| {
                state = USUAL.next(*seen, state as u8, *flags);
                state.name()
            })
            .collect()
    }

    #[test]
    fn a_connection_from_open_to_close() {
        use Seen::{Input as C, Output as S};
        let path = [(C, SYN), (S, SYN | ACK), (C, ACK), (C, FIN | ACK), (S, FIN | ACK), (C, ACK)];
        let states = ["SYN_RECV", "SYN_RECV", "ESTABLISHED", "CLOSE_WAIT", "TIME_WAIT", "TIME_WAIT"];
        assert_eq!(walk(&path), states);
        assert_eq!(walk(&[(C, SYN), (C, RST)]), ["SYN_RECV", "SYN_RECV"], "a client's reset is ignored in SYN_RECV");
        assert_eq!(walk(&[(C, SYN), (S, 0)]), ["SYN_RECV", "CLOSE"]);
    }
}

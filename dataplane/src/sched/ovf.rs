//! Weighted overflow (`ip_vs_ovf.c`): the largest weight among servers whose active connections do not exceed their
//! weight, the first of equals. Connections that are never active (UDP) overflow nothing.

use super::asked::Asked;

pub(super) fn pick(asked: &Asked<'_>) -> Option<usize> {
    let mut best: Option<(usize, u32)> = None;
    for (index, server, state) in asked.candidates() {
        let has_room = state.active() <= server.weight;
        if has_room && best.is_none_or(|(_, weight)| server.weight > weight) {
            best = Some((index, server.weight));
        }
    }
    best.map(|(index, _)| index)
}

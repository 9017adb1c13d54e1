//! Never queue (`ip_vs_nq.c`): the first idle server, whatever its weight; where none is idle, as [`super::sed`].

use super::asked::Asked;
use super::sed;

pub(super) fn pick(asked: &Asked<'_>) -> Option<usize> {
    let idle = asked.candidates().find(|(_, _, state)| state.active() == 0);
    idle.map(|(index, ..)| index).or_else(|| sed::pick(asked))
}

//! None: a service that chooses nobody (`-s none`; `ip_vs_add_service` and `ip_vs_schedule` without a scheduler). Its clients
//! find no server, but for those whose template leads to one.

use super::asked::Asked;

pub(super) const fn pick(_: &Asked<'_>) -> Option<usize> {
    None
}

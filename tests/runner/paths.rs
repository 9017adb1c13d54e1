//! The lines of `flow`: `event>fate[STATE seconds|second entry]active/inactive`, and what may differ in them.

/// One event of a path.
#[derive(Debug, PartialEq)]
struct Event<'a> {
    /// Event and fate.
    what: &'a str,
    entries: Vec<(&'a str, u64)>,
    active: usize,
    inactive: usize,
}

/// Whether two paths are the same but for a second of expiry and, after a pause, entries that are due.
pub(crate) fn same(expected: &str, got: &str) -> bool {
    match (parse(expected), parse(got)) {
        (Some(theirs), Some(ours)) if theirs.len() == ours.len() => {
            let mut paused = false;
            theirs.iter().zip(&ours).all(|(theirs, ours)| {
                paused |= theirs.what.starts_with("w:");
                same_event(theirs, ours, paused)
            })
        }
        _ => expected == got,
    }
}

fn same_event(theirs: &Event, ours: &Event, paused: bool) -> bool {
    let Some(absent) = absent(&theirs.entries, &ours.entries) else { return false };
    let apart = theirs.active.abs_diff(ours.active) + theirs.inactive.abs_diff(ours.inactive);
    theirs.what == ours.what && (absent == 0 || paused) && apart <= absent
}

/// How many entries only one side has, if they are all at 0 s and all others agree to a second.
fn absent(theirs: &[(&str, u64)], ours: &[(&str, u64)]) -> Option<usize> {
    let mut rest = ours.to_vec();
    let mut absent = 0;
    for (state, seconds) in theirs {
        match rest.iter().position(|(s, t)| s == state && t.abs_diff(*seconds) <= 1) {
            Some(i) => drop(rest.remove(i)),
            None if *seconds == 0 => absent += 1,
            None => return None,
        }
    }
    rest.iter().all(|(_, seconds)| *seconds == 0).then_some(absent + rest.len())
}

fn parse(path: &str) -> Option<Vec<Event<'_>>> {
    let mut events = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let (what, after) = rest.split_once('[')?;
        let (entries, after) = after.split_once(']')?;
        let (counts, after) = after.split_once(' ').unwrap_or((after, ""));
        let (active, inactive) = counts.split_once('/')?;
        let (active, inactive) = (active.parse().ok()?, inactive.parse().ok()?);
        events.push(Event { what, entries: parse_entries(entries)?, active, inactive });
        rest = after;
    }
    Some(events)
}

fn parse_entries(text: &str) -> Option<Vec<(&str, u64)>> {
    let entry = |entry: &'_ str| -> Option<(usize, u64)> {
        let (state, seconds) = entry.rsplit_once(' ')?;
        Some((state.len(), seconds.parse().ok()?))
    };
    match text {
        "-" => Some(Vec::new()),
        _ => text.split('|').map(|e| entry(e).map(|(length, seconds)| (&e[..length], seconds))).collect(),
    }
}

/// Places of a path that must be equal: all but the entries, and the counts too where a pause makes them doubtful.
pub(crate) fn fixed_places(path: &str) -> Vec<usize> {
    let (mut inside, mut counts) = (false, false);
    let paused = path.contains("w:");
    let fixed = |(i, c): (usize, char)| {
        match c {
            '[' => inside = true,
            ']' => (inside, counts) = (false, true),
            ' ' if !inside => counts = false,
            _ => {}
        }
        let free = inside || (counts && paused) || " ]".contains(c);
        (!free).then_some(i)
    };
    path.char_indices().filter_map(fixed).collect()
}

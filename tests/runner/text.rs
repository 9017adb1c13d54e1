//! Listings and tables, line by line, and what may differ in them: a rule is one small function.

use crate::runner::due::DueList;
use crate::runner::listing::{self, Entry};

/// What is known of a text beside its lines.
#[derive(Clone, Debug)]
pub(crate) struct Rules<'a> {
    /// Connections that may or may not be listed and counted.
    pub(crate) due: &'a DueList,
    /// A `twos` scheduler chose at random: counts of its servers are compared as their sum.
    pub(crate) twos: bool,
    /// `drop_entry` has been thinning out connections at random.
    pub(crate) thinned: bool,
    /// Services stand in the order of a hash table.
    pub(crate) any_order: bool,
}

/// Where two texts differ.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TextDifference {
    pub(crate) place: String,
    pub(crate) expected: String,
    pub(crate) got: String,
}

/// The first difference of two texts.
pub(crate) fn compare(expected: &[String], got: &[String], rules: &Rules) -> Option<TextDifference> {
    let (expected, got) = (normal(expected, rules), normal(got, rules));
    let (their_entries, their_lines) = split(&expected);
    let (our_entries, our_lines) = split(&got);
    compare_entries(&their_entries, &our_entries, rules).or_else(|| compare_lines(&their_lines, &our_lines, rules))
}

/// The text with its random orders and random counts taken out.
fn normal(lines: &[String], rules: &Rules) -> Vec<String> {
    let mut lines = lines.to_vec();
    if rules.twos && has_counts(&lines) {
        sum_twos(&mut lines);
    }
    if rules.any_order {
        lines = services_sorted(&lines);
    }
    lines
}

/// The kernel walks a hash table, and `--nosort` leaves it so: services with their servers are compared as a set.
fn services_sorted(lines: &[String]) -> Vec<String> {
    let header = lines.iter().take_while(|line| !is_service(line)).count();
    let mut services: Vec<Vec<String>> = Vec::new();
    for line in &lines[header..] {
        match services.last_mut() {
            Some(service) if line.starts_with("  ->") => service.push(line.clone()),
            _ => services.push(vec![line.clone()]),
        }
    }
    services.sort();
    [&lines[..header], &services.concat()].concat()
}

fn is_service(line: &str) -> bool {
    ["TCP ", "UDP ", "SCTP ", "FWM "].iter().any(|protocol| line.starts_with(protocol))
}

/// `twos` chooses at random: its servers' counts become stars, and their sum joins the service's line.
fn sum_twos(lines: &mut [String]) {
    let mut service = None;
    for i in 0..lines.len() {
        if is_service(&lines[i]) {
            service = lines[i].split_whitespace().any(|word| word == "twos").then_some(i);
        } else if let (Some(at), Some(row)) = (service, Row::parse(&lines[i])) {
            lines[i] = format!("{} * *", row.fixed);
            lines[at] += &"+".repeat(row.active + row.inactive);
        }
    }
}

/// Connection entries, and all other lines.
fn split(lines: &[String]) -> (Vec<Entry>, Vec<&String>) {
    let entries = lines.iter().filter_map(|line| listing::parse(line)).collect();
    (entries, lines.iter().filter(|line| listing::parse(line).is_none()).collect())
}

/// Entries are a set: the kernel lists its hash table.
fn compare_entries(expected: &[Entry], got: &[Entry], rules: &Rules) -> Option<TextDifference> {
    if rules.thinned && !expected.is_empty() {
        return compare_thinned(expected.len(), got.len());
    }
    let mut ours = got.to_vec();
    for entry in expected {
        match best(entry, &ours) {
            Some(i) => drop(ours.swap_remove(i)),
            None if may_be_absent(entry, rules) => {}
            None => return Some(missing(entry, &ours)),
        }
    }
    let extra = ours.iter().find(|entry| !may_be_absent(entry, rules))?;
    Some(difference("an entry too many", "nothing", &shown(extra)))
}

/// The entry with the same line whose time is nearest, if it is within a second.
fn best(entry: &Entry, ours: &[Entry]) -> Option<usize> {
    let apart = |i: &usize| ours[*i].seconds.abs_diff(entry.seconds);
    let alike = (0..ours.len()).filter(|i| ours[*i].rest == entry.rest && apart(i) <= 1);
    alike.min_by_key(apart)
}

/// An entry at its end may be listed for some seconds more; none is gone before its time.
fn may_be_absent(entry: &Entry, rules: &Rules) -> bool {
    entry.seconds == 0 && rules.due.holds(&entry.identity)
}

fn missing(entry: &Entry, ours: &[Entry]) -> TextDifference {
    let same = ours.iter().find(|e| e.identity == entry.identity);
    difference("an entry", &shown(entry), &same.map_or("nothing like it".into(), shown))
}

fn shown(entry: &Entry) -> String {
    format!("{} ({} s)", entry.rest, entry.seconds)
}

fn difference(place: &str, expected: &str, got: &str) -> TextDifference {
    TextDifference { place: place.into(), expected: expected.into(), got: got.into() }
}

fn compare_lines(expected: &[&String], got: &[&String], rules: &Rules) -> Option<TextDifference> {
    let counted = expected.iter().any(|line| is_count_header(line));
    let pairs = expected.iter().zip(got).enumerate();
    for (i, (theirs, ours)) in pairs {
        if theirs != ours && !(counted && counts_may_differ(theirs, ours, rules)) && !both_thinned(theirs, ours, rules)
        {
            return Some(difference(&format!("line {i}"), theirs, ours));
        }
    }
    let line = |lines: &[&String], i: usize| lines.get(i).map_or("(end of text)".into(), |line| (*line).clone());
    let common = expected.len().min(got.len());
    let end = || difference(&format!("line {common}"), &line(expected, common), &line(got, common));
    (expected.len() != got.len()).then(end)
}

/// A real server's line in a table: `  -> 10.1.0.11:80  Masq 1 20 0`.
pub(crate) struct Row {
    /// Server, method and weight.
    fixed: String,
    server: String,
    active: usize,
    inactive: usize,
}

impl Row {
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["->", server, method, weight, active, inactive] = words.as_slice() else { return None };
        let fixed = format!("-> {server} {method} {weight}");
        Some(Self { fixed, server: (*server).into(), active: active.parse().ok()?, inactive: inactive.parse().ok()? })
    }
}

fn is_count_header(line: &str) -> bool {
    line.contains("ActiveConn InActConn")
}

/// Whether a text is a table with the counts of connections.
pub(crate) fn has_counts(lines: &[String]) -> bool {
    lines.iter().any(|line| is_count_header(line))
}

/// Counts follow the entries that may be absent, and those that were dropped at random.
fn counts_may_differ(expected: &str, got: &str, rules: &Rules) -> bool {
    let (Some(theirs), Some(ours)) = (Row::parse(expected), Row::parse(got)) else { return false };
    if theirs.fixed != ours.fixed {
        return false;
    }
    let due = listing::any_endpoint(&theirs.server).map_or(0, |(address, port)| rules.due.of_server(address, port));
    let apart = theirs.active.abs_diff(ours.active) + theirs.inactive.abs_diff(ours.inactive);
    apart <= due || rules.thinned && are_close(theirs.active, ours.active) && are_close(theirs.inactive, ours.inactive)
}

/// A number alone on its line (`grep -c`) after `drop_entry`.
fn both_thinned(expected: &str, got: &str, rules: &Rules) -> bool {
    match (expected.parse(), got.parse()) {
        (Ok(theirs), Ok(ours)) if rules.thinned => are_close(theirs, ours),
        _ => false,
    }
}

fn compare_thinned(theirs: usize, ours: usize) -> Option<TextDifference> {
    let counts = || difference("number of entries", &theirs.to_string(), &ours.to_string());
    (!are_close(theirs, ours)).then(counts)
}

/// Numbers that two random thinnings may leave: the recorded ones vary by less than a third.
fn are_close(theirs: usize, ours: usize) -> bool {
    theirs.abs_diff(ours) <= theirs.max(ours) / 3 + 8 && (theirs == 0) == (ours == 0)
}

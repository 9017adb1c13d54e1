//! What an outsider can make dear: the same work in instructions, as usual and under an attack. `make bench-attack` runs
//! each case both ways and fails where the attack costs more than twice as much. One file a case, one row here.

mod answers;
mod clients;
mod endings;
mod fragments;
mod ftp_announcements;
mod full;
mod full_table;
mod maps;
mod parking;
mod persistent_servers;
mod signposts;
mod templates_full;

/// Does one case's work, under attack or as usual. Returns how many operations were measured.
type Work = fn(attacked: bool) -> u64;

/// Every case.
const CASES: [(&str, Work); 13] = [
    ("answers", answers::run),
    ("dead_neighbors", parking::dead),
    ("endings", endings::run),
    ("fragments", fragments::sources),
    ("fragments_in_order", fragments::order),
    ("ftp_announcements", ftp_announcements::run),
    ("full", full::run),
    ("full_table", full_table::run),
    ("maps", maps::run),
    ("persistent_servers", persistent_servers::run),
    ("scan", parking::scan),
    ("signposts", signposts::run),
    ("templates_full", templates_full::run),
];

/// Names of the cases, one a line.
pub(crate) fn list() {
    CASES.iter().for_each(|(name, _)| println!("{name}"));
}

/// Runs one case, for callgrind; prints the number of operations.
pub(crate) fn run(name: &str, attacked: bool) {
    let (_, work) = CASES.iter().find(|(known, _)| *known == name).expect("the name of a case");
    println!("{}", work(attacked));
}

/// What is counted; not inlined, so that instructions can be counted in it alone.
#[inline(never)]
pub(crate) fn measured(work: &mut dyn FnMut()) {
    work();
}

//! Who may use whom among the files of a folder: three floors in the pipeline, and nowhere a circle.

use std::collections::BTreeSet;

use crate::debts::DEBTS;
use crate::imports::{Edge, Tree, circles, leads};
use crate::source::functions;
use crate::tree::{files, read};

/// Floors of the pipeline, with what each may use of it beside itself.
pub(crate) const FLOORS: [(&str, &[&str]); 3] = [
    ("find/", &["scene.rs", "desk.rs"]),
    ("decide/", &["scene.rs", "desk.rs", "find/"]),
    ("leave/", &["scene.rs", "desk.rs", "find/"]),
];
const PIPELINE: &str = "pipeline/";

/// Most parameters of a function of the pipeline; `self` is one.
const PARAMETERS: usize = 5;

/// The crates whose files are looked at.
pub(crate) const CRATES: [&str; 3] = ["dataplane/src", "control/src", "src"];

/// Folders, or folders together, whose files use each other in no circle at all.
const CLEAN: [&[&str]; 6] = [
    &["dataplane/src/pipeline/"],
    &["dataplane/src/conn/"],
    &["dataplane/src/forward/"],
    &["dataplane/src/sched/", "dataplane/src/service/"],
    &["dataplane/src/wire/"],
    &["dataplane/src/proto/"],
];

/// A crate as the reader sees it.
pub(crate) fn crate_at(source: &str) -> Tree {
    let below = |file: &str| file.strip_prefix(&format!("{source}/")).expect("below its directory").to_owned();
    // A program beside a library is a crate of its own, of one file.
    let files = files(source, ".rs").into_iter().filter(|file| !file.contains("/bin/"));
    Tree::new(&files.map(|file| (below(&file), read(&file))).collect::<Vec<_>>())
}

/// Which file of the project uses which other one of its crate.
pub(crate) fn all_edges() -> BTreeSet<Edge> {
    let of = |source: &str| {
        let named = move |file: String| format!("{source}/{file}");
        crate_at(source).edges().into_iter().map(move |(from, to)| (named(from), named(to))).collect::<Vec<_>>()
    };
    CRATES.into_iter().flat_map(of).collect()
}

/// Modules of the dataplane that use each other: folders and files right below its root, by name.
pub(crate) fn module_edges() -> BTreeSet<Edge> {
    let module = |file: &str| file.split(['/', '.']).next().unwrap_or("").to_owned();
    let edges = crate_at("dataplane/src").edges();
    edges.into_iter().map(|(from, to)| (module(&from), module(&to))).filter(|(from, to)| from != to).collect()
}

/// What a floor of the pipeline uses and must not.
pub(crate) fn wrong_floors(edges: &BTreeSet<Edge>) -> Vec<Edge> {
    let wrong = |(from, to): &&Edge| {
        let (Some(from), Some(to)) = (from.strip_prefix(PIPELINE), to.strip_prefix(PIPELINE)) else { return false };
        let floor = FLOORS.iter().find(|(floor, _)| from.starts_with(floor));
        floor.is_some_and(|(floor, below)| !to.starts_with(floor) && !below.iter().any(|below| to.starts_with(below)))
    };
    edges.iter().filter(wrong).cloned().collect()
}

/// Functions that are handed too much.
pub(crate) fn too_many(code: &[String]) -> Vec<(String, usize)> {
    functions(code).into_iter().filter(|(_, count)| *count > PARAMETERS).collect()
}

#[test]
fn floors_of_the_pipeline_use_what_is_below_them() {
    let edges = crate_at("dataplane/src").edges();
    assert_eq!(wrong_floors(&edges), [], "{FLOORS:?}");
    for (floor, _) in FLOORS {
        let at = format!("{PIPELINE}{floor}");
        assert!(edges.iter().any(|(from, _)| from.starts_with(&at)), "{floor}: nothing is there");
    }
}

#[test]
fn functions_of_the_pipeline_are_handed_little() {
    let tree = crate_at("dataplane/src");
    let pipeline = tree.files().filter(|(file, _)| file.starts_with(PIPELINE));
    let found: Vec<_> =
        pipeline.map(|(file, code)| (file, too_many(code))).filter(|(_, found)| !found.is_empty()).collect();
    assert_eq!(found, [], "more than {PARAMETERS} parameters");
}

#[test]
fn files_use_each_other_in_no_circle() {
    let edges = all_edges();
    let debts: BTreeSet<Edge> = DEBTS.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
    let clean: BTreeSet<Edge> = edges.difference(&debts).cloned().collect();
    let found = circles(&clean);
    assert!(found.is_empty(), "these use each other:\n{}", lines(&found));
    let paid: Vec<Edge> =
        debts.iter().filter(|debt| !edges.contains(debt) || !leads(&clean, &debt.1, &debt.0)).cloned().collect();
    assert!(paid.is_empty(), "these close no circle any more, cross them off the list:\n{}", lines(&paid));
}

#[test]
fn debts_are_elsewhere() {
    for folders in CLEAN {
        let inside = |file: &str| folders.iter().any(|folder| file.starts_with(folder));
        let debts: Vec<_> = DEBTS.iter().filter(|(from, to)| inside(from) && inside(to)).collect();
        assert!(debts.is_empty(), "{folders:?} have no circle: {debts:?}");
    }
}

fn lines(edges: &[Edge]) -> String {
    edges.iter().map(|(from, to)| format!("(\"{from}\", \"{to}\"),\n")).collect()
}

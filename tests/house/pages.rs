//! Tables and names of the documents, against the code.

use std::collections::BTreeSet;

use dataplane::method::{ForwardMethod, Rewrite};
use dataplane::verdict::{Answer, Drop, Forward, Handoff, Punt, Sent};

use crate::LAYERS;
use crate::floors::{CRATES, crate_at};
use crate::imports::Tree;
use crate::tree::{files, read, root};

/// A table of a page: its head, and its rows of as many cells.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// The tables of a page.
pub(crate) fn tables(page: &str) -> Vec<Table> {
    let cells = |line: &str| line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    let lines: Vec<&str> = page.lines().collect();
    let is_head =
        |at: &usize| lines[*at].starts_with('|') && lines.get(at + 1).is_some_and(|rule| rule.starts_with("|-"));
    let rows =
        |at: usize| lines[at + 2..].iter().take_while(|line| line.starts_with('|')).map(|line| cells(line)).collect();
    (0..lines.len()).filter(is_head).map(|at| Table { head: cells(lines[at]), rows: rows(at) }).collect()
}

/// What stands in backticks.
pub(crate) fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The table of a page whose head begins so.
pub(crate) fn table(page: &str, first: &str) -> Table {
    let found = tables(&read(page)).into_iter().find(|table| table.head[0] == first);
    found.unwrap_or_else(|| panic!("{page} has no table that begins with {first}"))
}

/// The names in the first cells of a table, in order.
pub(crate) fn firsts(table: &Table) -> Vec<String> {
    table.rows.iter().flat_map(|row| names(&row[0])).map(str::to_owned).collect()
}

const WAY: &str = "docs/packet-way.md";

#[test]
fn verdicts_of_the_packets_way_are_those_of_the_code() {
    let groups = [
        ("forward_", Forward::NAMES),
        ("handoff_", Handoff::NAMES),
        ("punt_", Punt::NAMES),
        ("answer_", Answer::NAMES),
        ("drop_", Drop::NAMES),
        ("sent_", Sent::NAMES),
    ];
    for (prefix, counters) in groups {
        let told: Vec<String> = firsts(&table(WAY, &format!("`{prefix}`")));
        let told: Vec<String> = told.iter().map(|name| format!("{prefix}{name}")).collect();
        assert_eq!(told, counters, "{WAY}, in this order");
    }
}

#[test]
fn packets_are_dropped_where_the_packets_way_says() {
    let tree = crate_at("dataplane/src");
    for (row, drop) in table(WAY, "`drop_`").rows.iter().zip(Drop::ALL) {
        let places: Vec<&str> = names(&row[2]).collect();
        assert!(!places.is_empty(), "{}: where?", row[0]);
        for place in places {
            let mut found = tree.files().filter(|(file, _)| is_at(file, place));
            let says = found.any(|(_, code)| code.contains(&format!("{drop:?}")));
            assert!(says, "{}: {place} says nothing of {drop:?}", row[0]);
        }
    }
}

#[test]
fn layers_of_the_architecture_are_those_of_the_rule() {
    let told = table("docs/architecture.md", "modules, from the top down");
    let told: Vec<BTreeSet<&str>> = told.rows.iter().map(|row| names(&row[0]).collect()).collect();
    let rule: Vec<BTreeSet<&str>> = LAYERS.iter().rev().map(|layer| layer.iter().copied().collect()).collect();
    assert_eq!(told, rule);
}

#[test]
fn components_of_the_architecture_are_those_that_exist() {
    for source in CRATES {
        let told: BTreeSet<String> =
            firsts(&table("docs/architecture.md", &format!("`{source}/`"))).into_iter().collect();
        assert_eq!(told, components(source), "docs/architecture.md, below {source}/");
    }
    for directory in firsts(&table("docs/architecture.md", "directory")) {
        assert!(root().join(&directory).is_dir(), "docs/architecture.md: no {directory}");
    }
}

#[test]
fn methods_of_the_architecture_are_the_rows_of_the_code() {
    let rewritten = |rewrite: Rewrite| match rewrite {
        Rewrite::Nothing => "unchanged",
        Rewrite::ToServer | Rewrite::ToClient => "both ends rewritten",
        Rewrite::ErrorToServer | Rewrite::ErrorToClient => "rewritten",
        Rewrite::Wrapped => "wrapped",
    };
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    let row = |method: ForwardMethod| {
        let row = method.row();
        let error = if row.error == row.request { "as requests" } else { rewritten(row.error.rewrite) };
        vec![
            format!("`{method:?}`").to_lowercase(),
            rewritten(row.request.rewrite).to_owned(),
            row.reply.map_or("do not pass", |reply| rewritten(reply.rewrite)).to_owned(),
            error.to_owned(),
            format!("{:?}", row.request.towards).to_lowercase(),
            yes(row.has_server),
            yes(row.next_hop_is_server),
        ]
    };
    assert_eq!(table("docs/architecture.md", "method").rows, ForwardMethod::ALL.map(row));
}

/// Modules right below a source directory, files without their ending, directories with a slash; programs, and files for
/// tests only, are none.
fn components(source: &str) -> BTreeSet<String> {
    let tree = crate_at(source);
    let of = |file: &str| match file.split_once('/') {
        Some((directory, _)) => format!("{directory}/"),
        None => file.trim_end_matches(".rs").to_owned(),
    };
    let programs = root().join(source).join("bin").is_dir().then(|| "bin/".to_owned());
    let mut found: BTreeSet<String> = tree.files().map(|(file, _)| of(file)).chain(programs).collect();
    found.retain(|name| !["lib", "main"].contains(&name.as_str()));
    found
}

/// Constants whose values are no plain numbers.
const COMPUTED: [(&str, usize); 1] = [("parking::MAX_PARKED", dataplane::parking::MAX_PARKED)];

/// The value of a constant, named by its module.
fn value(trees: &[Tree], name: &str) -> Option<usize> {
    if let Some((_, value)) = COMPUTED.iter().find(|(computed, _)| *computed == name) {
        return Some(*value);
    }
    let (module, constant) = name.split_once("::")?;
    let is_named = |code: &[String]| code.windows(2).position(|two| two[0] == "const" && two[1] == constant);
    let below = |file: &str| file.trim_end_matches(".rs").split('/').any(|part| part == module);
    let mut files = trees.iter().flat_map(Tree::files).filter(|(file, _)| below(file));
    let (at, code) = files.find_map(|(_, code)| Some((is_named(code)?, code)))?;
    let equals = at + code[at..].iter().position(|token| token == "=")?;
    let end = equals + code[equals..].iter().position(|token| token == ";")?;
    match &code[equals + 1..end] {
        [number] => number.replace('_', "").parse().ok(),
        [number, a, b, shift] if a == "<" && b == "<" => {
            Some(number.parse::<usize>().ok()? << shift.parse::<u32>().ok()?)
        }
        _ => None,
    }
}

const CONCURRENCY: &str = "docs/concurrency.md";

#[test]
fn sizes_of_queues_are_those_of_the_code() {
    let trees = CRATES.map(crate_at);
    let (mut told, page) = (BTreeSet::new(), read(CONCURRENCY));
    for table in tables(&page) {
        let Some(column) = table.head.iter().position(|head| head == "constant") else { continue };
        for row in &table.rows {
            for name in names(&row[column]) {
                let number = row[column + 1].replace(',', "").parse().ok();
                assert!(number.is_some(), "{CONCURRENCY}: no number of {name}");
                assert_eq!(value(&trees, name), number, "{CONCURRENCY}: {name}");
                told.insert(name.to_owned());
            }
        }
    }
    let queues = trees.iter().flat_map(queues).collect::<BTreeSet<_>>();
    assert!(queues.len() > 5, "{queues:?}");
    let untold: Vec<_> = queues.difference(&told).collect();
    assert!(untold.is_empty(), "{CONCURRENCY} says nothing of {untold:?}");
}

/// Sizes of the queues that a crate makes, as constants named by their modules.
fn queues(tree: &Tree) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (file, code) in tree.files() {
        let module = file.trim_end_matches(".rs").trim_end_matches("/mod").rsplit('/').next().unwrap_or("");
        let call = |five: &[String]| match five.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["ArrayQueue" | "RingBuffer", "::", "new", "(", size] | [_, _, "bounded", "(", size] => {
                Some(size.to_owned())
            }
            _ => None,
        };
        let sizes = code.windows(5).filter_map(call);
        let named = sizes.filter(|size| size.starts_with(|first: char| first.is_ascii_uppercase()));
        found.extend(named.map(|size| format!("{module}::{size}")));
    }
    found
}

/// Whether a file is at a path that names its end.
fn is_at(file: &str, path: &str) -> bool {
    file == path || file.ends_with(&format!("/{path}"))
}

#[test]
fn files_and_names_in_documents_exist() {
    let all: Vec<String> = files(".", "").into_iter().map(|file| file.trim_start_matches("./").to_owned()).collect();
    let trees = CRATES.map(crate_at);
    let mut wrong = Vec::new();
    for page in files("docs", ".md") {
        for line in unfenced(&read(&page)) {
            for name in names(&line).filter(|name| !is_known(name, &all, &trees)) {
                wrong.push(format!("{page}: {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "named and not there:\n{}", wrong.join("\n"));
}

#[test]
fn every_file_of_the_pipeline_is_on_the_packets_way() {
    let lines = unfenced(&read(WAY));
    let told: BTreeSet<&str> = lines.iter().flat_map(|line| names(line)).collect();
    let tree = crate_at("dataplane/src");
    let pipeline = tree.files().map(|(file, _)| file).filter(|file| file.starts_with("pipeline/"));
    // A floor's list of its files is no stage.
    let stages = pipeline.filter(|file| *file != "pipeline/find/mod.rs");
    let untold: Vec<_> = stages.filter(|file| !told.iter().any(|name| is_at(file, name))).collect();
    assert!(untold.is_empty(), "{WAY} says nothing of {untold:?}");
}

/// The lines of a page outside samples.
fn unfenced(page: &str) -> Vec<String> {
    let mut fenced = false;
    let outside = page.lines().filter(|line| {
        fenced ^= line.starts_with("```");
        !fenced
    });
    outside.map(str::to_owned).collect()
}

/// Whether a name of a page is there, if it is one of the project's code: a file, a directory, or something of a module.
fn is_known(name: &str, all: &[String], trees: &[Tree]) -> bool {
    let of_path = |c: char| c.is_alphanumeric() || "_-./".contains(c);
    // What is built, and what is of the machine, is no part of the tree.
    if name.starts_with('/') || name.contains("/target/") || !name.chars().all(|c| of_path(c) || c == ':') {
        return true;
    }
    if name.ends_with(".rs") {
        return all.iter().any(|file| is_at(file, name));
    }
    if let Some(directory) = name.strip_suffix('/') {
        return all.iter().any(|file| format!("/{file}").contains(&format!("/{directory}/")));
    }
    let inside = ["dataplane::", "control::"].into_iter().find_map(|of| name.strip_prefix(of)).unwrap_or(name);
    let parts: Vec<String> = inside.split("::").map(str::to_owned).collect();
    let is_address = parts.iter().all(|part| part.chars().all(|c| c.is_ascii_hexdigit()));
    let is_name = |part: &String| part.starts_with(|c: char| c.is_alphabetic()) && !part.contains([':', '/', '.', '-']);
    parts.len() < 2 || is_address || !parts.iter().all(is_name) || trees.iter().any(|tree| tree.has(&parts))
}

#[test]
fn tables_are_read() {
    let page = "# A\n\n| a | b |\n|---|---|\n| `x` `y` | 1 |\n| | 2 |\ntext | no\n";
    let [table] = &tables(page)[..] else { panic!("one table") };
    assert_eq!(table.head, ["a", "b"]);
    assert_eq!(table.rows, [["`x` `y`", "1"], ["", "2"]]);
    assert_eq!(firsts(table), ["x", "y"]);
}

#[test]
fn names_that_are_not_there_are_told() {
    let text = |(file, text): (&str, &str)| (file.to_owned(), text.to_owned());
    let crate_of =
        [("lib.rs", "mod pipeline;"), ("pipeline/mod.rs", "mod track;"), ("pipeline/track.rs", "fn step() {}")];
    let trees = [Tree::new(&crate_of.map(text))];
    let all = ["dataplane/src/pipeline/track.rs".to_owned()];
    let known = |name: &str| is_known(name, &all, &trees);
    for right in
        ["track.rs", "pipeline/track.rs", "pipeline/", "track::step", "fe80::1", "ip_vs_core.c", "a b.rs", "/x/"]
    {
        assert!(known(right), "{right}");
    }
    for wrong in ["rack.rs", "find/track.rs", "way/", "track::leap", "other::step"] {
        assert!(!known(wrong), "{wrong}");
    }
}

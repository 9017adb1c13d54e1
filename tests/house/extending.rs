//! What `docs/extending.md` lists, as far as a test can know it.

use std::collections::BTreeSet;

use dataplane::counters::Counters;
use dataplane::method::ForwardMethod;
use dataplane::sched::Scheduler;
use dataplane::verdict::{Answer, Drop, Forward, Handoff, Punt, Sent};

use crate::pages::{Table, firsts, names, table, tables};
use crate::tree::{files, read, root};

const PAGE: &str = "docs/extending.md";

#[test]
fn files_to_touch_are_there() {
    let page = read(PAGE);
    let lists = tables(&page);
    assert_eq!(lists.len(), page.lines().filter(|line| line.starts_with("## ")).count(), "{PAGE}: a list each");
    for list in &lists {
        assert_eq!(list.head, ["file", "what"]);
        for file in firsts(list) {
            assert!(root().join(&file).is_file(), "{PAGE}: no {file}");
        }
    }
}

/// The row of a table whose first cell has a name.
fn row<'a>(table: &'a Table, name: &str) -> &'a [String] {
    let row = table.rows.iter().find(|row| names(&row[0]).any(|each| each == name));
    row.unwrap_or_else(|| panic!("no row of {name}"))
}

/// Words of a text: names, and what stands between signs.
fn words(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').collect()
}

#[test]
fn every_scheduler_has_its_file_its_lines_and_a_case() {
    let keys = table("docs/configuration.md", "key");
    let told = row(&keys, "scheduler").concat();
    let kept = table("docs/concurrency.md", "scheduler").rows.iter().map(|row| row[0].clone()).collect::<Vec<_>>();
    let kept = kept.join(", ");
    let cases = files("tests/golden", ".json");
    for scheduler in Scheduler::ALL {
        let name = scheduler.name();
        assert!(root().join(format!("dataplane/src/sched/{name}.rs")).is_file(), "no file of {name}");
        assert!(words(&told).contains(name), "docs/configuration.md says nothing of {name}");
        assert!(words(&kept).contains(name), "docs/concurrency.md says nothing of what {name} keeps");
        let case = |file: &&String| file.split(['/', '.', '-']).any(|part| part == name) && file.contains("sched");
        assert!(cases.iter().any(|file| case(&file)), "no golden case of {name}");
    }
}

#[test]
fn every_method_is_counted_and_told() {
    let counted = |method: ForwardMethod| {
        let row = method.row();
        [Some(row.request), row.reply].into_iter().flatten().all(|each| each.counter != Forward::Routed)
    };
    let keys = table("docs/configuration.md", "key");
    let told = row(&keys, "forward").concat();
    for method in ForwardMethod::ALL {
        assert!(counted(method), "{method:?} has a counter of its own");
        // Past the servers: nobody asks for that.
        let name = format!("{method:?}").to_lowercase();
        assert!(method == ForwardMethod::Bypass || words(&told).contains(name.as_str()), "configuration: {name}");
    }
}

#[test]
fn every_option_is_a_key_of_the_file_that_is_told() {
    use control::api::{SERVER, SERVICE};
    let page = read("docs/configuration.md");
    let keys = tables(&page).into_iter().find(|table| table.head[0] == "key").expect("a table of keys");
    let options = SERVICE.iter().map(|row| row.key).chain(SERVER.iter().map(|row| row.key));
    for key in options {
        row(&keys, key);
    }
}

#[test]
fn every_counter_has_a_meaning_and_is_moved() {
    let meanings =
        [Forward::MEANINGS, Handoff::MEANINGS, Punt::MEANINGS, Answer::MEANINGS, Drop::MEANINGS, Sent::MEANINGS];
    assert!(meanings.iter().all(|all| all.iter().all(|meaning| meaning.trim().len() > 3)), "a doc comment each");
    let story: String = files("dataplane/tests/worker", ".rs").iter().map(|file| read(file)).collect();
    let names = Counters::default().read();
    let unmoved: Vec<_> = names.iter().filter(|(name, _)| !story.contains(&format!("\"{name}\""))).collect();
    assert!(unmoved.is_empty(), "dataplane/tests/worker/counters.rs moves none of {unmoved:?}");
}

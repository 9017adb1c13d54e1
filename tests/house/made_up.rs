//! The reader of imports, tried on crates that are made up: each rule can fail.

use std::collections::BTreeSet;

use crate::floors::{FLOORS, too_many, wrong_floors};
use crate::imports::{Edge, Tree, circles};
use crate::source::{functions, tokens, without_tests};

/// Which file uses which, of files with their texts.
fn edges(files: &[(&str, &str)]) -> Vec<(String, String)> {
    let files: Vec<_> = files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect();
    Tree::new(&files).edges().into_iter().collect()
}

fn edge(from: &str, to: &str) -> Edge {
    (from.to_owned(), to.to_owned())
}

#[test]
fn uses_are_read_in_all_their_forms() {
    let lib = ("lib.rs", "pub mod a; mod b; mod c;");
    let (b, c) = (("b.rs", "pub struct B; pub fn make() {}"), ("c.rs", "pub fn c() {}"));
    for (text, expected) in [
        ("use crate::b::B;", &["b.rs"][..]),
        ("use super::b::B as Other;", &["b.rs"]),
        ("use crate::{c::c, b::{self, B}};", &["b.rs", "c.rs"]),
        ("use crate::b; fn f() { b::make() }", &["b.rs"]),
        ("use crate::b;", &[]),
        ("fn f() -> crate::b::B { super::c::c(); todo!() }", &["b.rs", "c.rs"]),
        ("use std::b::B; fn f() { other::c::c() }", &[]),
        ("// crate::b::B\n/* crate::c::c() */ const TEXT: &str = \"crate::b::B\"; const C: char = '\"';", &[]),
        ("#[cfg(test)]\nmod tests { use crate::b::B; fn f() { crate::c::c() } }", &[]),
        ("#[cfg(test)]\nuse crate::b::B;\nuse crate::c::c;", &["c.rs"]),
    ] {
        let expected: Vec<_> = expected.iter().map(|to| edge("a.rs", to)).collect();
        assert_eq!(edges(&[lib, ("a.rs", text), b, c]), expected, "{text}");
    }
}

#[test]
fn what_a_module_passes_on_is_used_of_the_file_that_defines_it() {
    let lib = ("lib.rs", "mod a; mod f;");
    let (mut f, child) = (("f/mod.rs", "mod child; pub use child::Thing;"), ("f/child.rs", "pub struct Thing;"));
    let user = ("a.rs", "use crate::f::Thing;");
    assert_eq!(edges(&[lib, f, child, user]), [edge("a.rs", "f/child.rs")]);
    // A name that the module itself says, too, is used by both.
    f.1 = "mod child; pub use child::Thing; pub struct Other(Thing);";
    assert_eq!(edges(&[lib, f, child, user]), [edge("a.rs", "f/child.rs"), edge("f/mod.rs", "f/child.rs")]);
}

#[test]
fn what_a_macro_makes_paths_of_is_used() {
    let table = |path: &str| format!("mod x; mod y; macro_rules! all {{ ($($name:ident,)*) => {{ $({path};)* }} }}");
    let found =
        |path: &str| edges(&[("lib.rs", &table(path)), ("x.rs", "pub fn run() {}"), ("y.rs", "pub fn run() {}")]);
    assert_eq!(found("$name::run()"), [edge("lib.rs", "x.rs"), edge("lib.rs", "y.rs")]);
    assert_eq!(found("$name()"), []);
}

#[test]
fn a_module_and_its_children_are_a_circle_only_if_its_own_code_uses_them() {
    let child = ("f/child.rs", "use super::Kind; pub struct Thing(Kind); pub fn run() {}");
    let circle = |module: &str| {
        let files = [("lib.rs", "mod f;"), ("f/mod.rs", module), child];
        circles(&edges(&files).into_iter().collect())
    };
    assert_eq!(circle("mod child; pub use child::Thing; pub enum Kind {}"), []);
    let both = [edge("f/child.rs", "f/mod.rs"), edge("f/mod.rs", "f/child.rs")];
    assert_eq!(circle("mod child; pub enum Kind {} fn f() { child::run() }"), both);
}

#[test]
fn circles_are_found_however_long() {
    let ring: BTreeSet<Edge> =
        [("a", "b"), ("b", "c"), ("c", "a"), ("a", "d"), ("e", "a")].map(|(a, b)| edge(a, b)).into();
    assert_eq!(circles(&ring), [edge("a", "b"), edge("b", "c"), edge("c", "a")]);
}

#[test]
fn a_floor_that_uses_the_wrong_one_is_told() {
    let top = "mod find; mod decide; mod leave; mod desk; mod scene; mod stages;";
    let pipeline = |find: &str, decide: &str, leave: &str| {
        let files = [
            ("lib.rs", "mod pipeline;"),
            ("pipeline/mod.rs", top),
            ("pipeline/desk.rs", "pub struct Desk;"),
            ("pipeline/scene.rs", "pub struct Scene;"),
            ("pipeline/stages.rs", "use super::{decide, leave}; fn run() { decide::run(); leave::run() }"),
            ("pipeline/find/mod.rs", find),
            ("pipeline/decide/mod.rs", decide),
            ("pipeline/leave/mod.rs", leave),
        ];
        wrong_floors(&edges(&files).into_iter().collect())
    };
    let (find, decide) = ("use super::scene::Scene; pub fn run() {}", "pub fn run() { super::find::run() }");
    let leave = "use super::{desk::Desk, find}; pub fn run() { find::run() }";
    assert_eq!(pipeline(find, decide, leave), []);
    let wrong = |from: &str, to: &str| [edge(&format!("pipeline/{from}"), &format!("pipeline/{to}"))];
    let said = pipeline(find, "use super::leave::run as go; pub fn run() {}", leave);
    assert_eq!(said, wrong("decide/mod.rs", "leave/mod.rs"));
    let said = pipeline(find, decide, "pub fn run() { crate::pipeline::decide::run() }");
    assert_eq!(said, wrong("leave/mod.rs", "decide/mod.rs"));
    let said = pipeline("use super::decide::run as go; pub fn run() {}", decide, leave);
    assert_eq!(said, wrong("find/mod.rs", "decide/mod.rs"));
    let said = pipeline("use super::stages::run as go; pub fn run() {}", decide, leave);
    assert_eq!(said, wrong("find/mod.rs", "stages.rs"));
    assert_eq!(FLOORS.len(), 3);
}

#[test]
fn parameters_are_counted() {
    let count = |text: &str| functions(&without_tests(&tokens(text)));
    let counted = |text: &str, wanted: usize| assert_eq!(count(text), [("f".to_owned(), wanted)], "{text}");
    counted("fn f() {}", 0);
    counted("fn f(&mut self) -> (u8, u8) {}", 1);
    counted("fn f<'a, B: Fn(u8, u8) -> u8>(self, (a, b): (u8, u8), c: &'a [u8; 3], d: Map<u8, B>,) {}", 4);
    counted("pub fn f(\n    a: u8, // one, two\n    b: impl FnOnce(u8, u8) -> Map<u8, u8>,\n) {}", 2);
    assert_eq!(count("#[cfg(test)]\nmod tests { fn g(a: u8) {} }"), []);
    let six = "fn f(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8) {} fn g(a: u8) { let h: fn(u8, u8) -> u8 = k; }";
    assert_eq!(too_many(&tokens(six)), [("f".to_owned(), 6)]);
}

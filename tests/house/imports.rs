//! Which files of a crate use which: an import reader. It sees `use` with its lists, and paths in code; what a module
//! passes on by a `use` of its own is looked for where it is defined. Tests are left out.
//!
//! ```text
//! use                counts, unless it is one that passes a name on (`pub use`) which the file's code never says
//! a path in code     counts
//! a module's name    counts for nothing by itself: what is used of the module does
//! a macro's $name::  every child of the module counts
//! a method's call    is not seen, as it names no module
//! ```

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{tokens, without_tests};

/// A path of names, such as `crate::conn::Conn`.
type Path = Vec<String>;
/// One file uses another.
pub(crate) type Edge = (String, String);

/// The modules of a crate by their paths.
pub(crate) struct Tree(BTreeMap<Path, Module>);

struct Module {
    file: String,
    uses: Vec<Use>,
    /// Everything but the `use` lines.
    code: Vec<String>,
}

/// A name that a `use` brings into a module.
#[derive(Debug, PartialEq, Eq)]
struct Use {
    name: String,
    path: Path,
    passed_on: bool,
}

/// What a path leads to.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    Module(Path),
    /// Something that is defined in this module.
    Item(Path),
}

impl Tree {
    /// Reads a crate, of which `files` are names below its source directory, with their texts. Modules that nobody declares,
    /// or only for tests, are none of it.
    pub(crate) fn new(files: &[(String, String)]) -> Self {
        let mut read = BTreeMap::new();
        for (file, text) in files {
            read.insert(module_path(file), Module::new(file, text));
        }
        let mut tree = BTreeMap::new();
        let mut open = vec![Path::new()];
        while let Some(path) = open.pop() {
            let Some(module) = read.remove(&path) else { continue };
            let declared = module.code.windows(3).filter(|three| three[0] == "mod" && three[2] == ";");
            open.extend(declared.map(|three| [&path[..], &three[1..2]].concat()));
            tree.insert(path, module);
        }
        Self(tree)
    }

    /// The files, each with its code.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.values().map(|module| (module.file.as_str(), &module.code[..]))
    }

    /// Whether names lead somewhere: a module by the end of its path, then what its file says; or something of a type.
    pub(crate) fn has(&self, names: &[String]) -> bool {
        let Some((first, rest)) = names.split_first() else { return false };
        let says = |module: &Module, names: &[String]| names.iter().all(|name| module.code.contains(name));
        if first.starts_with(char::is_uppercase) {
            return self.0.values().any(|module| says(module, names));
        }
        let mut modules = self.0.keys().filter(|path| path.last().is_some_and(|last| last == first));
        modules.any(|path| match self.follow(path, rest, 0) {
            Some(Target::Item(found)) => rest.last().is_some_and(|name| self.0[&found].code.contains(name)),
            Some(Target::Module(_)) => true,
            None => false,
        })
    }

    /// Which file uses which other one.
    pub(crate) fn edges(&self) -> BTreeSet<Edge> {
        let mut edges = BTreeSet::new();
        for (at, module) in &self.0 {
            let said = |name: &String| module.code.contains(name);
            let uses = module.uses.iter().filter(|each| !each.passed_on || said(&each.name));
            let paths = uses.map(|each| each.path.clone()).chain(paths(&module.code));
            for path in paths {
                if let Some(Target::Item(found)) = self.resolve(at, &path, 0) {
                    edges.insert((module.file.clone(), self.0[&found].file.clone()));
                }
            }
            for found in self.through_macros(at, module) {
                edges.insert((module.file.clone(), self.0[&found].file.clone()));
            }
        }
        edges.retain(|(from, to)| from != to);
        edges
    }

    /// Children that a macro of the file may name: all, for its table may stand elsewhere.
    fn through_macros(&self, at: &Path, module: &Module) -> Vec<Path> {
        let code = &module.code;
        let makes = code.windows(3).any(|three| three[0] == "$" && three[2] == "::");
        let children = self.0.keys().filter(|path| makes && path.split_last().is_some_and(|(_, above)| above == at));
        children.cloned().collect()
    }

    /// Where a path leads that is said in a module. Paths of other crates lead nowhere.
    fn resolve(&self, from: &Path, path: &[String], depth: usize) -> Option<Target> {
        // Modules may pass names on in a circle; no path goes round it.
        let (first, rest) = path.split_first().filter(|_| depth < 32)?;
        match first.as_str() {
            "crate" => self.follow(&Path::new(), rest, depth),
            "self" => self.follow(from, rest, depth),
            "super" => {
                let (_, above) = from.split_last()?;
                let above = above.to_vec();
                match rest.first() {
                    Some(next) if next == "super" => self.resolve(&above, rest, depth),
                    _ => self.follow(&above, rest, depth),
                }
            }
            name if self.child(from, name).is_some() || self.brought(from, name).is_some() => {
                self.follow(from, path, depth)
            }
            _ => None,
        }
    }

    /// Where names lead from within a module.
    fn follow(&self, module: &Path, names: &[String], depth: usize) -> Option<Target> {
        let Some((name, rest)) = names.split_first() else {
            return self.0.contains_key(module).then(|| Target::Module(module.clone()));
        };
        if let Some(child) = self.child(module, name) {
            return self.follow(&child, rest, depth);
        }
        match self.brought(module, name) {
            Some(passed) => self.resolve(module, &[passed, rest].concat(), depth + 1),
            None => Some(Target::Item(module.clone())),
        }
    }

    fn child(&self, module: &Path, name: &str) -> Option<Path> {
        let child = [&module[..], &[name.to_owned()]].concat();
        self.0.contains_key(&child).then_some(child)
    }

    /// The path of what a `use` brings into a module by this name.
    fn brought(&self, module: &Path, name: &str) -> Option<&[String]> {
        let uses = &self.0.get(module)?.uses;
        let used = uses.iter().find(|each| each.name == name)?;
        // `use self::name` and `use name as name` would lead to themselves.
        (used.path != [name]).then_some(&used.path)
    }
}

impl Module {
    fn new(file: &str, text: &str) -> Self {
        let all = without_tests(&tokens(text));
        let (mut uses, mut code, mut at) = (Vec::new(), Vec::new(), 0);
        while at < all.len() {
            // A generic's `impl Trait + use<'a>` brings nothing.
            if all[at] != "use" || all.get(at + 1).is_some_and(|next| next == "<") {
                code.push(all[at].clone());
                at += 1;
                continue;
            }
            let passed_on = code.last().is_some_and(|last| last == "pub" || last == ")");
            let end = all[at..].iter().position(|token| token == ";").map_or(all.len(), |length| at + length);
            list(&all[at + 1..end], &Path::new(), passed_on, &mut uses);
            at = end;
        }
        Self { file: file.to_owned(), uses, code }
    }
}

/// What a `use` says: paths, lists in braces, other names.
fn list(tokens: &[String], before: &Path, passed_on: bool, found: &mut Vec<Use>) {
    let mut path = before.clone();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token.as_str() {
            "::" => {}
            "{" => {
                for part in parts(&tokens[at + 1..tokens.len() - 1]) {
                    list(part, &path, passed_on, found);
                }
                return;
            }
            "as" => {
                let name = tokens.get(at + 1).cloned().unwrap_or_default();
                found.push(Use { name, path, passed_on });
                return;
            }
            "self" if !path.is_empty() => {}
            name => path.push(name.to_owned()),
        }
        at += 1;
    }
    let name = path.last().cloned().unwrap_or_default();
    found.push(Use { name, path, passed_on });
}

/// The parts of a list between commas, inner lists whole.
fn parts(tokens: &[String]) -> Vec<&[String]> {
    let (mut parts, mut begin, mut depth) = (Vec::new(), 0, 0);
    for (at, token) in tokens.iter().enumerate() {
        depth += i32::from(token == "{") - i32::from(token == "}");
        if token == "," && depth == 0 {
            parts.push(&tokens[begin..at]);
            begin = at + 1;
        }
    }
    parts.push(&tokens[begin..]);
    parts.into_iter().filter(|part| !part.is_empty()).collect()
}

/// The paths of two and more names that code says.
fn paths(code: &[String]) -> impl Iterator<Item = Path> {
    let is_name =
        |at: usize| code.get(at).is_some_and(|token| token.starts_with(|c: char| c.is_alphabetic() || c == '_'));
    let joins = |at: usize| code.get(at).is_some_and(|token| token == "::");
    let begins = move |at: &usize| is_name(*at) && joins(*at + 1) && (*at == 0 || !joins(*at - 1));
    (0..code.len()).filter(begins).map(move |begin| {
        let ends = (begin..).step_by(2).find(|at| !(joins(at + 1) && is_name(at + 2))).unwrap_or(begin);
        (begin..=ends).step_by(2).map(|at| code[at].clone()).collect()
    })
}

/// The path of the module in a file below a source directory.
fn module_path(file: &str) -> Path {
    let name = file.trim_end_matches(".rs");
    let name = name.strip_suffix("/mod").unwrap_or(name);
    match name {
        "lib" | "main" => Path::new(),
        name => name.split('/').map(str::to_owned).collect(),
    }
}

/// The edges of circles: those whose end leads back to their begin.
pub(crate) fn circles(edges: &BTreeSet<Edge>) -> Vec<Edge> {
    edges.iter().filter(|(from, to)| leads(edges, to, from)).cloned().collect()
}

/// Whether edges lead from one file to another.
pub(crate) fn leads(edges: &BTreeSet<Edge>, from: &str, to: &str) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(at) = open.pop() {
        if at == to {
            return true;
        }
        if seen.insert(at) {
            open.extend(edges.iter().filter(|(begin, _)| begin == at).map(|(_, end)| end.as_str()));
        }
    }
    false
}

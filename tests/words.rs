//! The words of what users read (pages, configuration files, log, errors, tables, help) are an LVS operator's: words that
//! would have to be explained are on a list here, with those that need no explanation.

#[path = "helpers/tree.rs"]
mod tree;

use tree::{files, read, without_tests};

/// What is not said, and what is said instead. `.` stands for a punctuation mark or the end.
const WORDS: [(&str, &str); 39] = [
    ("piece", "fragment"),
    ("pieces", "fragments"),
    ("put together", "reassembled"),
    ("become whole", "complete"),
    ("becomes whole", "complete"),
    ("whole in time", "reassembly timed out"),
    ("stand still", "stalled"),
    ("stands still", "stalled"),
    ("stood still", "stalled"),
    ("turns again", "recovered"),
    ("every worker turns", "polls"),
    ("time is over", "idle timeout, timed out"),
    ("time was over", "idle timeout, timed out"),
    ("of silence", "idle timeout"),
    ("is there twice", "is a duplicate"),
    ("is already in the table", "is a duplicate of line 20"),
    ("station", "host, unicast address"),
    ("stations", "hosts"),
    ("nobody ' s address", "not a unicast address"),
    ("that many were wanted", "count reached"),
    ("cannot be .", "is not ..., is invalid: what is wrong, and what would be right"),
    ("room", "component, directory; free place, headroom"),
    ("rooms", "components, directories"),
    ("house", "project"),
    ("stranger", "other host"),
    ("strangers", "other hosts"),
    ("will cross", "is handed to another worker"),
    ("crosses", "is handed to another worker"),
    ("crossed", "was handed to another worker"),
    ("crossing", "handed to another worker"),
    ("crossings", "what is handed to another worker"),
    ("cross to", "handed to"),
    ("at home", "on its worker"),
    ("come to pass", "be carried out"),
    ("going down", "stopping"),
    ("spoken here", "supported"),
    ("that nobody expects", "to a closed port, of no connection"),
    ("that nobody speaks", "that is not supported"),
    ("tag fits", "candidate entry found"),
];

/// Where a word of the list is right: the file, the words around it, and why.
const RIGHT: [(&str, &str, &str); 0] = [];

/// Names and numbers are a word each, and so is every other sign.
fn words(text: &str) -> Vec<(usize, String)> {
    let mut words: Vec<(usize, String)> = Vec::new();
    let (mut line, mut open) = (1, false);
    for letter in text.chars() {
        let part = letter.is_alphanumeric() || letter == '_';
        match words.last_mut() {
            Some((_, word)) if part && open => word.extend(letter.to_lowercase()),
            _ if !letter.is_whitespace() => words.push((line, letter.to_lowercase().collect())),
            _ => {}
        }
        open = part;
        line += usize::from(letter == '\n');
    }
    words
}

/// Where a phrase is said.
fn said(words: &[(usize, String)], phrase: &str) -> Vec<usize> {
    let phrase: Vec<&str> = phrase.split(' ').collect();
    let fits = |at: usize| {
        phrase.iter().enumerate().all(|(n, wanted)| match (words.get(at + n), *wanted) {
            (None, ".") => true,
            (Some((_, word)), ".") => !word.starts_with(|letter: char| letter.is_alphanumeric()),
            (word, wanted) => word.is_some_and(|(_, word)| word == wanted),
        })
    };
    (0..words.len()).filter(|at| fits(*at)).map(|at| words[at].0).collect()
}

/// A string or a comment of Rust.
#[derive(Debug, PartialEq, Eq)]
enum Text {
    Literal(String),
    Comment(String),
}

/// The strings and comments of a file of Rust, each with its line.
fn texts(source: &str) -> Vec<(usize, Text)> {
    let (mut found, mut at, mut line) = (Vec::new(), 0, 1);
    while at < source.len() {
        let rest = &source[at..];
        let (length, text) = if rest.starts_with("//") {
            let end = rest.find('\n').unwrap_or(rest.len());
            (end, Some(Text::Comment(rest[..end].to_owned())))
        } else if rest.starts_with("r\"")
            || rest.starts_with("r#") && rest.trim_start_matches(['r', '#']).starts_with('"')
        {
            raw(rest)
        } else if rest.starts_with('"') {
            literal(rest)
        } else if let Some(length) = character(rest) {
            (length, None)
        } else {
            (word(rest), None)
        };
        found.extend(text.map(|text| (line, text)));
        line += rest[..length].matches('\n').count();
        at += length;
    }
    found
}

/// A name, so that the `r` at its end begins no string, or a sign.
fn word(rest: &str) -> usize {
    let name = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    if name > 0 { name } else { rest.chars().next().map_or(0, char::len_utf8) }
}

/// The length of a string between quotation marks, and what it says. A line that ends with a backslash goes on.
fn literal(rest: &str) -> (usize, Option<Text>) {
    let (mut text, mut letters) = (String::new(), rest.char_indices().skip(1));
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (at + 1, Some(Text::Literal(text))),
            '\\' => match letters.next() {
                Some((_, 'n' | '\n')) => text.push('\n'),
                Some((_, other)) => text.push(other),
                None => {}
            },
            _ => text.push(letter),
        }
    }
    panic!("a string without an end: {}", rest.lines().next().unwrap_or(""))
}

/// A raw string, in which a backslash is a backslash: its length and text.
fn raw(rest: &str) -> (usize, Option<Text>) {
    let marks = rest[1..].find('"').expect("a raw string has a quotation mark");
    let (begin, end) = (marks + 2, format!("\"{}", "#".repeat(marks)));
    let length = rest[begin..].find(&end).expect("a raw string has an end");
    (begin + length + end.len(), Some(Text::Literal(rest[begin..begin + length].to_owned())))
}

/// The length of a character, such as '"'; a lifetime is none.
fn character(rest: &str) -> Option<usize> {
    let inside = rest.strip_prefix('\'')?;
    let length = match inside.strip_prefix('\\') {
        Some(escaped) => 2 + escaped[1..].find('\'')?,
        None => inside.chars().next()?.len_utf8(),
    };
    inside[length..].starts_with('\'').then_some(length + 2)
}

/// Files of the product whose comments are texts, too: those of the command line, and the meanings of counters.
fn comments_are_texts(source: &str) -> bool {
    source.contains("use clap::") || source.contains("macro_rules! reasons")
}

fn is_test(file: &str) -> bool {
    file.ends_with("tests.rs") || file.contains("/tests/")
}

/// What the product says: file, line, text.
fn of_the_product() -> Vec<(String, usize, String)> {
    let mut said = Vec::new();
    for file in ["src", "control/src", "dataplane/src"].iter().flat_map(|below| files(below, ".rs")) {
        let source = read(&file);
        let help = comments_are_texts(&source);
        for (line, text) in texts(without_tests(&source)) {
            match text {
                Text::Literal(text) if !is_test(&file) => said.push((file.clone(), line, text)),
                Text::Comment(text) if help && text.starts_with("///") => said.push((file.clone(), line, text)),
                _ => {}
            }
        }
    }
    said
}

/// Pages and files to copy. Names of code in pages are not words, nor is the sign of a comment that goes on.
fn of_the_pages() -> Vec<(String, usize, String)> {
    let pages = files("docs", ".md").into_iter().chain(["README.md", "CHANGELOG.md"].map(str::to_owned));
    let pages = pages.map(|page| {
        let text = without_code(&read(&page));
        (page, 1, text)
    });
    let conf = files("conf", "").into_iter().map(|file| {
        let text = read(&file);
        (file, 1, text.lines().map(|line| line.trim_start_matches("# ")).collect::<Vec<_>>().join("\n"))
    });
    pages.chain(conf).collect()
}

/// A page without the names in backticks; what stands between fences are samples of what users see.
fn without_code(page: &str) -> String {
    let mut fenced = false;
    let mut lines = Vec::new();
    for line in page.lines() {
        fenced ^= line.starts_with("```");
        let names = line.split('`').enumerate().map(|(n, part)| if n % 2 == 0 { part } else { "`" });
        lines.push(if fenced { line.to_owned() } else { names.collect() });
    }
    lines.join("\n")
}

#[test]
fn users_read_the_words_of_operators() {
    let (mut odd, mut unused) = (Vec::new(), RIGHT.to_vec());
    for (file, first, text) in of_the_product().into_iter().chain(of_the_pages()) {
        let heard = words(&text);
        for (phrase, better) in WORDS {
            for line in said(&heard, phrase) {
                let around = text.lines().nth(line - 1).unwrap_or("").trim();
                let right = |(at, words, _): &(&str, &str, &str)| file == *at && around.contains(words);
                match RIGHT.iter().find(|each| right(each)) {
                    Some(found) => unused.retain(|each| each != found),
                    None => odd.push(format!("{file}:{}: {phrase:?}, say {better:?}: {around}", first + line - 1)),
                }
            }
        }
    }
    assert!(odd.is_empty(), "words that an operator would have to look up:\n{}", odd.join("\n"));
    assert!(unused.is_empty(), "no longer needed: {unused:?}");
}

#[test]
fn texts_of_every_kind_are_read() {
    let texts: Vec<_> = of_the_product().into_iter().chain(of_the_pages()).map(|(.., text)| text).collect();
    assert!(texts.len() > 2000, "only {} texts", texts.len());
    for part in [
        "is too large; 0 to {WEIGHT_MAX}",         // an error
        "is stalled: it has not polled",           // a line of the log
        "BUSY POLLS",                              // the head of a table
        "averages of some seconds",                // help
        "FILTER is a list of conditions",          // the end of help
        "Client to server, destination rewritten", // what a counter means
        "packets taken from devices",              // a page
        "A two-armed NAT director",                // a configuration file
        "makes a Linux host a real server",        // the changelog
    ] {
        assert!(texts.iter().any(|text| text.contains(part)), "{part:?} is not read");
    }
}

#[test]
fn phrases_are_found_across_lines_and_not_within_words() {
    let found = |text: &str, phrase: &str| said(&words(text), phrase);
    assert_eq!(found("it\nstands\n  still, Pieces", "stands still"), [2]);
    assert_eq!(found("headroom, mushrooms; Room!", "room"), [1]);
    assert_eq!(found("cannot be: x", "cannot be ."), [1]);
    assert_eq!(found("a value that cannot be", "cannot be ."), [1]);
    assert_eq!(found("the file cannot be read", "cannot be ."), [0; 0]);
    assert_eq!(found("it is nobody's address", "nobody ' s address"), [1]);
}

#[test]
fn strings_and_comments_are_told_apart() {
    let source = "// no \"a\"\nlet x: &'a str = \"say \\\"b\\\" \\\n   c\"; let q = '\"'; let e = '\\'';\nfor r in \"d\" {}\n/// e\nr#\"f\"g\"#";
    let found: Vec<_> = texts(source).into_iter().collect();
    let literal = |line, text: &str| (line, Text::Literal(text.to_owned()));
    let comment = |line, text: &str| (line, Text::Comment(text.to_owned()));
    let expected = [
        comment(1, "// no \"a\""),
        literal(2, "say \"b\" \n   c"),
        literal(4, "d"),
        comment(5, "/// e"),
        literal(6, "f\"g"),
    ];
    assert_eq!(found, expected);
}

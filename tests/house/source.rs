//! A small reader of Rust: the words and signs of a file, without comments, texts and tests.

/// Words and signs of a file, one after the other; `::`, `->` and `=>` are one sign each. A string or a character is
/// `""`, a lifetime is left out.
pub(crate) fn tokens(source: &str) -> Vec<String> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(first) = source[at..].chars().next() {
        let rest = &source[at..];
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            comment(rest)
        } else if let Some(length) = string(rest) {
            found.push("\"\"".to_owned());
            length
        } else if first == '\'' {
            character(rest).inspect(|_| found.push("\"\"".to_owned())).unwrap_or_else(|| 1 + word(&rest[1..]))
        } else if is_word(first) {
            found.push(rest[..word(rest)].to_owned());
            word(rest)
        } else if let Some(sign) = ["::", "->", "=>"].into_iter().find(|sign| rest.starts_with(sign)) {
            found.push(sign.to_owned());
            sign.len()
        } else {
            found.extend((!first.is_whitespace()).then(|| first.to_string()));
            first.len_utf8()
        };
        at += length;
    }
    found
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn word(rest: &str) -> usize {
    rest.find(|c| !is_word(c)).unwrap_or(rest.len())
}

/// The length of a comment between signs, which may hold others.
fn comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let (change, length) = match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (1, 2),
            [b'*', b'/', ..] => (-1, 2),
            _ => (0, 1),
        };
        (depth, at) = (depth + change, at + length);
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a string, if one begins here: raw ones and those of bytes, too.
fn string(rest: &str) -> Option<usize> {
    let prefix = ["br", "b", "r", "cr", "c", ""].into_iter().find(|prefix| {
        let after = rest.strip_prefix(prefix);
        let raw = |after: &str| prefix.ends_with('r') && after.trim_start_matches('#').starts_with('"');
        after.is_some_and(|after| after.starts_with('"') || raw(after))
    })?;
    let inside = &rest[prefix.len()..];
    if prefix.ends_with('r') {
        let marks = inside.find('"')?;
        let end = format!("\"{}", "#".repeat(marks));
        return Some(prefix.len() + marks + 1 + inside[marks + 1..].find(&end)? + end.len());
    }
    let mut letters = inside.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some(prefix.len() + at + 1),
            '\\' => drop(letters.next()),
            _ => {}
        }
    }
    None
}

/// The length of a character such as `'"'`; a lifetime is none.
fn character(rest: &str) -> Option<usize> {
    let inside = rest.strip_prefix('\'')?;
    let length = match inside.strip_prefix('\\') {
        Some(escaped) => 2 + escaped.get(1..)?.find('\'')?,
        None => inside.chars().next()?.len_utf8(),
    };
    inside.get(length..)?.starts_with('\'').then_some(length + 2)
}

/// What is left when items for tests only are taken out.
pub(crate) fn without_tests(tokens: &[String]) -> Vec<String> {
    const TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut left, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        if tokens[at..].iter().zip(TEST).filter(|(token, wanted)| token == wanted).count() == TEST.len() {
            at = end_of_item(tokens, at + TEST.len());
        } else {
            left.push(tokens[at].clone());
            at += 1;
        }
    }
    left
}

/// Where the item that begins here ends: behind its braces, or its semicolon.
fn end_of_item(tokens: &[String], begin: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(begin) {
        match token.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        if depth == 0 && (token == ";" || token == "}") {
            return at + 1;
        }
    }
    tokens.len()
}

/// The functions of a file, with how many parameters each has; `self` is one.
pub(crate) fn functions(tokens: &[String]) -> Vec<(String, usize)> {
    let named = |at: usize| tokens.get(at + 1).filter(|name| name.starts_with(|c: char| c.is_alphabetic() || c == '_'));
    let all = (0..tokens.len()).filter(|at| tokens[*at] == "fn");
    all.filter_map(|at| Some((named(at)?.clone(), parameters(&tokens[at + 2..])))).collect()
}

/// How many parameters a function has, from behind its name on.
fn parameters(tokens: &[String]) -> usize {
    let (mut depth, mut angles, mut count, mut empty) = (0, 0, 0, true);
    let opens = tokens.iter().position(|token| {
        angles += i32::from(token == "<") - i32::from(token == ">");
        token == "(" && angles == 0
    });
    for token in tokens.iter().skip(opens.unwrap_or(tokens.len())) {
        match token.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            "<" => angles += 1,
            ">" => angles -= 1,
            _ => {}
        }
        match token.as_str() {
            ")" if depth == 0 => break,
            "," if depth == 1 && angles == 0 => (count, empty) = (count + usize::from(!empty), true),
            "(" if depth == 1 => {}
            _ => empty = false,
        }
    }
    count + usize::from(!empty)
}

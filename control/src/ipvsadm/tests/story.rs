//! Transcripts: calls of ipvsadm one after the other, with all that they print.
//!
//! `$` the arguments as one would type them, `<` a line of standard input, `=` an exit code other than 0, `|` a line
//! of standard output, `!` a line of standard error. `#` and empty lines are for people. `;` at the end of a line
//! marks where its trailing spaces end.

use super::fake::Fake;
use crate::ipvsadm::names::Names;
use crate::ipvsadm::{Outcome, run_with};

/// Names of services only.
pub(crate) fn nameless() -> Names {
    Names::from_text(include_str!("services.txt"), "")
}

/// Names of services and hosts.
pub(crate) fn named() -> Names {
    Names::from_text(include_str!("services.txt"), include_str!("hosts.txt"))
}

/// Calls ipvsadm with arguments as one would type them.
pub(crate) fn call(fake: &mut Fake, names: &Names, arguments: &str, stdin: &str) -> Outcome {
    run_with(&shell_words(arguments), &mut stdin.as_bytes(), fake, names)
}

/// Plays a transcript against a director and panics with all that differs.
pub(crate) fn play(fake: &mut Fake, names: &Names, transcript: &str) {
    let mut differences = String::new();
    for step in steps(transcript) {
        let got = call(fake, names, &step.arguments, &step.stdin);
        if got != step.wanted {
            differences += &format!("$ {}\n{}got    {got:?}\nwanted {:?}\n", step.arguments, step.stdin, step.wanted);
        }
    }
    assert!(differences.is_empty(), "\n{differences}");
}

struct Step {
    arguments: String,
    stdin: String,
    wanted: Outcome,
}

fn steps(transcript: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in transcript.lines() {
        let Some((mark, text)) = line.split_at_checked(1) else { continue };
        let text = text.strip_prefix(' ').unwrap_or(text);
        let text = text.strip_suffix(';').unwrap_or(text);
        if mark == "$" {
            let (arguments, stdin) = (text.to_owned(), String::new());
            steps.push(Step { arguments, stdin, wanted: Outcome::default() });
        }
        let Some(step) = steps.last_mut() else { continue };
        match mark {
            "<" => step.stdin += &(text.replace("\\r", "\r").replace("\\v", "\x0b") + "\n"),
            "=" => step.wanted.code = text.parse().unwrap(),
            "|" => step.wanted.out += &format!("{text}\n"),
            "!" => step.wanted.err += &format!("{text}\n"),
            _ => {}
        }
    }
    steps
}

/// Parts words at blanks outside quotes.
fn shell_words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let (mut quote, mut inside) = (None, false);
    for c in line.chars() {
        match (quote, c) {
            (Some(q), _) if q == c => quote = None,
            (None, ' ') => inside = false,
            _ => {
                if !inside {
                    words.push(String::new());
                    inside = true;
                }
                if quote.is_none() && matches!(c, '\'' | '"') {
                    quote = Some(c);
                } else {
                    words.last_mut().unwrap().push(c);
                }
            }
        }
    }
    words
}

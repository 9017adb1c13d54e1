//! What `--check` says: lines for people, or one JSON object.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use control::config::ConfigError;
use serde_json::json;

use crate::args::Args;
use crate::check::{self, Examined, Purpose};

/// Exit code of a check that found warnings only.
const WARNED: u8 = 3;

/// The whole of `--check`.
pub(crate) fn check(args: &Args) -> ExitCode {
    let examined = check::examine(&args.config, if args.host { Purpose::Host } else { Purpose::File });
    let told = if args.json { as_json(args, &examined) } else { as_lines(args, &examined) };
    // Who reads us may have seen enough, as `head` does; what was found is as it was.
    if let Err(error) = told.or_else(|error| if error.kind() == ErrorKind::BrokenPipe { Ok(()) } else { Err(error) }) {
        _ = writeln!(io::stderr(), "sluiced: cannot write: {error}");
        return ExitCode::FAILURE;
    }
    match (examined.errors.is_empty(), examined.warnings.is_empty()) {
        (false, _) => ExitCode::FAILURE,
        (true, false) => ExitCode::from(WARNED),
        (true, true) => ExitCode::SUCCESS,
    }
}

/// What was found to the standard error, a line each; the verdict and the memory to the standard output.
fn as_lines(args: &Args, examined: &Examined) -> io::Result<()> {
    let mut err = io::stderr().lock();
    let errors = examined.errors.iter().map(ToString::to_string);
    for line in errors.chain(examined.warnings.iter().map(marked)) {
        // Nobody may hear it; the verdict is another stream's.
        _ = writeln!(err, "{line}");
    }
    if !examined.errors.is_empty() {
        return Ok(());
    }
    let verdict = match examined.warnings.len() {
        0 => "good".to_owned(),
        1 => "good, with 1 warning".to_owned(),
        many => format!("good, with {many} warnings"),
    };
    // In one piece, for a reader that takes the first line only.
    let text = format!("{}: {verdict}\n{}\n", args.config.display(), examined.plan);
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// `file:line: warning: key: text`
fn marked(warning: &ConfigError) -> String {
    let ConfigError { file, line, key, text } = warning;
    let place = if *line > 0 { format!("{file}:{line}") } else { file.clone() };
    let key = if key.is_empty() { String::new() } else { format!("{key}: ") };
    format!("{place}: warning: {key}{text}")
}

fn as_json(args: &Args, examined: &Examined) -> io::Result<()> {
    let good = examined.errors.is_empty();
    let items = if good { examined.plan.items() } else { &[] };
    let memory: Vec<_> = items.iter().map(|i| json!({"name": i.name, "bytes": i.bytes, "note": i.note})).collect();
    let found = json!({
        "file": args.config.display().to_string(),
        "good": good,
        "host": args.host,
        "errors": examined.errors,
        "warnings": examined.warnings,
        "memory": memory,
        "memory_in_all": items.iter().map(|item| item.bytes).sum::<usize>(),
        "memory_while_reading": if good { examined.plan.reading() } else { 0 },
    });
    let mut out = io::stdout().lock();
    writeln!(out, "{found}")?;
    out.flush()
}

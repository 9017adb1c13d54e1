//! `ipvsadm-save` and `ipvsadm-restore`, the scripts that come with ipvsadm: the same options, texts and exit codes.

use super::errors::LATE;
use std::io::BufRead;

use super::{Outcome, run};
use crate::api::Client;

/// What `ipvsadm-save` says of itself where an option is not `-n`.
const HELP: &str = "\
ipvsadm-save: Script to save the IPVS table to stdout.
   With the -n option, prints out the table in numeric format.
";

/// `ipvsadm-save [-n]`: what `ipvsadm -S` prints. Words that are no options are not looked at, as in the script.
pub fn save(args: &[String], stdin: &mut dyn BufRead, client: &mut dyn Client) -> Outcome {
    if args.iter().any(|arg| arg.starts_with('-') && arg != "-n") {
        return Outcome { code: 1, out: String::new(), err: HELP.to_owned() };
    }
    let numeric = args.iter().any(|arg| arg == "-n");
    let words = if numeric { &["-S", "-n"][..] } else { &["-S"] };
    run(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>(), stdin, client)
}

/// `ipvsadm-restore`: reads all of its input, then clears the table and does what `ipvsadm -R` does with the lines that
/// are no comments. Where the table cannot be cleared nothing is restored; the script would go on.
pub fn restore(stdin: &mut dyn BufRead, client: &mut dyn Client) -> Outcome {
    let mut input = Vec::new();
    if let Err(error) = stdin.read_to_end(&mut input) {
        return Outcome {
            code: 1,
            out: String::new(),
            err: format!("ipvsadm-restore: cannot read the rules: {error}\n"),
        };
    }
    let cleared = run(&["-C".to_owned()], &mut std::io::empty(), client);
    // Cleared, but for a worker that is late: the rest is wanted all the more.
    if ![0, LATE].contains(&cleared.code) {
        return cleared;
    }
    let rules: Vec<&[u8]> =
        input.split_inclusive(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"#")).collect();
    let restored = run(&["-R".to_owned()], &mut rules.concat().as_slice(), client);
    let code = if restored.code == 0 { cleared.code } else { restored.code };
    Outcome { code, err: cleared.err + &restored.err, ..restored }
}

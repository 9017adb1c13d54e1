//! A call of ipvsadm: it ends with an exit code and says why, whatever the words and the standard input.
//!
//! The first line of the input holds the words; the rest is the standard input. The director is a real one, so that
//! what one line makes the next can list.

#![no_main]

use std::sync::LazyLock;

use control::ipvsadm::names::Names;
use control::ipvsadm::{Outcome, run_with};
use lab::Lab;
use libfuzzer_sys::fuzz_target;

/// Names of its own: no fuzzed word may reach this machine's resolver.
static NAMES: LazyLock<Names> = LazyLock::new(|| Names::from_text("http 80/tcp\ndomain 53/udp\n", "10.1.0.11 web1\n"));

fn call(lab: &mut Lab, words: &[&str], mut stdin: &[u8]) -> Outcome {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    run_with(&words, &mut stdin, lab, &NAMES)
}

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let (words, stdin) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let Ok(words) = std::str::from_utf8(words) else { return };
    let words: Vec<&str> = words.split(' ').filter(|word| !word.is_empty()).collect();
    let mut lab = Lab::new();
    let outcome = call(&mut lab, &words, stdin);
    assert!([0, 1, 2, 255].contains(&outcome.code), "{outcome:?}");
    assert!(outcome.code == 0 || !outcome.err.is_empty(), "{outcome:?}");
    let saved = call(&mut lab, &["-S", "-n"], b"");
    assert_eq!(saved.code, 0, "{saved:?}");
    let mut fresh = Lab::empty();
    let restored = call(&mut fresh, &["-R"], saved.out.as_bytes());
    assert_eq!((restored.code, restored.err.as_str()), (0, ""), "what was saved can be restored:\n{}", saved.out);
    assert_eq!(call(&mut fresh, &["-S", "-n"], b"").out, saved.out, "and is the same");
});

//! Whatever the words, ipvsadm ends, says why, and does not panic.

use proptest::prelude::*;

use super::fake::Fake;
use super::story::named;
use crate::ipvsadm::options::SPELLINGS;
use crate::ipvsadm::run_with;

/// A word of the vocabulary, a plausible value, or anything.
fn word() -> impl Strategy<Value = String> {
    let options = prop::sample::select(&SPELLINGS[..]);
    let values = [
        "10.0.0.1:80",
        "10.0.0.1",
        "[fd00::1]:80",
        "fd00::1",
        "[",
        "]:",
        "[]",
        ":",
        "web1:http",
        "5",
        "-1",
        "4294967295",
        "rr",
        "sh",
        "sh-port",
        "master",
        "gue",
        "6080",
        "255.255.0.0",
        "64",
        "",
        "-",
        "--",
        "=",
        "\u{e9}",
        "-\u{e9}",
    ];
    prop_oneof![
        4 => options.clone().prop_map(|s| format!("--{}", s.long)),
        4 => options.clone().prop_map(|s| format!("-{}", s.short.unwrap_or('n'))),
        1 => (options.clone(), options, prop::sample::select(values.to_vec())).prop_map(|(a, b, value)| {
            format!("-{}{}{value}", a.short.unwrap_or('n'), b.short.unwrap_or('6'))
        }),
        6 => prop::sample::select(values.to_vec()).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

proptest! {
    #[test]
    fn any_words(words in prop::collection::vec(word(), 0..10), stdin in any::<String>()) {
        let got = run_with(&words, &mut stdin.as_bytes(), &mut Fake::new(), &named());
        prop_assert!([0, 1, 2, 255].contains(&got.code));
        prop_assert!(got.code == 0 || !got.err.is_empty());
    }

    #[test]
    fn any_lines(lines in prop::collection::vec(prop::collection::vec(word(), 0..10), 0..10)) {
        let stdin = lines.iter().map(|words| words.join(" ")).collect::<Vec<_>>().join("\n");
        let got = run_with(&["-R".to_owned()], &mut stdin.as_bytes(), &mut Fake::new(), &named());
        prop_assert!([0, 1, 2, 255].contains(&got.code));
    }

    #[test]
    fn any_bytes(stdin in prop::collection::vec(any::<u8>(), 0..200)) {
        run_with(&["-R".to_owned()], &mut stdin.as_slice(), &mut Fake::new(), &named());
    }
}

//! The text of a configuration file: a configuration or reasons why not; what is accepted is rendered and accepted
//! again, as the same.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match control::config::parse(text, "fuzz.toml") {
        Err(errors) => assert!(!errors.to_string().is_empty()),
        Ok(config) => {
            let rendered = control::config::render(&config);
            let again =
                control::config::parse(&rendered, "again.toml").unwrap_or_else(|errors| panic!("{errors}\n{rendered}"));
            assert_eq!(control::config::render(&again), rendered);
        }
    }
});

//! A line of a client of the control socket: a request or a refusal, and a request that a director survives.
//!
//! The input is the line. What is understood is written and read again, and must be the same.

#![no_main]

use control::api::{Client, Request};
use control::socket::parse_line;
use lab::Lab;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    match parse_line(line) {
        Err((_, error)) => assert!(!error.text.is_empty()),
        Ok((_, request)) => {
            let text = serde_json::to_string(&request).expect("a request can be written");
            let again: Request = serde_json::from_str(&text).expect("what was written can be read");
            assert_eq!(request, again, "{text}");
            let mut lab = Lab::new();
            if let Err(error) = lab.ask(request) {
                assert!(!error.text.is_empty());
            }
            lab.check();
        }
    }
});

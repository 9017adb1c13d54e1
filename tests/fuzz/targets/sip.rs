//! A SIP message, byte by byte from outside: a Call-ID is a piece of it that has a line of its own.

#![no_main]

use dataplane::proto::sip;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(id) = sip::call_id(bytes) else { return };
    assert!(!id.is_empty() && id.len() <= sip::LONGEST);
    let ends_line = |at: usize| matches!(bytes.get(at + id.len()), Some(b'\r' | b'\n'));
    assert!(bytes.windows(id.len()).enumerate().any(|(at, piece)| piece == id && ends_line(at)));
});

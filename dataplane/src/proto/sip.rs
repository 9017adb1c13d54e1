//! SIP (RFC 3261): the Call-ID of a message, by which the persistence engine `sip` keeps calls together. After `get_callid`
//! (`net/netfilter/ipvs/ip_vs_pe_sip.c`), `ct_sip_get_header` and `callid_len` (`nf_conntrack_sip.c`).
//!
//! ```text
//! Call-ID = ( "Call-ID" | "i" ) ":" word [ "@" word ], at the beginning of a line but the first, followed by an end of line
//! ```

/// Longest that counts (`IP_VS_PEDATA_MAXLEN`).
pub const LONGEST: usize = 255;

/// The Call-ID of a message, `None` where it has none that counts.
#[must_use]
pub fn call_id(message: &[u8]) -> Option<&[u8]> {
    let mut from = 0;
    loop {
        let (at, len) = header(message, from)?;
        if len > 0 {
            let ends_line = matches!(message.get(at + len), Some(b'\r' | b'\n'));
            return message.get(at..at + len).filter(|_| ends_line && len <= LONGEST);
        }
        // One that is none: the kernel goes on, and adds its place to where the search began.
        from += at;
    }
}

/// The first Call-ID from a place on: where its value begins, and its length, 0 where it is no value.
fn header(message: &[u8], from: usize) -> Option<(usize, usize)> {
    let mut at = from;
    loop {
        // A line begins after CR, LF or both.
        at += message.get(at..)?.iter().position(|byte| matches!(byte, b'\r' | b'\n'))?;
        let ends = at;
        at += 1;
        if message[ends] == b'\r' && message.get(at) == Some(&b'\n') {
            at += 1;
        }
        let Some(name) = name(message.get(at..).filter(|line| !line.is_empty())?) else {
            // What stands first in the line may not end it, but the kernel does not look.
            at += 1;
            continue;
        };
        let colon = skip_whitespace(message, at + name)?;
        if message.get(colon) != Some(&b':') || colon + 1 >= message.len() {
            return None;
        }
        let value = skip_whitespace(message, colon + 1)?;
        return Some((value, value_len(&message[value..])));
    }
}

/// Bytes of the header's name at the beginning of a line. The short one must not be the beginning of another word.
fn name(line: &[u8]) -> Option<usize> {
    const LONG: &[u8] = b"Call-ID";
    if line.get(..LONG.len()).is_some_and(|word| word.eq_ignore_ascii_case(LONG)) {
        return Some(LONG.len());
    }
    matches!(line, [b'i' | b'I', next, ..] if !next.is_ascii_alphabetic()).then_some(1)
}

/// Where the next word begins, on this line or on one that continues it. `None` where the line ends without.
fn skip_whitespace(message: &[u8], from: usize) -> Option<usize> {
    let blanks = |from: usize| message[from..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let at = from + blanks(from);
    let next = match message.get(at..) {
        Some([b'\r', b'\n', ..]) => at + 2,
        Some([b'\r' | b'\n', ..]) => at + 1,
        _ => return Some(at),
    };
    let continues = matches!(message.get(next), Some(b' ' | b'\t'));
    continues.then(|| next + blanks(next))
}

/// `word [ "@" word ]`, 0 where it is not that.
fn value_len(value: &[u8]) -> usize {
    let word = |text: &[u8]| text.iter().take_while(|byte| is_word(**byte)).count();
    let first = word(value);
    if first == 0 || value.get(first) != Some(&b'@') {
        return first;
    }
    match word(&value[first + 1..]) {
        0 => 0,
        domain => first + 1 + domain,
    }
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'"' | b'%' | b'('..=b'+' | b':' | b'<' | b'>' | b'?' | b'['..=b']' | b'_' | b'`')
        || matches!(byte, b'{' | b'}' | b'~' | b'-'..=b'/' | b'\'')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(header: &str) -> String {
        format!("INVITE sip:x@y SIP/2.0\r\nVia: SIP/2.0/UDP a\r\n{header}\r\nCSeq: 1 INVITE\r\n\r\n")
    }

    fn said(header: &str) -> Option<String> {
        call_id(message(header).as_bytes()).map(|id| String::from_utf8_lossy(id).into_owned())
    }

    /// The kernel was asked about each of these.
    #[test]
    fn call_ids_count_as_the_kernel_counts_them() {
        let some = |id: &str| Some(id.to_owned());
        assert_eq!(said("Call-ID: aaa@1"), some("aaa@1"));
        assert_eq!(said("i: comp@1"), some("comp@1"));
        assert_eq!(said("I :\r\n  comp@1"), some("comp@1"));
        assert_eq!(said("call-id:word"), some("word"));
        assert_eq!(said(&format!("Call-ID: {}", "z".repeat(255))), Some("z".repeat(255)));
        assert_eq!(call_id(b"A\r\nCall-ID: early@1\r\n"), Some(&b"early@1"[..]));
        for none in ["Call-ID: a@", "Call-ID: a b", "Call-ID:", "Other: x", "Subject\r\n Call-ID: a@1"] {
            assert_eq!(said(none), None, "{none}");
        }
        assert_eq!(said(&format!("Call-ID: {}", "z".repeat(256))), None);
        assert_eq!(call_id(b"INVITE\r\nCall-ID: cut@1"), None);
        assert_eq!(call_id(b"Call-ID: first@1\r\n"), None, "the first line is not a header");
    }

    proptest! {
        #[test]
        fn noise_gives_a_piece_of_it(said in "(\r\n|\n|\r|Call-ID|i|:| |@|a|b){0,40}") {
            if let Some(id) = call_id(said.as_bytes()) {
                prop_assert!(!id.is_empty() && id.len() <= LONGEST);
            }
        }

        #[test]
        fn a_call_id_is_found_wherever_it_stands(before in "([A-HJ-Z]: [ -~]{0,30}\r\n){0,5}", id in "[a-z0-9.-]{1,30}@[a-z0-9]{1,20}") {
            let text = format!("INVITE x\r\n{before}Call-ID: {id}\r\n\r\n");
            prop_assert_eq!(call_id(text.as_bytes()), Some(id.as_bytes()));
        }
    }
}

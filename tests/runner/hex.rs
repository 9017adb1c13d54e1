//! Bytes as hexadecimal text, and back.

/// Two digits a byte.
pub(crate) fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of a text of digits; spaces are allowed between bytes.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).ok().filter(|p| p.len() == 2);
        pair.and_then(|p| u8::from_str_radix(p, 16).ok()).ok_or(format!("not hexadecimal: {text}"))
    };
    digits.chunks(2).map(byte).collect()
}

/// A MAC address as text.
pub(crate) fn mac(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// A MAC address from text.
pub(crate) fn parse_mac(text: &str) -> Result<[u8; 6], String> {
    let bytes = decode(&text.replace(':', ""))?;
    bytes.try_into().map_err(|_| format!("not a MAC address: {text}"))
}

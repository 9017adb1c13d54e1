//! The Internet checksum (RFC 1071), its incremental form (RFC 1624), and SCTP's CRC32c (RFC 9260, appendix A).

use std::net::IpAddr;

/// The one's complement sum of 16-bit words, folded, not inverted.
fn sum(bytes: &[u8]) -> u32 {
    let words = bytes.chunks(2).map(|w| u32::from(w[0]) << 8 | w.get(1).map_or(0, |b| u32::from(*b)));
    fold(words.fold(0u64, |total, word| total + u64::from(word)))
}

fn fold(mut total: u64) -> u32 {
    while total >> 16 != 0 {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u32
}

/// The checksum of a whole buffer; 0 means that a checksum inside it is right.
pub(crate) fn internet(bytes: &[u8]) -> u16 {
    !(sum(bytes) as u16)
}

/// The bytes that precede a transport segment when its checksum is computed.
pub(crate) fn pseudo_header(src: IpAddr, dst: IpAddr, protocol: u8, length: usize) -> Vec<u8> {
    let mut header = [octets(src), octets(dst)].concat();
    match src {
        IpAddr::V4(_) => {
            header.extend([0, protocol]);
            header.extend((length as u16).to_be_bytes());
        }
        IpAddr::V6(_) => {
            header.extend((length as u32).to_be_bytes());
            header.extend(u32::from(protocol).to_be_bytes());
        }
    }
    header
}

/// An address as it stands in a header.
pub(crate) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    }
}

/// The checksum after one word under it changed: `HC' = ~(~HC + ~m + m')`.
pub(crate) fn adjusted(checksum: u16, old: u16, new: u16) -> u16 {
    !(fold(u64::from(!checksum) + u64::from(!old) + u64::from(new)) as u16)
}

/// CRC32c, bit by bit.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    let step = |c: u32, _| (c >> 1) ^ if c & 1 != 0 { 0x82f6_3b78 } else { 0 };
    !bytes.iter().fold(!0u32, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

/// The CRC32c of an SCTP packet, taken with its own field as zero.
pub(crate) fn sctp(packet: &[u8]) -> u32 {
    crc32c(&[&packet[..8], &[0; 4], &packet[12..]].concat())
}

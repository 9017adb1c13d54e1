//! Every encapsulation of either family in either family, read by a decoder that is not ours: scapy (`decode.py`).

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use dataplane::flow::Encapsulation;
use dataplane::forward::tun::{self, Outer};
use dataplane::packet::{Kind, Meta};
use dataplane::port::PacketBuf;
use dataplane::port::mem::MemBuf;
use dataplane::wire::{ipv4, ipv6};

use crate::ready;

const KINDS: [(&str, Encapsulation); 5] = [
    ("ipip", Encapsulation::Ipip),
    ("gue", Encapsulation::Gue { port: 6080, checksum: false }),
    ("gue-sum", Encapsulation::Gue { port: 6080, checksum: true }),
    ("gre", Encapsulation::Gre { checksum: false }),
    ("gre-sum", Encapsulation::Gre { checksum: true }),
];

/// A packet with so many bytes of an unknown protocol, so that its decoder looks no further.
fn inner(six: bool, length: usize) -> Vec<u8> {
    let payload: Vec<u8> = (0..length).map(|n| n as u8).collect();
    if six {
        let header = ipv6::build(length, 253, 63, &[0xfd; 16], &[0xfc; 16]);
        return [&header[..], &payload].concat();
    }
    let (src, dst) = (0xac10_0001, 0x0a00_0064);
    let build = ipv4::Build { tos: 0x10, payload: length, id: 9, df: true, ttl: 63, protocol: 253, src, dst };
    [&build.bytes()[..], &payload].concat()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        _ = write!(text, "{byte:02x}");
        text
    })
}

#[test]
fn scapy_reads_every_encapsulation() {
    if !ready::scapy() {
        return;
    }
    let outers = [
        Outer::V4 { source: 0x0a01_0001, server: 0x0a01_000b, df: true, id: 0 },
        Outer::V6 { source: [0xfe; 16], server: [0xfb; 16] },
    ];
    let mut lines = String::new();
    for (name, encapsulation) in KINDS {
        for (six, length, outer) in [false, true]
            .into_iter()
            .flat_map(|six| [0, 1, 77, 1000].map(|length| (six, length)))
            .flat_map(|(six, length)| outers.map(|outer| (six, length, outer)))
        {
            let packet = inner(six, length);
            let mut buffer = MemBuf::from_frame(&[vec![0; 14], packet.clone()].concat());
            let kind = if six { Kind::Other6 } else { Kind::Other4 };
            let end = 14 + packet.len() as u32;
            let meta = Meta { l3: 14, end, kind, encapsulation, hash: 0x1234_5678_9abc_def0, ..Meta::default() };
            assert!(tun::wrap(&mut buffer, &meta, &outer));
            lines += &format!("{name} {} {}\n", hex(&packet), hex(&buffer.data()[14..]));
        }
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/outside/decode.py");
    let mut decoder = Command::new("timeout");
    decoder.args(["60", ready::PYTHON, script]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut decoder = decoder.spawn().expect("it runs");
    // It stops reading at what is wrong, and says what.
    _ = decoder.stdin.take().expect("a pipe").write_all(lines.as_bytes());
    let said = decoder.wait_with_output().expect("it ends");
    let (out, err) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success(), "{err}");
    assert_eq!(out.trim(), lines.lines().count().to_string(), "{err}");
}

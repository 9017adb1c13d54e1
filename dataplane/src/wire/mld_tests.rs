//! What is written is what a kernel writes; what is read is what scapy writes; what of hostile bytes is refused.

use proptest::prelude::*;

use super::super::put;
use super::*;

const HERE: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

fn at(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: String = hex.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

/// Frames of a Linux 6.18 namespace, seen on the wire when an address was added and removed there, and when a query of
/// either version came.
const JOINED: &str = "333300000016 020000000001 86dd 60000000 0038 00 01 fe80000000000000000000fffe000001 \
    ff020000000000000000000000000016 3a00050200000100 8f006eed00000002 04000000ff0200000000000000000001ff000100 \
    04000000ff0200000000000000000001ff000001";
const LEFT: &str = "333300000016 020000000001 86dd 60000000 0024 00 01 fe80000000000000000000fffe000001 \
    ff020000000000000000000000000016 3a00050200000100 8f00720800000001 03000000ff0200000000000000000001ff000100";
const ASKED: &str = "333300000016 020000000001 86dd 60000000 0038 00 01 fe80000000000000000000fffe000001 \
    ff020000000000000000000000000016 3a00050200000100 8f0072ed00000002 02000000ff0200000000000000000001ff000100 \
    02000000ff0200000000000000000001ff000001";
const ASKED_OLD: &str = "3333ff000100 020000000001 86dd 60000000 0020 00 01 fe80000000000000000000fffe000001 \
    ff0200000000000000000001ff000100 3a00050200000100 8300812100000000 ff0200000000000000000001ff000100";

/// Packets by scapy 2.5: a general query of version 2, one of a group, a general one of version 1; 300 ms each.
const GENERAL: &str = "60000000 0024 00 01 fe800000000000000000000000000009 ff020000000000000000000000000001 \
    3a00050200000100 82007eef012c0000 00000000000000000000000000000000 00000000";
const SPECIFIC: &str = "60000000 0024 00 01 fe800000000000000000000000000009 ff0200000000000000000001ff000100 \
    3a00050200000100 82007fe9012c0000 ff0200000000000000000001ff000100 00000000";
const OLD: &str = "60000000 0020 00 01 fe800000000000000000000000000009 ff020000000000000000000000000001 \
    3a00050200000100 82007ef3012c0000 00000000000000000000000000000000";

/// With other bytes somewhere, and length and checksum right again.
fn patched(mut packet: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    put(&mut packet, at, bytes);
    let length = (packet.len() - ipv6::HEADER) as u16;
    put(&mut packet, 4, &length.to_be_bytes());
    let start = ipv6::HEADER + options_end(packet[ipv6::HEADER + 1]);
    let (header, message) = packet.split_at_mut(start);
    let [src, dst] = [8, 24].map(|at| *header[at..].first_chunk::<16>().unwrap());
    icmpv6::seal(message, &src, &dst);
    packet
}

#[test]
fn reports_are_those_of_the_kernel() {
    let (own, groups) = (at("fe80::ff:fe00:1"), [at("ff02::1:ff00:100"), at("ff02::1:ff00:1")]);
    assert_eq!(report(own, HERE, RecordChange::Joins, &groups), bytes(JOINED));
    assert_eq!(report(own, HERE, RecordChange::Leaves, &groups[..1]), bytes(LEFT));
    assert_eq!(report(own, HERE, RecordChange::Listens, &groups), bytes(ASKED));
    assert_eq!(old_report(own, HERE, RecordChange::Listens, groups[0]), bytes(ASKED_OLD));
}

#[test]
fn who_leaves_tells_the_routers_of_version_1() {
    // RFC 2710 3.1 and 4: type 132, to ff02::2.
    let frame = old_report(at("fe80::1"), HERE, RecordChange::Leaves, at("ff02::1:ff00:100"));
    assert_eq!((&frame[..6], frame[62]), (&[0x33, 0x33, 0, 0, 0, 2][..], 132));
    assert_eq!(frame[38..54], at("ff02::2").octets());
}

#[test]
fn a_full_report_fits_the_smallest_link() {
    let groups = vec![at("ff02::1:ff00:1"); GROUPS_MAX];
    let length = report(at("fe80::1"), HERE, RecordChange::Listens, &groups).len() - ethernet::HEADER;
    assert!(length <= 1280 && length + RECORD > 1280, "{length}");
}

#[test]
fn queries_of_either_version() {
    let general = Query { group: None, delay: 300, old: false };
    assert_eq!(Query::parse(&bytes(GENERAL)), Some(general));
    assert_eq!(Query::parse(&bytes(OLD)), Some(Query { old: true, ..general }));
    let group = Some(at("ff02::1:ff00:100"));
    assert_eq!(Query::parse(&bytes(SPECIFIC)), Some(Query { group, ..general }));
    // Of one source of that group.
    let sourced = [bytes(SPECIFIC), vec![0xfd; 16]].concat();
    assert_eq!(Query::parse(&patched(sourced, 74, &[0, 1])), Some(Query { group, ..general }));
    let padded = [&bytes(GENERAL)[..], &[0; 6]].concat();
    assert_eq!(Query::parse(&padded), Some(general), "a short frame's padding");
}

/// RFC 3810 5.1.3, with its own limits.
#[test]
fn long_delays_are_a_mantissa_and_an_exponent() {
    let delay = |code: u16| Query::parse(&patched(bytes(GENERAL), 52, &code.to_be_bytes())).unwrap().delay;
    assert_eq!([delay(0), delay(0x7fff), delay(0x8000)], [0, 32_767, 32_768]);
    assert_eq!([delay(0x8001), delay(0x9000), delay(0xffff)], [32_776, 65_536, 8_387_584]);
    let old = patched(bytes(OLD), 52, &[0xff, 0xff]);
    assert_eq!(Query::parse(&old).unwrap().delay, 65_535, "version 1 counts plainly");
}

#[test]
fn what_a_listener_drops() {
    let good = bytes(GENERAL);
    let refused = |packet: Vec<u8>, why: &str| assert_eq!(Query::parse(&packet), None, "{why}");
    refused(patched(good.clone(), 7, &[2]), "a router has passed it on");
    refused(patched(good.clone(), 8, &[0xfd]), "not from this link");
    refused(patched(good.clone(), 40, &[17]), "of another protocol");
    refused(patched(good.clone(), 6, &[60]), "of options for the destination");
    refused(patched(good.clone(), 42, &[1, 2, 0, 0, 1, 0]), "no alert");
    refused(patched(good.clone(), 44, &[0, 1]), "an alert of something else");
    refused(patched(good.clone(), 42, &[0, 0, 0, 0, 0, 5]), "an alert without a length");
    refused(patched(good.clone(), 42, &[5, 5]), "an alert that does not end");
    refused(patched(good.clone(), 48, &[REPORT]), "a report");
    refused(patched(good.clone(), 56, &[0xfe]), "about no group");
    refused(patched(good.clone(), 74, &[0, 1]), "with a source that is not there");
    let mut bent = good.clone();
    bent[50] ^= 1;
    refused(bent, "a wrong checksum");
    for length in 0..good.len() {
        refused(good[..length].to_vec(), "cut, its header says more");
    }
    refused(patched(good[..72 + 3].to_vec(), 0, &[]), "between the versions");
    refused(patched(good[..72 - 1].to_vec(), 0, &[]), "shorter than either");
    let alert_later = patched(good, 42, &[0, 0, 5, 2, 0, 0]);
    assert!(Query::parse(&alert_later).is_some(), "padding may come first");
}

proptest! {
    #[test]
    fn never_panics(packet in proptest::collection::vec(any::<u8>(), 0..120)) {
        let _ = Query::parse(&packet);
    }

    #[test]
    fn nor_at_what_is_nearly_right(at in 0usize..80, with: u8, more in proptest::collection::vec(any::<u8>(), 0..40)) {
        let packet = [&bytes(GENERAL)[..], &more].concat();
        let mut packet = patched(packet, 0, &[]);
        put(&mut packet, at, &[with]);
        let _ = Query::parse(&packet);
    }
}

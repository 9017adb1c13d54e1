//! What is read, what is written, and what of hostile bytes is refused.

use proptest::prelude::*;

use super::*;

const HERE: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const THERE: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);

fn at(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn question() -> Solicitation {
    let target = at("fd00::9");
    Solicitation { source: at("fd00::1"), destination: solicited_node(target), target, mac: Some(HERE) }
}

fn answer() -> Advertisement {
    let (source, destination) = (at("fd00::9"), at("fd00::1"));
    let (router, solicited, overrides) = (false, true, true);
    Advertisement { source, destination, target: source, mac: Some(THERE), router, solicited, overrides }
}

/// The IPv6 packet of a frame.
fn packet(frame: &[u8]) -> Vec<u8> {
    frame[ethernet::HEADER..].to_vec()
}

fn asked(question: Solicitation) -> Vec<u8> {
    packet(&question.frame(HERE, group_mac(question.destination)))
}

fn answered(answer: Advertisement) -> Vec<u8> {
    packet(&answer.frame(THERE, HERE))
}

/// With other bytes somewhere, and the checksum right again.
fn patched(mut packet: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    put(&mut packet, at, bytes);
    sealed(packet)
}

fn sealed(mut packet: Vec<u8>) -> Vec<u8> {
    let length = (packet.len() - ipv6::HEADER) as u16;
    put(&mut packet, 4, &length.to_be_bytes());
    put(&mut packet, ipv6::HEADER + 2, &[0, 0]);
    let (header, body) = packet.split_at(ipv6::HEADER);
    let sum = Sum::default().pseudo(&header[8..24], &header[24..], icmpv6::PROTOCOL, body.len()).bytes(body).finish();
    put(&mut packet, ipv6::HEADER + 2, &sum.to_be_bytes());
    packet
}

#[test]
fn addresses_that_follow_from_others() {
    assert_eq!(solicited_node(at("fd00::a1:2345:6789")), at("ff02::1:ff45:6789"));
    assert_eq!(group_mac(at("ff02::1:ff45:6789")), MacAddr([0x33, 0x33, 0xff, 0x45, 0x67, 0x89]));
    assert_eq!(group_mac(ALL_NODES), MacAddr([0x33, 0x33, 0, 0, 0, 1]));
    // RFC 4291, appendix A: the universal bit is turned over.
    assert_eq!(link_local(MacAddr([0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde])), at("fe80::3656:78ff:fe9a:bcde"));
    assert_eq!(link_local(HERE), at("fe80::ff:fe00:1"));
}

/// Bytes by hand, after RFC 4861 4.3 and RFC 2464 6 and 7.
#[test]
fn a_question_byte_by_byte() {
    let frame = question().frame(HERE, group_mac(question().destination));
    let expected = "3333ff0000090200000000 0186dd 60000000 0020 3a ff fd000000000000000000000000000001 \
                    ff0200000000000000000001ff000009 8700 CCCC 00000000 fd000000000000000000000000000009 \
                    0101 020000000001";
    let hex: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
    let expected: String = expected.split_whitespace().collect();
    let at = expected.find("CCCC").unwrap();
    assert_eq!((&hex[..at], &hex[at + 4..]), (&expected[..at], &expected[at + 4..]));
    assert_eq!(Message::parse(&packet(&frame)), Some(Message::Solicitation(question())));
}

#[test]
fn answers_and_their_flags() {
    for bits in 0..8 {
        let (router, solicited, overrides) = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
        let answer = Advertisement { router, solicited, overrides, ..answer() };
        assert_eq!(Message::parse(&answered(answer)), Some(Message::Advertisement(answer)));
    }
    let flags = answered(Advertisement { router: true, ..answer() })[ipv6::HEADER + 4];
    assert_eq!(flags, 0b1110_0000, "router, solicited, override");
    let news = Advertisement { destination: ALL_NODES, solicited: false, mac: None, ..answer() };
    assert_eq!(Message::parse(&answered(news)), Some(Message::Advertisement(news)));
}

#[test]
fn what_the_rfc_calls_invalid() {
    let good = asked(question());
    let body = ipv6::HEADER;
    let option = body + LEN;
    let refused = |packet: &[u8], why: &str| assert_eq!(Message::parse(packet), None, "{why}");
    refused(&patched(good.clone(), 7, &[254]), "a router has passed it on");
    refused(&patched(good.clone(), body + 1, &[1]), "a code");
    let mut bent = good.clone();
    bent[body + 3] ^= 1;
    refused(&bent, "a wrong checksum");
    for kind in [ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT, REDIRECT, 128, 0] {
        refused(&patched(good.clone(), body, &[kind]), "of another type");
    }
    refused(&patched(good.clone(), 6, &[17]), "another protocol");
    refused(&patched(good.clone(), body + 8, &[0xff]), "about a group");
    refused(&patched(good.clone(), body + 8, &[0; 16]), "about nobody");
    refused(&patched(good.clone(), 8, &[0xff]), "from a group");
    refused(&patched(good.clone(), option + 1, &[0]), "an option without length");
    refused(&patched(good.clone(), option + 1, &[2]), "an option beyond the end");
    refused(&patched(good.clone(), option + 2, &[1]), "the MAC of a group");
    refused(&patched(good.clone(), option + 2, &[0; 6]), "the MAC of nobody");
    for length in (0..good.len()).filter(|length| *length != option) {
        refused(&good[..length], "cut, its header says more");
        if length >= body + 4 {
            refused(&sealed(good[..length].to_vec()), "short");
        }
    }
    refused(&sealed([&good[..], &[SOURCE_LINK_ADDRESS]].concat()), "half an option");
    refused(&sealed([&good[..option], &[1, 2], &[7; 14]].concat()), "an option of another length than Ethernet's");
}

#[test]
fn who_has_no_address_yet() {
    let probe = Solicitation { source: Ipv6Addr::UNSPECIFIED, mac: None, ..question() };
    assert_eq!(Message::parse(&asked(probe)), Some(Message::Solicitation(probe)));
    assert_eq!(Message::parse(&asked(Solicitation { mac: Some(HERE), ..probe })), None, "names a MAC");
    assert_eq!(Message::parse(&asked(Solicitation { destination: probe.target, ..probe })), None, "asks the target");
    let from_nobody = Advertisement { source: Ipv6Addr::UNSPECIFIED, ..answer() };
    assert_eq!(Message::parse(&answered(from_nobody)), None);
    assert_eq!(Message::parse(&answered(Advertisement { destination: ALL_NODES, ..answer() })), None, "all had asked");
}

#[test]
fn options_that_nobody_knows_are_stepped_over_and_the_first_of_a_kind_counts() {
    let good = asked(question());
    let unknown = [&[14, 2][..], &[0xff; 14]].concat();
    let second = [&[SOURCE_LINK_ADDRESS, 1][..], &THERE.0].concat();
    let (fixed, option) = good.split_at(ipv6::HEADER + LEN);
    let packet = sealed([fixed, &unknown, option, &second].concat());
    assert_eq!(Message::parse(&packet), Some(Message::Solicitation(question())));
    let bare = sealed(fixed.to_vec());
    assert_eq!(Message::parse(&bare), Some(Message::Solicitation(Solicitation { mac: None, ..question() })));
}

proptest! {
    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        let _ = Message::parse(&bytes);
    }

    #[test]
    fn what_is_read_is_written_the_same(options in proptest::collection::vec(any::<u8>(), 0..48), flags: u8, kind in 135u8..137) {
        let head = [&asked(question())[..ipv6::HEADER + LEN], &options].concat();
        let packet = patched(patched(head, ipv6::HEADER, &[kind]), ipv6::HEADER + 4, &[flags]);
        let again = match Message::parse(&packet) {
            Some(Message::Solicitation(question)) => asked(question),
            Some(Message::Advertisement(answer)) => answered(answer),
            None => return Ok(()),
        };
        prop_assert_eq!(Message::parse(&again), Message::parse(&packet));
    }
}

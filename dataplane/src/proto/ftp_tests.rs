//! What control connections say: the recorded texts of the kernel's traces, forms that servers use, and noise.

use proptest::prelude::*;

use super::*;

const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 0, 11));

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn offered(payload: &[u8], mode: Mode) -> Option<(SocketAddr, &[u8])> {
    offer(payload, mode, SERVER).map(|offer| (offer.address, &payload[offer.range]))
}

#[test]
fn passive_answers_are_found_with_and_without_parentheses() {
    let said = b"227 Entering Passive Mode (10,1,0,11,100,10).\r\n";
    assert_eq!(offered(said, Mode::Passive), Some((at("10.1.0.11:25610"), &b"10,1,0,11,100,10"[..])));
    assert_eq!(
        offered(b"227 ok 10,1,0,11,4,5\r\n", Mode::Passive),
        Some((at("10.1.0.11:1029"), &b"10,1,0,11,4,5"[..]))
    );
    // Not in the beginning, too few numbers, cut off before anything ends it, the other form.
    for other in
        [&b"226 x\r\n227 (1,2,3,4,5,6)\r\n"[..], b"227 (1,2,3,4,5)\r\n", b"227 (1,2,3,4,5,6", b"229 (|||7|)\r\n"]
    {
        assert_eq!(offered(other, Mode::Passive), None, "{}", other.escape_ascii());
    }
    assert_eq!(offered(said, Mode::Active), None);
}

#[test]
fn extended_answers_name_a_port_or_more() {
    let said = b"229 Entering Extended Passive Mode (|||25610|)\r\n";
    assert_eq!(offered(said, Mode::Extended), Some((at("10.1.0.11:25610"), &b"|||25610|"[..])));
    let said = b"229 ok (!1!10.1.0.99!25611!) x\r\n";
    assert_eq!(offered(said, Mode::Extended), Some((at("10.1.0.99:25611"), &b"!1!10.1.0.99!25611!"[..])));
    let six = b"229 ok (|2|fd00:1::99|25611|)\r\n";
    let server = "fd00:1::11".parse().expect("an address");
    let found = offer(six, Mode::Extended, server).map(|offer| offer.address);
    assert_eq!(found, Some(at("[fd00:1::99]:25611")));
    for other in
        [&b"229 (|||0|)"[..], b"229 (|||7", b"229 (||x|7|)", b"229 (|2|fd00::1|7|)", b"229 (|1|10.0.0|7|)", b"229 ("]
    {
        assert_eq!(offered(other, Mode::Extended), None, "{}", other.escape_ascii());
    }
}

#[test]
fn commands_are_known_in_any_case_and_of_the_right_family() {
    let passive = |mode| Some(Command::Passive(mode));
    assert_eq!(command(b"PASV\r\n", false), passive(Mode::Passive));
    assert_eq!(command(b"NOOP\r\npasv\r\n", false), passive(Mode::Passive));
    assert_eq!(command(b"PASV\r\n", true), None);
    assert_eq!(command(b"EPSV\r\n", true), passive(Mode::Extended));
    assert_eq!(command(b"EPSV 1\r\n", false), passive(Mode::Extended));
    assert_eq!(command(b"EPSV 2\r\n", true), passive(Mode::Extended));
    for other in [&b"EPSV 2\r\n"[..], b"EPSV ALL\r\n", b"EPSVx\r\n", b"PASV", b"", b"PORT 1,2,3,4,5\r\n"] {
        assert_eq!(command(other, false), None, "{}", other.escape_ascii());
    }
}

#[test]
fn a_client_says_where_it_listens() {
    let active = |text: &str| Some(Command::Active(at(text)));
    assert_eq!(command(b"PORT 172,16,0,1,200,10\r\n", false), active("172.16.0.1:51210"));
    // As the kernel was seen to take them: other case, spaces, something behind.
    assert_eq!(command(b"port 172,16,0,1,200,255\r\n", false), active("172.16.0.1:51455"));
    assert_eq!(command(b"PORT   172,16,0,2,200,12 x\r\n", false), active("172.16.0.2:51212"));
    assert_eq!(command(b"EPRT |1|172.16.0.9|5555|\r\n", false), active("172.16.0.9:5555"));
    assert_eq!(command(b"EPRT |2|fd00:9::1|5555|\r\n", true), active("[fd00:9::1]:5555"));
    for other in [&b"EPRT |2|fd00::1|5555|\r\n"[..], b"EPRT |1|172.16.0.9|0|\r\n", b"EPRT |||5555|\r\n"] {
        assert_eq!(command(other, false), None, "{}", other.escape_ascii());
    }
}

#[test]
fn numbers_too_large_for_their_place_are_no_address() {
    for said in [&b"PORT 172,16,0,1,200,256\r\n"[..], b"PORT 172,16,0,257,4,5\r\n", b"EPRT |1|172.16.0.9|65536|\r\n"] {
        assert_eq!(command(said, false), None, "{}", said.escape_ascii());
    }
    for said in [&b"227 ok (10,1,0,11,267,10).\r\n"[..], b"227 ok (10,1,0,11,100,99999999999).\r\n"] {
        assert_eq!(offered(said, Mode::Passive), None, "{}", said.escape_ascii());
    }
    assert_eq!(offered(b"229 ok (|||65540|)\r\n", Mode::Extended), None);
    assert_eq!(
        offered(b"229 ok (|||00065535|)\r\n", Mode::Extended),
        Some((at("10.1.0.11:65535"), &b"|||00065535|"[..]))
    );
}

#[test]
fn an_address_is_written_as_it_is_read() {
    assert_eq!(text(Mode::Passive, at("10.0.0.100:25610"))[..], b"10,0,0,100,100,10"[..]);
    assert_eq!(text(Mode::Passive, at("255.255.255.255:65535")).len(), LONGEST);
    assert_eq!(text(Mode::Extended, at("10.0.0.100:25610"))[..], b"|||25610|"[..]);
    assert_eq!(text(Mode::Extended, at("[fd00::100]:7"))[..], b"|||7|"[..]);
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_back(ip: u32, port in 1_u16.., extended: bool, behind in "[ -~]{0,9}") {
        let mode = if extended { Mode::Extended } else { Mode::Passive };
        let address = SocketAddr::new(Ipv4Addr::from_bits(ip).into(), port);
        let code: &[u8] = if extended { b"229 so (" } else { b"227 so (" };
        let said = [code, &text(mode, address), b")", behind.as_bytes(), b"\r\n"].concat();
        let found = offer(&said, mode, address.ip()).expect("an offer");
        prop_assert_eq!(found.address, address);
        prop_assert_eq!(&said[found.range], &text(mode, address)[..]);
    }

    #[test]
    fn noise_gives_ranges_within_it(said in "(227 |229 |PORT |EPRT |EPSV )?[(|!,.:0-9a-f \r\n]{0,60}", six: bool) {
        let _ = command(said.as_bytes(), six);
        for mode in [Mode::Passive, Mode::Extended] {
            if let Some(found) = offer(said.as_bytes(), mode, SERVER) {
                prop_assert!(found.range.start < found.range.end && found.range.end <= said.len());
            }
        }
    }
}

//! Traces and captures: what they print and write for known answers.

use super::tests::{Gone, Script, call};
use super::*;
use crate::api::{Direction, FrameInfo, Observe, PacketInfo, StageInfo, WatchEnd, WatchInfo, WatchPage};

fn watching(count: u64) -> Result<Answer, ApiError> {
    let interfaces = vec!["wan".into(), "lan".into()];
    Ok(Answer::Watching(WatchInfo { watch: 7, now: 5_000_000_000, count, seconds: 30, interfaces }))
}

fn watched(packets: Vec<PacketInfo>, frames: Vec<FrameInfo>, over: Option<WatchEnd>) -> Result<Answer, ApiError> {
    let (seen, lost) = (2, u64::from(over.is_some()) * 3);
    Ok(Answer::Watched(Box::new(WatchPage { packets, frames, seen, lost, over })))
}

fn traced() -> PacketInfo {
    let stage = |stage: &str, text: &str| StageInfo { stage: stage.into(), text: text.into() };
    PacketInfo {
        at: 5_001_234_567,
        worker: 1,
        interface: Some("wan".into()),
        packet: "TCP 10.0.0.9:4000 > 10.0.0.100:80 SYN".into(),
        length: Some(54),
        stages: vec![stage("parse", "IPv4, 40 bytes"), stage("verdict", "drop_martian: Impossible.")],
        verdict: "drop_martian".into(),
    }
}

#[test]
fn trace_prints_until_it_is_over() {
    let released = PacketInfo { at: 5_500_000_000, interface: None, length: None, ..traced() };
    let answers = || {
        vec![
            watching(2),
            watched(vec![traced()], vec![], None),
            watched(vec![released.clone()], vec![], Some(WatchEnd::Count)),
        ]
    };
    let (code, out, err, asked) = call("sluice trace tcp dst port 80 -n 2 --seconds 5", answers());
    let wanted = "\
+0.001234 s  worker 1  wan  TCP 10.0.0.9:4000 > 10.0.0.100:80 SYN, 54 bytes
    parse    IPv4, 40 bytes
    verdict  drop_martian: Impossible.
+0.500000 s  worker 1  TCP 10.0.0.9:4000 > 10.0.0.100:80 SYN
    parse    IPv4, 40 bytes
    verdict  drop_martian: Impossible.
2 packets; count reached
3 records lost: packets came faster than the tool could read them; use a narrower filter
";
    assert_eq!((code, out.as_str(), err.as_str()), (0, wanted, ""));
    let start = Observe::TraceStart { filter: "tcp dst port 80".into(), count: Some(2), seconds: Some(5) }.into();
    assert_eq!(asked, [start, Observe::WatchNext { watch: 7 }.into(), Observe::WatchNext { watch: 7 }.into()]);
    let (_, out, ..) = call("sluice trace --json", answers());
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(serde_json::from_str::<PacketInfo>(lines[0]).unwrap(), traced());
    let last: WatchPage = serde_json::from_str(lines[2]).unwrap();
    assert_eq!((lines.len(), last.over, last.lost, last.packets.len()), (3, Some(WatchEnd::Count), 3, 0));
}

#[test]
fn a_trace_whose_reader_has_gone_is_stopped() {
    let arguments = Arguments::try_parse_from(["sluice", "trace"]).unwrap();
    let mut script =
        Script { answers: vec![watching(2), watched(vec![traced()], vec![], None), Ok(Answer::Done)], asked: vec![] };
    assert_eq!(run(&arguments, &mut io::empty(), &mut script, &mut Gone, &mut Gone), 0);
    assert_eq!(script.asked.last(), Some(&Observe::WatchStop { watch: 7 }.into()));
}

#[test]
fn capture_writes_what_others_can_read() {
    use pcap_file::pcapng::{Block, PcapNgReader, blocks::enhanced_packet::EnhancedPacketOption::Flags};
    let frame = |at: u64, interface: &str, direction, bytes: &str| FrameInfo {
        at: 5_000_000_000 + at,
        worker: 0,
        interface: interface.into(),
        direction,
        length: 60,
        bytes: bytes.into(),
    };
    let frames = vec![frame(0, "wan", Direction::In, "00ff10"), frame(250, "lan", Direction::Out, "0a0b0c0d")];
    let file = std::env::temp_dir().join(format!("sluice-capture-{}.pcapng", std::process::id()));
    let line = format!("sluice capture icmp -w {} --snaplen 4", file.display());
    let (code, out, ..) = call(&line, vec![watching(9), watched(vec![], frames, Some(WatchEnd::Time))]);
    assert_eq!((code, out.lines().next()), (0, Some("2 packets; timed out")));
    let mut reader = PcapNgReader::new(std::fs::File::open(&file).unwrap()).unwrap();
    let (mut packets, mut interfaces) = (Vec::new(), 0);
    while let Some(block) = reader.next_block() {
        match block.unwrap().into_owned() {
            Block::InterfaceDescription(interface) => interfaces += u32::from(interface.snaplen == 4),
            Block::EnhancedPacket(packet) => packets.push(packet),
            other => panic!("{other:?}"),
        }
    }
    std::fs::remove_file(&file).unwrap();
    let [received, sent] = &packets[..] else { panic!("{packets:?}") };
    assert_eq!((interfaces, received.interface_id, sent.interface_id), (2, 0, 1));
    assert_eq!((&received.data[..], &sent.data[..]), (&[0, 0xff, 0x10][..], &[10, 11, 12, 13][..]));
    assert_eq!((&received.options[..], &sent.options[..]), (&[Flags(1)][..], &[Flags(2)][..]));
    assert_eq!(
        (received.original_len, sent.timestamp - received.timestamp),
        (60, std::time::Duration::from_nanos(250))
    );
    let (code, _, err, _) = call("sluice capture -w /nonexistent/x", vec![]);
    assert_eq!((code, err.starts_with("sluice: cannot write /nonexistent/x: ")), (1, true), "{err}");
    assert!(Arguments::try_parse_from(["sluice", "capture"]).is_err(), "a file is needed");
}

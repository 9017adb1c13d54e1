//! `sluice trace` and `sluice capture`: start a watch, ask for what it saw until it is over, print it or write it down.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use dataplane::words::counted;
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};
use pcap_file::{DataLink, PcapError};

use super::args::{Capture, Watch};
use super::{Failure, print_json};
use crate::api::{Answer, Client, Direction, FrameInfo, Observe, PacketInfo, WatchEnd, WatchInfo, WatchPage};

/// Between two questions, when there was nothing new.
const PAUSE: Duration = Duration::from_millis(50);
/// The `if_tsresol` of nanoseconds.
const NANOSECONDS: u8 = 9;
/// The snapshot length of a file whose frames are whole.
const WHOLE: u32 = 262_144;

/// `sluice trace`.
pub(super) fn trace(options: &Watch, json: bool, client: &mut dyn Client, out: &mut dyn Write) -> Result<(), Failure> {
    let Watch { count, seconds, .. } = *options;
    let start = Observe::TraceStart { filter: options.filter.join(" "), count, seconds };
    let started = begin(start, client)?;
    let last = follow(&started, client, &mut |page| {
        for packet in &page.packets {
            if json { print_json(packet, out)? } else { print(packet, started.now, out)? }
        }
        Ok(out.flush()?)
    })?;
    end(&last, json, out)
}

/// `sluice capture`.
pub(super) fn capture(
    options: &Capture,
    json: bool,
    client: &mut dyn Client,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let Watch { count, seconds, .. } = options.watch;
    let (filter, snaplen) = (options.watch.filter.join(" "), options.snaplen);
    let start = Observe::CaptureStart { filter, count, seconds, snaplen };
    let snaplen = snaplen.filter(|bytes| *bytes > 0).unwrap_or(WHOLE);
    if options.file == Path::new("-") {
        write_frames(start, snaplen, client, out)?;
        return Ok(());
    }
    let unwritable = |error| Failure::File(options.file.clone(), error);
    let mut file = BufWriter::new(File::create(&options.file).map_err(unwritable)?);
    let last = write_frames(start, snaplen, client, &mut file).map_err(|failure| match failure {
        Failure::Output(error) => unwritable(error),
        other => other,
    })?;
    end(&last, json, out)
}

fn begin(start: Observe, client: &mut dyn Client) -> Result<WatchInfo, Failure> {
    match client.ask(start.into())? {
        Answer::Watching(started) => Ok(started),
        _ => Err(Failure::Strange),
    }
}

/// Asks until the watch is over. Returns the last page. Should its reader have gone, so does the watch.
fn follow(
    started: &WatchInfo,
    client: &mut dyn Client,
    each: &mut dyn FnMut(&WatchPage) -> Result<(), Failure>,
) -> Result<WatchPage, Failure> {
    let watch = started.watch;
    loop {
        let Answer::Watched(page) = client.ask(Observe::WatchNext { watch }.into())? else {
            return Err(Failure::Strange);
        };
        if let Err(failure) = each(&page) {
            // That there is nobody to read is what counts.
            _ = client.ask(Observe::WatchStop { watch }.into());
            return Err(failure);
        }
        if page.over.is_some() {
            return Ok(*page);
        }
        if page.packets.is_empty() && page.frames.is_empty() {
            std::thread::sleep(PAUSE);
        }
    }
}

/// A packet for people: when, where and what, and a line for each stage.
fn print(packet: &PacketInfo, began: u64, out: &mut dyn Write) -> io::Result<()> {
    let after = packet.at.saturating_sub(began);
    write!(out, "+{}.{:06} s  worker {}", after / 1_000_000_000, after / 1_000 % 1_000_000, packet.worker)?;
    if let Some(interface) = &packet.interface {
        write!(out, "  {interface}")?;
    }
    write!(out, "  {}", packet.packet)?;
    match packet.length {
        Some(length) => writeln!(out, ", {length} bytes")?,
        None => writeln!(out)?,
    }
    let wide = packet.stages.iter().map(|stage| stage.stage.len()).max().unwrap_or(0);
    packet.stages.iter().try_for_each(|stage| writeln!(out, "    {:wide$}  {}", stage.stage, stage.text))
}

/// How a watch ended.
fn end(last: &WatchPage, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    if json {
        return print_json(&WatchPage { packets: Vec::new(), frames: Vec::new(), ..last.clone() }, out);
    }
    let why = match last.over {
        Some(WatchEnd::Count) => "count reached",
        Some(WatchEnd::Time) => "timed out",
        Some(WatchEnd::Stopped) | None => "stopped",
    };
    writeln!(out, "{}; {why}", counted(last.seen, "packet"))?;
    if last.lost > 0 {
        let lost = counted(last.lost, "record");
        writeln!(out, "{lost} lost: packets came faster than the tool could read them; use a narrower filter")?;
    }
    Ok(())
}

/// Writes a capture as pcapng: an interface block for each interface, a packet block for each frame.
fn write_frames(
    start: Observe,
    snaplen: u32,
    client: &mut dyn Client,
    out: &mut dyn Write,
) -> Result<WatchPage, Failure> {
    let started = begin(start, client)?;
    let boot = SystemTime::now() - Duration::from_nanos(started.now);
    let mut file = PcapNgWriter::new(out).map_err(unwritten)?;
    for name in &started.interfaces {
        let name = InterfaceDescriptionOption::IfName(Cow::Borrowed(name));
        let options = vec![name, InterfaceDescriptionOption::IfTsResol(NANOSECONDS)];
        let block = InterfaceDescriptionBlock { linktype: DataLink::ETHERNET, snaplen, options };
        file.write_pcapng_block(block).map_err(unwritten)?;
    }
    file.get_mut().flush()?;
    follow(&started, client, &mut |page| {
        for frame in &page.frames {
            file.write_pcapng_block(block(frame, &started, boot)?).map_err(unwritten)?;
        }
        Ok(file.get_mut().flush()?)
    })
}

fn unwritten(error: PcapError) -> Failure {
    match error {
        PcapError::IoError(error) => Failure::Output(error),
        other => Failure::Output(io::Error::other(other)),
    }
}

fn block(frame: &FrameInfo, started: &WatchInfo, boot: SystemTime) -> Result<EnhancedPacketBlock<'static>, Failure> {
    let interface = started.interfaces.iter().position(|name| *name == frame.interface).ok_or(Failure::Strange)?;
    let at = boot + Duration::from_nanos(frame.at);
    // The lowest two bits of epb_flags.
    let direction = match frame.direction {
        Direction::In => 1,
        Direction::Out => 2,
    };
    Ok(EnhancedPacketBlock {
        interface_id: interface as u32,
        timestamp: at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
        original_len: frame.length,
        data: bytes(&frame.bytes).ok_or(Failure::Strange)?.into(),
        options: vec![EnhancedPacketOption::Flags(direction)],
    })
}

/// The bytes of hexadecimal digits.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

//! Frames of somebody else: read from standard input and sent; what arrives is written to standard output. For tests whose
//! packets are made and read by an implementation that is not ours, over rings that carry any frame as it is.
//!
//! ```text
//! in     SIDE[.QUEUE] HEX    a frame to be sent; SIDE is `client` or `server`, QUEUE 0 unless written
//! out    ready               both ends are there
//!        SIDE.QUEUE HEX      a frame that arrived
//! ```
//!
//! The end of the input is the end, and so is a line that is not understood.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use dataplane::port::{PacketBuf, Port, RxBurst};

use crate::door::Door;

/// Names of the doors.
const SIDES: [&str; 2] = ["client", "server"];
/// Lines read ahead.
const AHEAD: usize = 256;
/// A pause when there is nothing to do.
const PAUSE: Duration = Duration::from_micros(50);

/// Carries frames between the doors and standard input and output, for so long at most.
pub(crate) fn run<P: Port>(doors: Vec<Door<P>>, most: Duration, stop: &AtomicBool) -> Result<(), String> {
    let (reader, lines) = sync_channel(AHEAD);
    // Ends with the input, or with the process.
    thread::spawn(move || io::stdin().lines().map_while(Result::ok).try_for_each(|line| reader.send(line)));
    let mut carrier = Carrier { doors, out: io::stdout().lock() };
    carrier.say("ready")?;
    let begun = Instant::now();
    while begun.elapsed() < most && !stop.load(Ordering::Relaxed) {
        let Some(sent) = carrier.take_lines(&lines)? else { return Ok(()) };
        if sent + carrier.receive()? == 0 {
            thread::sleep(PAUSE);
        }
    }
    Err(format!("the input did not end within {} s", most.as_secs()))
}

struct Carrier<P: Port, W: Write> {
    doors: Vec<Door<P>>,
    out: W,
}

impl<P: Port, W: Write> Carrier<P, W> {
    fn say(&mut self, line: &str) -> Result<(), String> {
        writeln!(self.out, "{line}")
            .and_then(|()| self.out.flush())
            .map_err(|error| format!("standard output: {error}"))
    }

    /// Sends what has been read, as far as the rings take it. Returns how many frames were taken; nothing at the end.
    fn take_lines(&mut self, lines: &Receiver<String>) -> Result<Option<usize>, String> {
        let mut sent = 0;
        while !self.doors.iter().any(Door::is_crowded) {
            match lines.try_recv() {
                Ok(line) => self.send(&line)?,
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) if sent == 0 => return Ok(None),
                Err(TryRecvError::Disconnected) => break,
            }
            sent += 1;
        }
        self.doors.iter_mut().for_each(|door| _ = door.flush());
        Ok(Some(sent))
    }

    fn send(&mut self, line: &str) -> Result<(), String> {
        let wrong = || format!("{line:?} is not `SIDE[.QUEUE] HEX`");
        let (door, lane, frame) = parse(line).ok_or_else(wrong)?;
        let door = self.doors.get_mut(door).filter(|door| lane < door.width()).ok_or_else(wrong)?;
        let mut buffer = door.alloc().ok_or("the pool is empty")?;
        if !buffer.set_len(frame.len()) {
            return Err(format!("a frame of {} bytes is larger than a buffer; see --mtu", frame.len()));
        }
        buffer.data_mut().copy_from_slice(&frame);
        door.push(lane, buffer);
        Ok(())
    }

    /// Writes what has arrived. Returns how many frames.
    fn receive(&mut self) -> Result<usize, String> {
        let (mut burst, mut received, mut text) = (RxBurst::new(), Vec::new(), String::new());
        let mut count = 0;
        for (door, side) in self.doors.iter_mut().zip(SIDES) {
            for lane in 0..door.width() {
                count += door.receive(lane, &mut burst);
                for frame in burst.drain(..) {
                    _ = write!(text, "{side}.{lane} ");
                    frame.data().iter().for_each(|byte| _ = write!(text, "{byte:02x}"));
                    text.push('\n');
                    received.push(frame);
                }
            }
            door.free(&mut received);
        }
        if count > 0 {
            self.say(text.trim_end())?;
        }
        Ok(count)
    }
}

/// Door, queue and frame of a line.
fn parse(line: &str) -> Option<(usize, usize, Vec<u8>)> {
    let (place, hex) = line.split_once(' ')?;
    let (side, lane) = place.split_once('.').unwrap_or((place, "0"));
    let door = SIDES.iter().position(|name| *name == side)?;
    let digits: Option<Vec<u8>> = hex.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect();
    let (pairs, rest) = digits.as_ref()?.as_chunks::<2>();
    let frame: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    (rest.is_empty() && !frame.is_empty()).then_some((door, lane.parse().ok()?, frame))
}

#[cfg(test)]
mod tests {
    use dataplane::port::mem::MemPort;

    use super::*;

    fn carrier() -> Carrier<MemPort, Vec<u8>> {
        let mut server = MemPort::default();
        server.inject(&[0xca, 0xfe]);
        let doors = vec![Door::new(vec![MemPort::default(), MemPort::default()]), Door::new(vec![server])];
        Carrier { doors, out: Vec::new() }
    }

    #[test]
    fn a_line_names_side_queue_and_frame() {
        assert_eq!(parse("client 00Ff"), Some((0, 0, vec![0, 255])));
        assert_eq!(parse("server.3 0102"), Some((1, 3, vec![1, 2])));
        for wrong in ["", "client", "client ", "client 0", "client 0g", "client +1", "clients 00", "client.x 00"] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn lines_become_frames_and_frames_lines() {
        let (mut carrier, (reader, lines)) = (carrier(), sync_channel(4));
        reader.send("client.1 abcd".to_owned()).unwrap();
        assert_eq!(carrier.take_lines(&lines), Ok(Some(1)));
        assert_eq!((carrier.receive(), carrier.out.as_slice()), (Ok(1), &b"server.0 cafe\n"[..]));
        assert_eq!(carrier.take_lines(&lines), Ok(Some(0)));
        for wrong in ["client.2 ab", "nobody 00", "client zz"] {
            reader.send(wrong.to_owned()).unwrap();
            assert!(carrier.take_lines(&lines).is_err(), "{wrong}");
        }
        drop(reader);
        assert_eq!(carrier.take_lines(&lines), Ok(None));
    }
}

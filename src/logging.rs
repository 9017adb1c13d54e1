//! The log, written to standard error by a thread of its own: who reads it may be slow or stop reading (a terminal on hold, a
//! full pipe), and neither the control thread nor a worker waits for that. Lines that find no room are counted, and told of
//! when there is room again.

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use crossbeam::channel::{Receiver, SendTimeoutError, Sender, TrySendError, bounded};
use env_logger::{Builder, Env, Target, WriteStyle};

/// Lines that wait to be written.
const LINES: usize = 16_384;
/// How long the last lines may take at the end.
const PATIENCE: Duration = Duration::from_secs(1);

/// To the thread that writes.
enum Message {
    Line(Vec<u8>),
    /// All before it is written.
    Finish(Sender<()>),
}

/// The way to the thread, once there is one.
static WAY: OnceLock<Sender<Message>> = OnceLock::new();
/// Lines without room since the last one that had some.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Starts to log.
pub(crate) fn start() {
    let style = if io::stderr().is_terminal() { WriteStyle::Always } else { WriteStyle::Never };
    let mut builder = Builder::from_env(Env::default().default_filter_or("info"));
    builder.format_target(false).write_style(style);
    let (sender, receiver) = bounded(LINES);
    let writer = thread::Builder::new().name("log".to_owned()).spawn(move || write(&receiver, io::stderr()));
    // Without the thread lines are written by whoever has something to say.
    if writer.is_ok() && WAY.set(sender.clone()).is_ok() {
        builder.target(Target::Pipe(Box::new(Queue(sender))));
    }
    builder.init();
}

/// Waits until what was said is written; not for ever.
pub(crate) fn finish() {
    let Some(way) = WAY.get() else { return };
    let (done, written) = bounded(1);
    match way.send_timeout(Message::Finish(done), PATIENCE) {
        Ok(()) => drop(written.recv_timeout(PATIENCE)),
        Err(SendTimeoutError::Timeout(_) | SendTimeoutError::Disconnected(_)) => {}
    }
}

/// Takes lines, each in one piece.
struct Queue(Sender<Message>);

impl Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Err(TrySendError::Full(_)) = self.0.try_send(Message::Line(line.to_vec())) {
            LOST.fetch_add(1, Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(messages: &Receiver<Message>, mut out: impl Write) {
    for message in messages {
        let lost = LOST.swap(0, Relaxed);
        if lost > 0 {
            let lines = dataplane::words::counted(lost, "line");
            _ = writeln!(out, "the log was not read: {lines} lost");
        }
        // Nobody may be listening any more.
        match message {
            Message::Line(line) => _ = out.write_all(&line),
            Message::Finish(done) => _ = out.flush().and_then(|()| done.send(()).map_err(io::Error::other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Somebody who reads when a lock lets him.
    #[derive(Clone, Default)]
    struct Reader(Arc<Mutex<Vec<u8>>>);

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("not poisoned").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nobody_waits_for_who_does_not_read_and_what_is_lost_is_counted() {
        let (sender, receiver) = bounded(4);
        let reader = Reader::default();
        let held = reader.0.lock().expect("not poisoned");
        let writer = thread::spawn({
            let reader = reader.clone();
            move || write(&receiver, reader)
        });
        let mut queue = Queue(sender);
        // One is in the thread's hands, four wait; the others find no room, and this thread goes on all the same.
        (0..20).for_each(|number| queue.write_all(format!("line {number}\n").as_bytes()).expect("it takes everything"));
        drop(held);
        drop(queue);
        writer.join().expect("it ends");
        let said = String::from_utf8(reader.0.lock().expect("not poisoned").clone()).expect("text");
        let lines = said.lines().filter(|line| line.starts_with("line ")).count() as u64;
        let lost = said.lines().find_map(|line| line.strip_prefix("the log was not read: ")?.split(' ').next());
        let lost: u64 = lost.expect("it is told").parse().expect("a number");
        assert!(lost >= 15 && lines + lost == 20, "{said}");
    }
}

//! Lines of bounded length out of a stream of bytes.

use std::io::{self, BufRead};

/// What was found up to the next end of line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line without its end. The last one may lack the end in the stream, too.
    Whole(Vec<u8>),
    /// More bytes than allowed. The rest of them is skipped before the next line.
    TooLong,
}

/// Reads lines of at most `most` bytes.
pub(super) struct Lines<R> {
    reader: R,
    most: usize,
    skipping: bool,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R, most: usize) -> Self {
        Self { reader, most, skipping: false }
    }

    /// The next line; `None` at the end of the stream.
    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        let mut line = Vec::new();
        loop {
            let available = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if available.is_empty() {
                let unfinished = !line.is_empty() && !self.skipping;
                return Ok(unfinished.then_some(Line::Whole(line)));
            }
            let end = available.iter().position(|&byte| byte == b'\n');
            let piece = &available[..end.unwrap_or(available.len())];
            let used = piece.len() + usize::from(end.is_some());
            let fits = line.len() + piece.len() <= self.most;
            if fits && !self.skipping {
                line.extend_from_slice(piece);
            }
            self.reader.consume(used);
            match (self.skipping, fits, end.is_some()) {
                (true, _, ended) => self.skipping = !ended,
                (false, false, ended) => {
                    self.skipping = !ended;
                    return Ok(Some(Line::TooLong));
                }
                (false, true, true) => return Ok(Some(Line::Whole(line))),
                (false, true, false) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    fn all(text: &str, most: usize, buffer: usize) -> Vec<Line> {
        let mut lines = Lines::new(BufReader::with_capacity(buffer, text.as_bytes()), most);
        std::iter::from_fn(|| lines.next().unwrap()).collect()
    }

    fn whole(text: &str) -> Line {
        Line::Whole(text.into())
    }

    #[test]
    fn whatever_the_buffer() {
        for buffer in [1, 2, 3, 5, 100] {
            assert_eq!(all("ab\n\ncd", 4, buffer), [whole("ab"), whole(""), whole("cd")]);
            assert_eq!(all("abcd\nabcde\nf\n", 4, buffer), [whole("abcd"), Line::TooLong, whole("f")]);
            assert_eq!(all("abcdefghij", 4, buffer), [Line::TooLong]);
            assert_eq!(all("abcdefghij\n\n", 4, buffer), [Line::TooLong, whole("")]);
            assert_eq!(all("", 4, buffer), []);
        }
    }
}

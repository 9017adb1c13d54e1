//! Aligned columns: names to the left, numbers to the right, two spaces between.

use std::io::{self, Write};

/// A table being filled. A heading that begins with `>` is of a column of numbers.
pub(super) struct Table {
    headings: Vec<String>,
    numeric: Vec<bool>,
    widths: Vec<usize>,
    rows: Vec<Vec<String>>,
    headed: bool,
}

impl Table {
    pub(super) fn new<S: AsRef<str>>(headings: &[S]) -> Self {
        let numeric = headings.iter().map(|heading| heading.as_ref().starts_with('>')).collect();
        let bare = |heading: &S| heading.as_ref().trim_start_matches('>').to_owned();
        let headings: Vec<String> = headings.iter().map(bare).collect();
        let widths = headings.iter().map(|heading| heading.chars().count()).collect();
        Self { headings, numeric, widths, rows: Vec::new(), headed: false }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        for (width, cell) in self.widths.iter_mut().zip(&cells) {
            *width = (*width).max(cell.chars().count());
        }
        self.rows.push(cells);
    }

    /// Rows that have not been printed.
    pub(super) fn waiting(&self) -> usize {
        self.rows.len()
    }

    /// Prints the rows so far, the first time under their headings. Columns keep the width that they have had.
    pub(super) fn print(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if !self.headed {
            self.headed = true;
            self.line(&self.headings, out)?;
        }
        let rows = std::mem::take(&mut self.rows);
        rows.iter().try_for_each(|row| self.line(row, out))
    }

    fn line(&self, cells: &[String], out: &mut dyn Write) -> io::Result<()> {
        let columns = cells.iter().zip(self.numeric.iter().zip(&self.widths));
        let padded: Vec<String> = columns
            .map(
                |(cell, (&numeric, &width))| {
                    if numeric { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
                },
            )
            .collect();
        writeln!(out, "{}", padded.join("  ").trim_end())
    }
}

/// Seconds as people say them: `2d 3h`, `5m 7s`.
pub(super) fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, ..) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

/// Bytes with a unit of 1024.
pub(super) fn bytes(count: u64) -> String {
    scaled(count, 1024, &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"])
}

/// Bits per second with a unit of 1000, of bytes per second.
pub(super) fn bit_rate(bytes_per_second: u64) -> String {
    let units = ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s", "Pbit/s", "Ebit/s"];
    scaled(bytes_per_second.saturating_mul(8), 1000, &units)
}

/// One digit behind the point where there is a unit to divide by.
fn scaled(count: u64, step: u64, units: &[&str]) -> String {
    let (mut divisor, mut unit) = (1u64, 0);
    while count / divisor >= step && unit + 1 < units.len() {
        divisor *= step;
        unit += 1;
    }
    let name = units.get(unit).copied().unwrap_or_default();
    if unit == 0 {
        return format!("{count} {name}");
    }
    let tenths = u128::from(count) * 10 / u128::from(divisor);
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligned() {
        let mut table = Table::new(&["NAME", ">N"]);
        table.row(vec!["a".into(), "1".into()]);
        table.row(vec!["longer".into(), "23".into()]);
        let mut out = Vec::new();
        table.print(&mut out).unwrap();
        table.row(vec!["b".into(), String::new()]);
        table.print(&mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "NAME     N\na        1\nlonger  23\nb\n");
    }

    #[test]
    fn units() {
        assert_eq!([0, 59, 60, 3600, 86400 * 3 + 7200].map(duration), ["0s", "59s", "1m 0s", "1h 0m", "3d 2h"]);
        assert_eq!([0, 1023, 1024, 1536, u64::MAX].map(bytes), ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "15.9 EiB"]);
        assert_eq!([0, 125, 1_250_000].map(bit_rate), ["0 bit/s", "1.0 kbit/s", "10.0 Mbit/s"]);
        assert!(bit_rate(u64::MAX).ends_with("Ebit/s"));
    }
}

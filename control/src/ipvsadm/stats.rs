//! The columns of `--stats` and `--rate`, and the shortening of large numbers.

use crate::api::{Rates, Totals};

/// Connections, packets in and out, bytes in and out since the start or the last zeroing.
pub(super) fn totals(t: &Totals, exact: bool) -> String {
    columns([t.connections, t.in_packets, t.out_packets, t.in_bytes, t.out_bytes], exact)
}

/// Columns of rates: connections, packets and bytes of each direction, per second.
pub(super) fn rates(r: &Rates, exact: bool) -> String {
    columns([r.connections, r.in_packets, r.out_packets, r.in_bytes, r.out_bytes], exact)
}

fn columns(numbers: [u64; 5], exact: bool) -> String {
    numbers.map(|n| if exact { expanded(n) } else { shortened(n) }).concat()
}

/// All digits, and at least a space before them.
fn expanded(n: u64) -> String {
    let digits = n.to_string();
    if digits.len() <= 8 { format!("{digits:>9}") } else { format!(" {digits}") }
}

/// Eight digits, or as many thousands, millions, ... as fit; rounded down.
fn shortened(n: u64) -> String {
    match n {
        0..100_000_000 => format!("{n:>9}"),
        100_000_000..1_000_000_000 => format!("{:>8}K", n / 1_000),
        1_000_000_000..100_000_000_000 => format!("{:>8}M", n / 1_000_000),
        100_000_000_000..100_000_000_000_000 => format!("{:>8}G", n / 1_000_000_000),
        _ => format!("{:>8}T", n / 1_000_000_000_000),
    }
}

//! Words that nobody outside knows: the system's generator.

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

/// So many bytes, each drawn by itself. Early at boot it waits until the system has gathered enough.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], Errno> {
    let mut bytes = [0; N];
    let mut filled = 0;
    while filled < N {
        filled += match getrandom(&mut bytes[filled..], GetRandomFlags::empty()) {
            Err(Errno::INTR) => 0,
            read => read?,
        };
    }
    Ok(bytes)
}

/// Random words of 64 bits.
pub(crate) fn words<const N: usize>() -> Result<[u64; N], Errno> {
    let mut words = [0; N];
    for word in &mut words {
        *word = u64::from_ne_bytes(bytes()?);
    }
    Ok(words)
}

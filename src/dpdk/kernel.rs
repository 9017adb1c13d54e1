//! Network interfaces of the kernel that devices stand on. Drivers of such devices say that their link is up whatever
//! becomes of the interface; the kernel knows better. It is asked by a socket, which belongs to our network namespace; what
//! `/sys` shows belongs to whoever mounted it.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::ioctl::{self, Updater};
use rustix::net::{AddressFamily, SocketType, netdevice, socket};

/// Flags of an interface (`netdevice(7)`): administratively up, and with a carrier.
const UP: u16 = 0x1;
const RUNNING: u16 = 0x40;

/// `SIOCGIFFLAGS`, and what it takes and fills: a `struct ifreq`.
const GET_FLAGS: ioctl::Opcode = 0x8913;

#[repr(C)]
struct Request {
    name: [u8; 16],
    flags: u16,
    _rest: [u8; 22],
}

const _: () = assert!(size_of::<Request>() == 40 && cfg!(target_pointer_width = "64"));

/// An interface, by its number: one of the same name that comes later is another.
#[derive(Debug)]
pub(super) struct KernelInterface {
    socket: OwnedFd,
    index: u32,
}

impl KernelInterface {
    /// The interface that has this name now.
    pub(super) fn named(name: &str) -> Option<Self> {
        let socket = socket(AddressFamily::UNIX, SocketType::DGRAM, None).ok()?;
        let index = netdevice::name_to_index(&socket, name).ok()?;
        Some(Self { socket, index })
    }

    /// Whether it is up and has a carrier; `None` once it is gone, or in another namespace.
    pub(super) fn carrier(&self) -> Option<bool> {
        self.has(UP | RUNNING)
    }

    /// Whether it has these flags; `None` once it is gone, or in another namespace.
    fn has(&self, flags: u16) -> Option<bool> {
        let name = match netdevice::index_to_name(&self.socket, self.index) {
            Ok(name) => name,
            Err(Errno::NODEV | Errno::NXIO) => return None,
            // The kernel refuses to say.
            Err(_) => return Some(true),
        };
        let mut request = Request { name: [0; 16], flags: 0, _rest: [0; 22] };
        request.name.iter_mut().zip(name.bytes().take(15)).for_each(|(to, byte)| *to = byte);
        // SAFETY: the call reads and writes a `struct ifreq`, which is as large as `Request`, has the name in front and
        // the flags behind it, and consists of numbers.
        let told = unsafe { ioctl::ioctl(&self.socket, Updater::<GET_FLAGS, Request>::new(&mut request)) };
        match told {
            Ok(()) => Some(request.flags & flags == flags),
            Err(Errno::NODEV) => None,
            Err(_) => Some(true),
        }
    }
}

/// Whether the interface of this name, or alternative name, is up; `None` where there is none.
pub(crate) fn is_up(name: &str) -> Option<bool> {
    KernelInterface::named(name)?.has(UP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_asked_of_an_interface() {
        let loopback = KernelInterface::named("lo").expect("every namespace has one");
        assert!(loopback.carrier().is_some());
        assert!(KernelInterface::named("nosuch0").is_none());
        assert!(is_up("lo").is_some() && is_up("nosuch0").is_none());
        assert_eq!(KernelInterface { index: u32::MAX >> 1, ..loopback }.carrier(), None);
    }
}

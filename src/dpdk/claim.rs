//! One director at a time has a device. Many drivers would let a second one in: of af_packet, both would answer every
//! packet.
//!
//! A claim is a name in the abstract space of Unix sockets. It belongs to the network namespace, as interfaces do, is the
//! same for every mount and PID namespace, and goes with the process, however that ends. Anyone may take such a name, so
//! only that on which a process of root's, or of our own user, listens counts. Any other is warned of and passed over: who
//! may not run a director does not keep one from starting, either.

use std::fmt;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::linux::fs::MetadataExt;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;
use std::process;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType, netdevice};
use rustix::process::geteuid;

use super::error::{Cause, Errno, Error};
use super::spec::{Claimable, DeviceSpec};

/// A device that is ours until this is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    _name: UnixListener,
}

/// Who has a name.
#[derive(Debug, PartialEq, Eq)]
enum Owner {
    Us,
    Director(Option<i32>),
    /// Somebody who does not show to be a director, and what is known of them.
    Other(String),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Us => f.write_str("another interface has it"),
            Self::Director(Some(pid)) => write!(f, "another director has it, process {pid}"),
            Self::Director(None) => f.write_str("another director has it"),
            Self::Other(known) => f.write_str(known),
        }
    }
}

impl Claim {
    /// Claims the device of an interface. `None` where nobody else can be at it, or where there is none: then opening it
    /// says so.
    pub(crate) fn new(spec: &DeviceSpec, interface: &str) -> Result<Option<Self>, Error> {
        let Some(name) = name(spec) else { return Ok(None) };
        let failed = |errno, said| {
            let cause = Cause { errno, said: vec![said] };
            Error::Device { interface: interface.to_owned(), device: spec.to_string(), step: "open it", cause }
        };
        match take(&name) {
            Ok(name) => Ok(Some(Self { _name: name })),
            Err(error) if error.kind() == ErrorKind::AddrInUse => match owner(&name) {
                Owner::Other(known) => {
                    log::warn!(
                        "interface {interface:?}, device {spec}: {known} has the socket @{name} (`ss -xlp` shows the \
                         process), by which directors know of each other: a second director on the device is not noticed"
                    );
                    Ok(None)
                }
                owner => Err(failed(Errno::Unspecified, owner.to_string())),
            },
            Err(error) => Err(failed(Errno::Unspecified, format!("no claim to it: {error}"))),
        }
    }
}

fn take(name: &str) -> io::Result<UnixListener> {
    UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?)
}

/// What a claim to a device is called; in its network namespace it is unique.
fn name(spec: &DeviceSpec) -> Option<String> {
    let named = match spec.claimable()? {
        Claimable::Interface(name) => format!("interface-{}", index(name)?),
        Claimable::Tap(name) => format!("tap-{name}"),
        Claimable::Pci(address) => format!("pci-{address}"),
        Claimable::Socket { path, end } => format!("socket-{:016x}", digest(path, &end)),
    };
    Some(format!("sluice-device-{named}"))
}

/// The number of a network interface.
fn index(name: &str) -> Option<u32> {
    let socket = net::socket(AddressFamily::UNIX, SocketType::DGRAM, None).ok()?;
    netdevice::name_to_index(socket, name).ok()
}

/// One end of a socket, wherever its directory is mounted; too long for a name as it is.
fn digest(path: &str, end: &str) -> u64 {
    let mut digest = DefaultHasher::new();
    let directory = Path::new(path).parent().filter(|_| path.contains('/'));
    match directory.and_then(|directory| fs::metadata(directory).ok()) {
        Some(found) => (found.st_dev(), found.st_ino(), Path::new(path).file_name()).hash(&mut digest),
        None => path.hash(&mut digest),
    }
    end.hash(&mut digest);
    digest.finish()
}

/// Who has a name that is taken. A director listens there, and nobody calls but others that start.
fn owner(name: &str) -> Owner {
    let told = connect(name).and_then(|socket| Ok(getsockopt(&socket, PeerCredentials)?));
    let told = match told {
        Ok(told) => told,
        Err(error) => return Owner::Other(format!("somebody who does not answer ({error})")),
    };
    // Of another PID namespace: 0.
    let pid = Some(told.pid()).filter(|pid| *pid > 0);
    match told.uid() {
        _ if pid.is_some_and(|pid| pid.cast_unsigned() == process::id()) => Owner::Us,
        user if user == 0 || user == geteuid().as_raw() => Owner::Director(pid),
        user => Owner::Other(format!("user {user}")),
    }
}

/// A connection to who listens there, without waiting.
fn connect(name: &str) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    net::connect(&socket, &SocketAddrUnix::new_abstract_name(name.as_bytes())?)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> DeviceSpec {
        DeviceSpec::parse(text).expect("a device")
    }

    #[test]
    fn a_claim_is_the_only_one_until_it_goes() {
        let spec = spec(&format!("tap:t{}", process::id()));
        let first = Claim::new(&spec, "wan").expect("nobody has it");
        assert!(first.is_some());
        let second = Claim::new(&spec, "lan").expect_err("it is taken").to_string();
        assert!(second.contains("\"lan\"") && second.contains("another interface has it"), "{second}");
        drop(first);
        assert!(Claim::new(&spec, "lan").expect("it is free").is_some());
    }

    #[test]
    fn a_name_on_which_no_director_answers_keeps_nobody_from_the_device() {
        let spec = spec(&format!("tap:u{}", process::id()));
        let name = name(&spec).expect("a name");
        let address = SocketAddrUnix::new_abstract_name(name.as_bytes()).expect("it is short");
        let squatter = net::socket(AddressFamily::UNIX, SocketType::STREAM, None).expect("a socket");
        net::bind(&squatter, &address).expect("nobody has it");
        assert_eq!(take(&name).expect_err("it is taken").kind(), ErrorKind::AddrInUse);
        let is_other = || matches!(owner(&name), Owner::Other(_));
        assert!(is_other() && Claim::new(&spec, "wan").expect("nobody listens").is_none());

        net::listen(&squatter, 0).expect("it listens");
        let mut calls = Vec::new();
        while let Ok(call) = connect(&name) {
            assert!(calls.len() < 16, "its queue fills up");
            calls.push(call);
        }
        assert!(!calls.is_empty() && is_other());
        assert!(Claim::new(&spec, "wan").expect("nobody takes calls").is_none());
    }

    #[test]
    fn names_tell_devices_apart() {
        let name = |text: &str| name(&spec(text));
        assert_eq!(name("af_packet:lo,qpairs=2"), Some("sluice-device-interface-1".to_owned()));
        assert_eq!(name("af_packet:lo"), name("af_xdp:lo"));
        assert_eq!(name("pci:3B:00.0"), Some("sluice-device-pci-0000:3b:00.0".to_owned()));
        assert_eq!(name("vdev:net_null0"), None);
        assert_eq!(name("af_packet:nosuch0"), None);
        let socket = "memif:/tmp/m.sock";
        assert_eq!(name(socket), name("memif:/tmp/../tmp/m.sock,zero-copy=yes"));
        for other in
            ["memif:/tmp/n.sock", "memif:/tmp/m.sock,id=1", "memif:/tmp/m.sock,role=server", "vhost:/tmp/m.sock"]
        {
            assert_ne!(name(socket), name(other), "{other}");
        }
    }
}

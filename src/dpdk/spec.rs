//! A device as the configuration writes it, `kind:target`, and as DPDK wants it, a device string.
//!
//! Whatever follows the target after a comma is handed to the driver as it stands:
//! `memif:/run/memif.sock,role=client`, `virtio_user:/run/vhost.sock,queue_size=1024`.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use super::af_packet::Ring;
use super::error::Error;

/// Numbers our virtual devices, so that their names are unique in the process.
static NEXT: AtomicU32 = AtomicU32::new(0);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Pci,
    AfPacket,
    AfXdp,
    Tap,
    VirtioUser,
    Vhost,
    Memif,
    Pcap,
    Vdev,
}

/// The kinds there are, by the name that the configuration uses, and what to write behind the colon.
const KINDS: [(&str, Kind, &str); 9] = [
    ("pci", Kind::Pci, "0000:3b:00.0"),
    ("af_packet", Kind::AfPacket, "INTERFACE"),
    ("af_xdp", Kind::AfXdp, "INTERFACE"),
    ("tap", Kind::Tap, "INTERFACE"),
    ("virtio_user", Kind::VirtioUser, "SOCKET"),
    ("vhost", Kind::Vhost, "SOCKET"),
    ("memif", Kind::Memif, "SOCKET"),
    ("pcap", Kind::Pcap, "IN,OUT"),
    ("vdev", Kind::Vdev, "DRIVER0,OPTION=VALUE"),
];

/// Longest interface name that the kernel takes.
const INTERFACE_MAX: usize = 15;
/// Longest path of a Unix socket.
const SOCKET_MAX: usize = 107;

/// A device specification that has been understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeviceSpec {
    text: String,
    kind: Kind,
    target: String,
    /// Driver options as written, each with its comma in front.
    options: String,
}

/// What one director at a time can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Claimable<'a> {
    /// A network interface that the kernel has.
    Interface(&'a str),
    /// One that is made for us.
    Tap(&'a str),
    /// A PCI device.
    Pci(&'a str),
    /// One end of a socket.
    Socket {
        /// Where it is; a memif's without a slash is in the abstract space.
        path: &'a str,
        /// Which of its ends, and which of several there.
        end: String,
    },
}

/// What must be on the machine before a device can be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need<'a> {
    /// A PCI device with a driver that hands it over.
    Pci(&'a str),
    /// A network interface of the kernel.
    Interface(&'a str),
    /// The kernel's tap devices.
    Tun,
    /// A socket on which a peer listens.
    Socket(&'a str),
    /// A file to read, and one that can be written.
    Files {
        /// Is there.
        read: &'a str,
        /// Is made.
        write: &'a str,
    },
    /// A driver of DPDK's, with a number behind it.
    Driver(&'a str),
    /// Nothing: it is made.
    Nothing,
}

/// What DPDK is asked to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DevArgs {
    /// The name of the device in DPDK.
    pub(super) name: String,
    /// The name and all options.
    pub(super) text: String,
}

impl DeviceSpec {
    /// Reads `kind:target[,options]`.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |why: String| Error::Spec { text: text.to_owned(), why };
        let (word, rest) = text.split_once(':').unwrap_or((text, ""));
        let Some((_, kind, example)) = KINDS.into_iter().find(|(name, ..)| *name == word) else {
            let forms: Vec<String> = KINDS.iter().map(|(name, _, example)| format!("{name}:{example}")).collect();
            return Err(wrong(format!("unknown kind {word:?}; it is one of {}", forms.join(", "))));
        };
        let (target, options) = rest.split_at(end_of_target(kind, rest));
        let frame = option(options, "framesz").and_then(|text| Ring::refusal(text.parse().unwrap_or_default()));
        let why = match kind {
            _ if target.is_empty() => Some("nothing follows the colon".to_owned()),
            _ if rest.contains(|c: char| c.is_whitespace() || c.is_control()) => {
                Some("it contains white space".to_owned())
            }
            Kind::Pci if !is_pci_address(target) => Some(format!("{target:?} is not a PCI address")),
            Kind::AfPacket | Kind::AfXdp | Kind::Tap if target.len() > INTERFACE_MAX => {
                Some(format!("an interface name has at most {INTERFACE_MAX} characters"))
            }
            Kind::VirtioUser | Kind::Vhost | Kind::Memif if target.len() > SOCKET_MAX => {
                Some(format!("a socket's path has at most {SOCKET_MAX} characters"))
            }
            Kind::AfPacket if frame.is_some() => frame,
            Kind::Pcap if !target.contains(',') => Some("it needs a file to read and a file to write".to_owned()),
            _ => None,
        };
        match why {
            Some(why) => Err(wrong(format!("{why}; write {word}:{example}"))),
            None => {
                let target = if kind == Kind::Pci { whole_pci_address(target) } else { target.to_owned() };
                Ok(Self { text: text.to_owned(), kind, target, options: options.to_owned() })
            }
        }
    }

    /// The PCI address with its options, for the EAL's list of devices it may touch.
    pub(super) fn pci(&self) -> Option<String> {
        (self.kind == Kind::Pci).then(|| format!("{}{}", self.target, self.options))
    }

    /// What nobody else may have, if there is such a thing.
    pub(super) fn claimable(&self) -> Option<Claimable<'_>> {
        let target = self.target.as_str();
        match self.kind {
            Kind::AfPacket | Kind::AfXdp => Some(Claimable::Interface(target)),
            Kind::Tap => Some(Claimable::Tap(target)),
            Kind::Pci => Some(Claimable::Pci(target)),
            Kind::VirtioUser | Kind::Vhost | Kind::Memif => {
                let names_end = |option: &&str| ["id=", "role=", "server="].iter().any(|key| option.starts_with(key));
                let mut end: Vec<&str> = self.options.split(',').filter(names_end).collect();
                end.sort_unstable();
                Some(Claimable::Socket { path: target, end: format!("{:?} {}", self.kind, end.join(",")) })
            }
            Kind::Pcap | Kind::Vdev => None,
        }
    }

    /// The network interface of the kernel that it stands on, once it is open.
    pub(super) fn kernel_interface(&self) -> Option<&str> {
        matches!(self.kind, Kind::AfPacket | Kind::AfXdp | Kind::Tap).then_some(self.target.as_str())
    }

    /// What must be on the machine for it.
    pub(crate) fn need(&self) -> Need<'_> {
        let Self { target, options, .. } = self;
        let says = |option: &str| options.contains(option);
        match self.kind {
            Kind::Pci => Need::Pci(target),
            Kind::AfPacket | Kind::AfXdp => Need::Interface(target),
            Kind::Tap => Need::Tun,
            Kind::VirtioUser if !says(",server=1") => Need::Socket(target),
            // A name in the abstract space is no file.
            Kind::Memif if !says(",role=server") && target.starts_with('/') => Need::Socket(target),
            Kind::Pcap => target.split_once(',').map_or(Need::Nothing, |(read, write)| Need::Files { read, write }),
            Kind::Vdev => Need::Driver(target),
            Kind::VirtioUser | Kind::Vhost | Kind::Memif => Need::Nothing,
        }
    }

    /// Whether it is made by us, so ours to remove, and limited by memory rather than by hardware.
    pub(super) fn is_virtual(&self) -> bool {
        self.kind != Kind::Pci
    }

    /// The rings that it shares with the kernel, if it is of that kind, with so many slots unless its options say so.
    pub(crate) fn ring(&self, mtu: u16, slots: Option<u16>) -> Option<Ring> {
        let number = |key: &str| self.option(key).and_then(|value| value.parse().ok());
        (self.kind == Kind::AfPacket).then(|| Ring::new(number, mtu, slots))
    }

    /// What would be better for so many workers than so many receive queues, where this is known.
    pub(crate) fn hint(&self, workers: u16, queues: u16) -> Option<String> {
        let one = self.kind == Kind::AfPacket && queues < workers && self.option("qpairs").is_none();
        one.then(|| {
            format!(
                "{workers} workers share one queue, slower than one worker; write device = \"{self},qpairs={workers}\""
            )
        })
    }

    /// A driver's option, as the operator wrote it.
    fn option(&self, key: &str) -> Option<&str> {
        option(&self.options, key)
    }

    /// What to tell DPDK: a fresh name, and options for the queues, frames and MAC wanted.
    pub(super) fn devargs(&self, queues: u16, mtu: u16, slots: Option<u16>, mac: Option<[u8; 6]>) -> DevArgs {
        let Self { target, options, .. } = self;
        let pair;
        let (driver, mut wanted) = match self.kind {
            Kind::Pci | Kind::Vdev => {
                return DevArgs { name: target.clone(), text: format!("{target}{options}") };
            }
            Kind::AfPacket => {
                let ring = self.ring(mtu, slots).into_iter().flat_map(|ring| ring.options());
                ("net_af_packet", [("iface", target.clone())].into_iter().chain(ring).collect())
            }
            Kind::AfXdp => ("net_af_xdp", vec![("iface", target.clone()), ("queue_count", queues.to_string())]),
            Kind::Tap => ("net_tap", vec![("iface", target.clone())]),
            Kind::VirtioUser => ("net_virtio_user", vec![("path", target.clone()), ("queues", queues.to_string())]),
            Kind::Vhost => ("net_vhost", vec![("iface", target.clone()), ("queues", queues.to_string())]),
            Kind::Memif => {
                // Only an absolute path may name a socket file; a name in the abstract space has no slash.
                let abstracted = if target.starts_with('/') { "no" } else { "yes" };
                ("net_memif", vec![("socket", target.clone()), ("socket-abstract", abstracted.to_owned())])
            }
            Kind::Pcap => {
                pair = target.split_once(',').unwrap_or((target, ""));
                ("net_pcap", vec![("rx_pcap", pair.0.to_owned()), ("tx_pcap", pair.1.to_owned())])
            }
        };
        if let (Kind::VirtioUser | Kind::Memif, Some(mac)) = (self.kind, mac) {
            wanted.push(("mac", mac_text(mac)));
        }
        // What the operator wrote wins, and drivers refuse an option given twice.
        wanted.retain(|(key, _)| self.option(key).is_none());
        let name = format!("{driver}{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let wanted: String = wanted.iter().map(|(key, value)| format!(",{key}={value}")).collect();
        DevArgs { text: format!("{name}{wanted}{options}"), name }
    }
}

impl fmt::Display for DeviceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Where the target ends and the driver's options begin. A pcap target is two files.
fn end_of_target(kind: Kind, rest: &str) -> usize {
    let commas = if kind == Kind::Pcap { 1 } else { 0 };
    rest.match_indices(',').nth(commas).map_or(rest.len(), |(at, _)| at)
}

/// `[domain:]bus:device.function`, hexadecimal.
fn is_pci_address(text: &str) -> bool {
    let hex =
        |part: &str, most: usize| (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let Some((rest, function)) = text.rsplit_once('.') else { return false };
    let parts: Vec<&str> = rest.split(':').collect();
    hex(function, 1)
        && match parts.as_slice() {
            [bus, device] => hex(bus, 2) && hex(device, 2),
            [domain, bus, device] => hex(domain, 8) && hex(bus, 2) && hex(device, 2),
            _ => false,
        }
}

/// The address as DPDK names devices: with its domain, in small letters.
fn whole_pci_address(text: &str) -> String {
    let domain = if text.matches(':').count() == 1 { "0000:" } else { "" };
    format!("{domain}{text}").to_ascii_lowercase()
}

/// The value of a driver's option.
fn option<'a>(options: &'a str, key: &str) -> Option<&'a str> {
    options.split(',').find_map(|option| option.strip_prefix(key)?.strip_prefix('='))
}

fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn devargs(text: &str, slots: Option<u16>) -> String {
        let spec = DeviceSpec::parse(text).unwrap_or_else(|error| panic!("{error}"));
        let DevArgs { name, text } = spec.devargs(2, 1500, slots, None);
        text.strip_prefix(&name).expect("the name comes first").to_owned()
    }

    #[test]
    fn what_the_operator_writes_wins_and_the_rest_fits_it() {
        let sized = ",iface=wan,qpairs=1,blocksz=258048,framesz=9216,framecnt=4116";
        assert_eq!(devargs("af_packet:wan", None), sized);
        let large = ",iface=wan,qpairs=1,blocksz=258048,framecnt=1040,framesz=64512";
        assert_eq!(devargs("af_packet:wan,framesz=64512", None), large);
        assert_eq!(devargs("af_xdp:wan", Some(64)), ",iface=wan,queue_count=2");
        let refused = DeviceSpec::parse("af_packet:wan,framesz=9000").expect_err("no whole kilobytes").to_string();
        assert!(refused.contains("framesz=9000 is not a whole number of kilobytes"), "{refused}");
    }

    #[test]
    fn workers_without_a_queue_of_their_own_are_told_of_with_what_helps() {
        let hint = |text: &str, workers, queues| DeviceSpec::parse(text).ok()?.hint(workers, queues);
        let told = hint("af_packet:wan", 3, 1).unwrap_or_default();
        assert!(told.contains("3 workers") && told.contains("\"af_packet:wan,qpairs=3\""), "{told}");
        assert_eq!(
            [hint("af_packet:wan,qpairs=2", 2, 2), hint("af_packet:wan", 1, 1), hint("tap:t", 3, 1)],
            [const { None }; 3]
        );
    }
}

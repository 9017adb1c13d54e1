//! What an interface may be on: `kind:target`, and behind a comma whatever the driver is to be told.

use super::suggest;

/// The kinds there are, with an example of each.
const KINDS: [(&str, &str); 9] = [
    ("pci", "pci:0000:3b:00.0"),
    ("af_packet", "af_packet:eth0"),
    ("af_xdp", "af_xdp:eth0"),
    ("tap", "tap:sluice0"),
    ("virtio_user", "virtio_user:/run/vhost.sock"),
    ("vhost", "vhost:/run/vhost.sock"),
    ("memif", "memif:/run/memif.sock"),
    ("pcap", "pcap:in.pcap,out.pcap"),
    ("vdev", "vdev:net_null0"),
];

/// What is wrong with a device, if anything.
pub(super) fn fault(text: &str) -> Option<String> {
    let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
    let Some((_, example)) = KINDS.iter().find(|(name, _)| *name == kind) else {
        let names: Vec<&str> = KINDS.iter().map(|&(name, _)| name).collect();
        return Some(format!("unknown kind of device {kind:?}{}", suggest::hint(kind, &names)));
    };
    if target(text).is_empty() {
        return Some(format!("{text:?} names no device; write {example}"));
    }
    if rest.contains(char::is_whitespace) {
        return Some(format!("{text:?} has white space; write {example}"));
    }
    let one_file = kind == "pcap" && rest.split(',').take(2).filter(|file| !file.is_empty()).count() < 2;
    one_file.then(|| format!("{text:?} wants a file to read and a file to write; write {example}"))
}

/// The device without the driver's options: two interfaces cannot have the same.
pub(super) fn target(text: &str) -> &str {
    let rest = text.split_once(':').map_or("", |(_, rest)| rest);
    rest.split(',').next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_is_right() {
        for (_, example) in KINDS {
            assert_eq!(fault(example), None);
        }
        assert_eq!(fault("memif:/run/memif.sock,role=client"), None);
    }

    #[test]
    fn faults() {
        for (text, part) in [
            ("pcie:1", "did you mean pci?"),
            ("wlan0", "known: pci, af_packet"),
            ("tap:", "names no device"),
            ("tap", "names no device"),
            ("tap:a b", "white space"),
            ("pcap:in.pcap", "a file to write"),
            ("pcap:in.pcap,", "a file to write"),
        ] {
            let fault = fault(text).unwrap_or_default();
            assert!(fault.contains(part), "{text}: {fault}");
        }
    }

    #[test]
    fn targets() {
        assert_eq!(target("pci:0000:3b:00.0"), "0000:3b:00.0");
        assert_eq!(target("memif:/run/m,role=client"), "/run/m");
    }
}

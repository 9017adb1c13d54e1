//! Devices: whether what an interface names is there, and in a state in which DPDK can take it.

use std::fs;
use std::path::Path;

use control::config::Config;

use super::Machine;
use crate::check::{Device, Findings};
use crate::dpdk::spec::Need;
use crate::words::Words;

/// Kernel drivers of NICs that DPDK shares instead of taking them.
const SHARED: [&str; 3] = ["mlx4_core", "mlx5_core", "mana"];

/// Drivers of DPDK 22.11 for Ethernet devices that are not on a bus of the machine, under all their names. A device's name
/// begins with that of its driver.
const VIRTUAL: [&str; 24] = [
    "net_af_packet",
    "eth_af_packet",
    "net_af_xdp",
    "net_bonding",
    "eth_bond",
    "net_failsafe",
    "net_memif",
    "net_null",
    "eth_null",
    "net_octeontx",
    "eth_octeontx",
    "net_pcap",
    "eth_pcap",
    "net_pfe",
    "net_ring",
    "eth_ring",
    "net_softnic",
    "net_tap",
    "eth_tap",
    "net_tun",
    "net_vdev_netvsc",
    "net_vhost",
    "eth_vhost",
    "net_virtio_user",
];

/// Notes the devices that DPDK would not open, and those that are there and carry nothing.
pub(super) fn look(machine: &Machine, config: &Config, devices: &[Device<'_>], findings: &mut Findings) {
    let plugins = Words::read(&config.dataplane.eal).is_ok_and(|words| words.has("-d"));
    for (interface, spec) in devices {
        let place = interface.lines.of("device");
        let whole = |text: String| format!("{} is on {spec}, but {text}", interface.name);
        if let Some(text) = fault(machine, spec.need(), plugins) {
            findings.wrong(&place, "interface.device", whole(text));
        } else if let Some(text) = down(machine, spec.need()) {
            findings.warn(&place, "interface.device", whole(text));
        }
    }
}

/// `plugins`: DPDK loads drivers that are not its own.
fn fault(machine: &Machine, need: Need<'_>, plugins: bool) -> Option<String> {
    match need {
        Need::Pci(address) => pci(machine, address),
        Need::Interface(name) => absent_interface(machine, name),
        Need::Tun => lacks(machine, "/dev/net/tun", "modprobe tun"),
        Need::Socket(path) => (!machine.path(path).exists())
            .then(|| "nobody listens there: no such file; start the peer first".to_owned()),
        Need::Files { read, write } => files(machine, read, write),
        Need::Driver(name) => (!plugins && !VIRTUAL.iter().any(|driver| name.starts_with(driver))).then(|| {
            format!("no such driver: DPDK has none for {name}; its names begin as net_null, net_ring, net_tap")
        }),
        Need::Nothing => None,
    }
}

fn absent_interface(machine: &Machine, name: &str) -> Option<String> {
    if (machine.is_up)(name).is_some() {
        return None;
    }
    // Of our network namespace, whoever mounted it.
    let listed = machine.text(machine.path("proc/net/dev")).unwrap_or_default();
    let mut names: Vec<&str> = listed.lines().filter_map(|line| Some(line.split_once(':')?.0.trim())).collect();
    names.retain(|name| *name != "lo");
    names.sort_unstable();
    let there = if names.is_empty() { "none beside lo".to_owned() } else { names.join(", ") };
    Some(format!("there is no such network interface; known: {there}"))
}

/// An interface of the kernel that is there and carries nothing.
fn down(machine: &Machine, need: Need<'_>) -> Option<String> {
    let Need::Interface(name) = need else { return None };
    let up = (machine.is_up)(name)?;
    (!up).then(|| format!("it is down: ip link set {name} up"))
}

fn pci(machine: &Machine, address: &str) -> Option<String> {
    let device = machine.path("sys/bus/pci/devices").join(address);
    if !device.exists() {
        return Some("there is no such PCI device; `dpdk-devbind.py --status` lists them".to_owned());
    }
    let advice = format!("bind it: dpdk-devbind.py --bind=vfio-pci {address}");
    let Ok(driver) = fs::read_link(device.join("driver")) else {
        return Some(format!("no driver is bound to it; {advice}"));
    };
    let driver = driver.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let fits = driver.contains("vfio") || driver.contains("uio") || SHARED.contains(&driver.as_str());
    (!fits).then(|| format!("the kernel's driver {driver} has it; {advice}"))
}

fn files(machine: &Machine, read: &str, write: &str) -> Option<String> {
    if !machine.path(read).is_file() {
        return Some(format!("{read} cannot be read: no such file"));
    }
    let directory = Path::new(write).parent().filter(|parent| !parent.as_os_str().is_empty())?;
    let there = directory.is_relative() || machine.root.join(directory.strip_prefix("/").unwrap_or(directory)).is_dir();
    (!there).then(|| format!("{write} cannot be written: there is no directory {}", directory.display()))
}

fn lacks(machine: &Machine, path: &str, advice: &str) -> Option<String> {
    (!machine.path(path).exists()).then(|| format!("there is no {path}: {advice}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;
    use crate::dpdk::eth_dev::DeviceSpec;

    struct Fake(Machine);

    impl Fake {
        fn new(name: &str) -> Self {
            let root = std::env::temp_dir().join(format!("sluice-{}-{name}", std::process::id()));
            fs::create_dir_all(root.join("proc/net")).expect("a directory");
            let listed = "Inter-| Receive\n face |bytes\n    lo:  84  1\n  eth1:  0  0\n  eth0:  9  1\n";
            fs::write(root.join("proc/net/dev"), listed).expect("a file");
            let is_up = |name: &str| match name {
                "eth0" | "alias0" => Some(true),
                "eth1" => Some(false),
                _ => None,
            };
            Self(Machine { root, is_up })
        }

        fn pci(&self, address: &str, driver: Option<&str>) {
            let device = self.0.path("sys/bus/pci/devices").join(address);
            fs::create_dir_all(&device).expect("a directory");
            if let Some(driver) = driver {
                symlink(PathBuf::from("../../drivers").join(driver), device.join("driver")).expect("a link");
            }
        }

        /// What is an error, and what a warning.
        fn says(&self, device: &str) -> [Option<String>; 2] {
            let spec = DeviceSpec::parse(device).expect("a right device");
            [fault(&self.0, spec.need(), false), down(&self.0, spec.need())]
        }
    }

    impl Drop for Fake {
        fn drop(&mut self) {
            _ = fs::remove_dir_all(&self.0.root);
        }
    }

    #[test]
    fn devices_of_every_kind() {
        let fake = Fake::new("devices");
        fake.pci("0000:3b:00.0", Some("vfio-pci"));
        fake.pci("0000:3b:00.1", Some("ixgbe"));
        fake.pci("0000:3b:00.2", None);
        fake.pci("0000:3b:00.3", Some("mlx5_core"));
        for good in ["pci:3b:00.0", "pci:0000:3b:00.3", "af_packet:eth0", "af_packet:alias0"] {
            assert_eq!(fake.says(good), [None, None], "{good}");
        }
        for good in ["vdev:net_null0", "vdev:net_bonding0,mode=1", "vdev:net_bonding_lan,mode=1", "vdev:net_null_a"] {
            assert_eq!(fake.says(good), [None, None], "{good}");
        }
        for good in ["vhost:/run/x.sock", "memif:/run/x.sock,role=server", "virtio_user:/run/x.sock,server=1"] {
            assert_eq!(fake.says(good), [None, None], "{good}");
        }
        for (device, part) in [
            ("pci:3b:00.1", "the kernel's driver ixgbe has it; bind it: dpdk-devbind.py --bind=vfio-pci 0000:3b:00.1"),
            ("pci:3b:00.2", "no driver is bound to it"),
            ("pci:3b:00.7", "there is no such PCI device"),
            ("af_packet:eth9", "there is no such network interface; known: eth0, eth1"),
            ("af_xdp:eth9", "there is no such network interface"),
            ("tap:x", "there is no /dev/net/tun"),
            ("memif:/run/x.sock", "nobody listens there"),
            ("virtio_user:/run/x.sock", "nobody listens there"),
            ("pcap:/in.pcap,/out.pcap", "/in.pcap cannot be read"),
            ("vdev:net_nul0", "no such driver: DPDK has none for net_nul0"),
        ] {
            let [error, _] = fake.says(device);
            assert!(error.as_ref().is_some_and(|text| text.contains(part)), "{device}: {error:?}");
        }
        let plugin = DeviceSpec::parse("vdev:net_nul0").expect("a right device");
        assert_eq!(fault(&fake.0, plugin.need(), true), None, "a driver may come with -d");
        let [error, warning] = fake.says("af_packet:eth1");
        assert_eq!((error, warning.as_deref()), (None, Some("it is down: ip link set eth1 up")));
    }
}

//! What a device can do, the state of its link, and what it has counted.

use std::ffi::CStr;
use std::mem;
use std::ptr;

use dpdk_sys::{rte_eth_dev_info, rte_eth_xstat, rte_eth_xstat_name};

use super::error::Cause;
use super::journal;

/// What the driver offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caps {
    /// The driver's name.
    pub(crate) driver: String,
    /// Most receive queues.
    pub(crate) max_rx_queues: u16,
    /// Most transmit queues.
    pub(crate) max_tx_queues: u16,
    /// Largest MTU it can be told.
    pub(crate) max_mtu: u16,
    /// Packet types it can hash (`RTE_ETH_RSS_*`); 0: it cannot.
    pub(crate) rss_types: u64,
    /// Bytes of its hash key.
    pub(crate) rss_key_len: usize,
    /// Entries of its indirection table.
    pub(crate) reta_size: u16,
    /// Receive offloads (`RTE_ETH_RX_OFFLOAD_*`).
    pub(crate) rx_offloads: u64,
    /// Transmit offloads (`RTE_ETH_TX_OFFLOAD_*`).
    pub(crate) tx_offloads: u64,
}

impl Caps {
    pub(super) fn of(info: &rte_eth_dev_info) -> Self {
        let driver = if info.driver_name.is_null() {
            String::new()
        } else {
            // SAFETY: a driver's name is a NUL-terminated constant.
            unsafe { CStr::from_ptr(info.driver_name) }.to_string_lossy().into_owned()
        };
        Self {
            driver,
            max_rx_queues: info.max_rx_queues,
            max_tx_queues: info.max_tx_queues,
            max_mtu: max_mtu(info),
            rss_types: info.flow_type_rss_offloads,
            rss_key_len: usize::from(info.hash_key_size),
            reta_size: info.reta_size,
            rx_offloads: info.rx_offload_capa,
            tx_offloads: info.tx_offload_capa,
        }
    }
}

/// The largest MTU that ethdev lets us configure; its own rule (`eth_dev_validate_mtu`), which it does not tell.
fn max_mtu(info: &rte_eth_dev_info) -> u16 {
    const ETHERNET: u32 = 14 + 4;
    let mtu = u32::from(info.max_mtu);
    let told = info.max_mtu != u16::MAX && info.max_rx_pktlen > mtu;
    let overhead = if told { info.max_rx_pktlen - mtu } else { ETHERNET };
    let by_frame = info.max_rx_pktlen.saturating_sub(overhead);
    u16::try_from(by_frame.min(mtu)).unwrap_or(u16::MAX)
}

/// What the device says about its cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// Whether frames can pass.
    pub(crate) up: bool,
    /// Whether the device is no longer there.
    pub(crate) gone: bool,
    /// Megabits a second; `None` where the device cannot say.
    pub(crate) mbps: Option<u32>,
}

pub(super) fn device_info(port: u16) -> Result<rte_eth_dev_info, Cause> {
    // SAFETY: plain data; all zeroes is a value of it.
    let mut info: rte_eth_dev_info = unsafe { mem::zeroed() };
    // SAFETY: the call checks the port and fills the structure.
    journal::attempt(|| unsafe { dpdk_sys::rte_eth_dev_info_get(port, &raw mut info) })?;
    Ok(info)
}

pub(super) fn link(port: u16) -> Link {
    // SAFETY: plain data; all zeroes is a value of it.
    let mut link: dpdk_sys::rte_eth_link = unsafe { mem::zeroed() };
    // SAFETY: the call checks the port and fills the structure.
    let known = unsafe { dpdk_sys::rte_eth_link_get_nowait(port, &raw mut link) } == 0;
    let speed = Some(link.link_speed).filter(|speed| !matches!(*speed, 0 | dpdk_sys::RTE_ETH_SPEED_NUM_UNKNOWN));
    // SAFETY: the call checks the port.
    let gone = unsafe { dpdk_sys::rte_eth_dev_is_removed(port) } == 1;
    Link { up: known && !gone && u32::from(link.link_status()) == dpdk_sys::RTE_ETH_LINK_UP, gone, mbps: speed }
}

/// A bit for each port of DPDK whose link is up, whoever holds it.
pub(crate) fn links_up() -> u64 {
    // SAFETY: the call reads a table of the library's, of bounded size.
    let find = |from: u16| unsafe { dpdk_sys::rte_eth_find_next(from) };
    let most = dpdk_sys::RTE_MAX_ETHPORTS.min(u64::BITS) as u16;
    let ports = std::iter::successors(Some(find(0)), |port| Some(find(port + 1))).take_while(|port| *port < most);
    ports.filter(|port| link(*port).up).fold(0, |up, port| up | 1 << port)
}

/// The counters every device has, by DPDK's field, under the names that operators see.
pub(super) fn counters(port: u16) -> Vec<(String, u64)> {
    // SAFETY: plain data; all zeroes is a value of it.
    let mut stats: dpdk_sys::rte_eth_stats = unsafe { mem::zeroed() };
    // SAFETY: the call checks the port and fills the structure; where it fails, the zeroes stay.
    unsafe { dpdk_sys::rte_eth_stats_get(port, &raw mut stats) };
    [
        ("rx_packets", stats.ipackets),
        ("rx_bytes", stats.ibytes),
        ("rx_missed", stats.imissed),
        ("rx_errors", stats.ierrors),
        ("rx_no_mbuf", stats.rx_nombuf),
        ("tx_packets", stats.opackets),
        ("tx_bytes", stats.obytes),
        ("tx_errors", stats.oerrors),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// Extended counters that say the same as those above.
const REPEATED: [&str; 8] = [
    "rx_good_packets",
    "tx_good_packets",
    "rx_good_bytes",
    "tx_good_bytes",
    "rx_missed_errors",
    "rx_errors",
    "tx_errors",
    "rx_mbuf_allocation_errors",
];

/// The driver's own counters, those that moved.
pub(super) fn extended_counters(port: u16) -> Vec<(String, u64)> {
    // SAFETY: without room the call writes nothing and returns how much it wants.
    let wanted = unsafe { dpdk_sys::rte_eth_xstats_get_names(port, ptr::null_mut(), 0) };
    let Ok(room) = u32::try_from(wanted) else { return Vec::new() };
    let mut names = vec![rte_eth_xstat_name { name: [0; 64] }; room as usize];
    let mut values = vec![rte_eth_xstat { id: 0, value: 0 }; room as usize];
    // SAFETY: there is room for as many as are promised.
    let got = unsafe {
        dpdk_sys::rte_eth_xstats_get_names(port, names.as_mut_ptr(), room).min(dpdk_sys::rte_eth_xstats_get(
            port,
            values.as_mut_ptr(),
            room,
        ))
    };
    // More than there was room for means nothing was written.
    let got = usize::try_from(got).ok().filter(|got| *got <= room as usize).unwrap_or(0);
    let names: Vec<String> = names.iter().map(counter_name).collect();
    let moved = values[..got].iter().filter(|stat| stat.value != 0);
    moved
        .filter_map(|stat| Some((names.get(usize::try_from(stat.id).ok()?)?, stat.value)))
        .filter(|(name, _)| !is_repeated(name, &names))
        .map(|(name, value)| (name.clone(), value))
        .collect()
}

/// Whether a counter of a driver is one that every device has, or the same of its only queue.
fn is_repeated(name: &str, all: &[String]) -> bool {
    const OF_DEVICES: [&str; 6] = ["rx_packets", "rx_bytes", "rx_errors", "tx_packets", "tx_bytes", "tx_errors"];
    let whole = name.replacen("_q0_", "_", 1);
    let only = whole != name && !all.iter().any(|other| other.starts_with(&name[..3]) && other.contains("_q1_"));
    let repeats = |name: &str| REPEATED.contains(&name) || OF_DEVICES.contains(&name);
    repeats(name) || only && repeats(&whole)
}

/// The driver's name for it, with everything but letters and digits as `_`.
fn counter_name(raw: &rte_eth_xstat_name) -> String {
    let text = raw.name.iter().map(|byte| byte.cast_unsigned()).take_while(|byte| *byte != 0);
    text.map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte) } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_counter_is_there_under_two_names() {
        let kept = |names: &str| {
            let all: Vec<String> = names.split(' ').map(str::to_owned).collect();
            all.iter().filter(|name| !is_repeated(name, &all)).cloned().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(kept("rx_good_packets rx_missed_errors rx_crc_errors"), "rx_crc_errors");
        assert_eq!(kept("rx_q0_packets rx_q0_bytes rx_q0_errors tx_q0_packets tx_q0_good_bytes"), "");
        let two = "rx_q0_packets rx_q0_bytes rx_q1_packets rx_q1_bytes";
        assert_eq!(kept(&format!("{two} tx_q0_packets")), two, "two queues of one direction, one of the other");
        assert_eq!(kept("rx_q0_multicast_packets rx_packets"), "rx_q0_multicast_packets");
    }
}

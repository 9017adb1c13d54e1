//! What a device can do about the worker a packet arrives on: a plain value, so that plans can be tried without devices.

use std::fmt;
use std::ops::BitOr;

use crate::words::counted;

/// Packet types that a device hashes, and restrictions of what goes into the hash. The bits are those of
/// `RTE_ETH_RSS_*`, which DPDK's binary interface keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RssTypes(u64);

impl RssTypes {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Addresses of any IPv4 packet that no narrower type takes.
    pub const IPV4: Self = Self(1 << 2);
    /// Addresses of fragments of IPv4 packets.
    pub const IPV4_FRAGMENT: Self = Self(1 << 3);
    /// Addresses and ports of TCP over IPv4.
    pub const IPV4_TCP: Self = Self(1 << 4);
    /// Addresses and ports of UDP over IPv4.
    pub const IPV4_UDP: Self = Self(1 << 5);
    /// Addresses and ports of SCTP over IPv4.
    pub const IPV4_SCTP: Self = Self(1 << 6);
    /// Addresses of whole IPv4 packets of other protocols.
    pub const IPV4_OTHER: Self = Self(1 << 7);
    /// Addresses of any IPv6 packet that no narrower type takes.
    pub const IPV6: Self = Self(1 << 8);
    /// Addresses of fragments of IPv6 packets.
    pub const IPV6_FRAGMENT: Self = Self(1 << 9);
    /// Addresses and ports of TCP over IPv6.
    pub const IPV6_TCP: Self = Self(1 << 10);
    /// Addresses and ports of UDP over IPv6.
    pub const IPV6_UDP: Self = Self(1 << 11);
    /// Addresses and ports of SCTP over IPv6.
    pub const IPV6_SCTP: Self = Self(1 << 12);
    /// Addresses of whole IPv6 packets of other protocols.
    pub const IPV6_OTHER: Self = Self(1 << 13);
    /// Of the ports, only the destination's.
    pub const PORT_DESTINATION_ONLY: Self = Self(1 << 60);
    /// Of the ports, only the source's.
    pub const PORT_SOURCE_ONLY: Self = Self(1 << 61);
    /// Of the addresses, only the destination's.
    pub const ADDRESS_DESTINATION_ONLY: Self = Self(1 << 62);
    /// Of the addresses, only the source's.
    pub const ADDRESS_SOURCE_ONLY: Self = Self(1 << 63);

    /// Only what names the sender goes in.
    pub const SOURCE_ONLY: Self = Self(Self::ADDRESS_SOURCE_ONLY.0 | Self::PORT_SOURCE_ONLY.0);
    /// Only what names the receiver goes in.
    pub const DESTINATION_ONLY: Self = Self(Self::ADDRESS_DESTINATION_ONLY.0 | Self::PORT_DESTINATION_ONLY.0);
    /// All types of IPv4 and IPv6 packets, without restrictions.
    pub const PACKETS: Self = Self(0x3ffc);

    /// Those of DPDK's bits that mean something here.
    #[must_use]
    pub const fn from_dpdk(bits: u64) -> Self {
        Self(bits & (Self::PACKETS.0 | Self::SOURCE_ONLY.0 | Self::DESTINATION_ONLY.0))
    }

    /// As DPDK's bits.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether all of `others` are among these.
    #[must_use]
    pub const fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Those that are in both.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    /// These without `others`.
    #[must_use]
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }
}

impl BitOr for RssTypes {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What a device can do, as its driver says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceCaps {
    /// The driver's name.
    pub driver: String,
    /// Most receive queues.
    pub max_rx_queues: u16,
    /// Most transmit queues.
    pub max_tx_queues: u16,
    /// What it can hash.
    pub rss: RssTypes,
    /// Bytes of its hash key; 0: it has none.
    pub key_len: usize,
    /// Whether the key can be set. Drivers do not say: assumed until setting it fails.
    pub key_settable: bool,
    /// Entries of its indirection table; 0: it has none, or does not show it.
    pub table_size: u16,
    /// Whether the table can be set. Drivers do not say: assumed until setting it fails.
    pub table_settable: bool,
}

impl DeviceCaps {
    /// From the numbers of `rte_eth_dev_info`: `driver_name`, `max_rx_queues` and `max_tx_queues`,
    /// `flow_type_rss_offloads`, `hash_key_size`, `reta_size`.
    #[must_use]
    pub fn new(driver: &str, queues: (u16, u16), rss_offloads: u64, key_len: usize, table_size: u16) -> Self {
        let offered = RssTypes::from_dpdk(rss_offloads);
        // X710 hashes the verification tag of SCTP too, which a tuple does not know.
        let tagged = RssTypes::IPV4_SCTP | RssTypes::IPV6_SCTP;
        Self {
            driver: driver.to_owned(),
            max_rx_queues: queues.0,
            max_tx_queues: queues.1,
            rss: if driver == "net_i40e" { offered.without(tagged) } else { offered },
            key_len,
            key_settable: key_len > 0,
            table_size,
            table_settable: table_size > 0,
        }
    }

    /// Whether its hash is one that software can foretell: Toeplitz over ports, with key and table that we set.
    ///
    /// Tap, for one, says that it hashes, but has no table to set.
    #[must_use]
    pub fn is_predictable(&self) -> bool {
        let keyed = self.key_settable && self.key_len >= 40;
        let tabled = self.table_settable && self.table_size.is_power_of_two();
        keyed && tabled && self.rss.contains(RssTypes::IPV4_TCP)
    }
}

impl fmt::Display for DeviceCaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [rx, tx] = [self.max_rx_queues, self.max_tx_queues];
        write!(f, "{}, {}, {}", self.driver, counted(rx.into(), "rx queue"), counted(tx.into(), "tx queue"))
    }
}

//! The addresses of connections in the table.

use std::net::{IpAddr, SocketAddr};

use super::addresses::Addresses;
use super::line::{Conn, flag};
use super::table::ConnTable;
use crate::flow::Direction;

impl ConnTable {
    /// The IPv6 addresses of a connection.
    #[inline(always)]
    #[must_use]
    pub fn addresses(&self, index: u32) -> &Addresses {
        &self.memory.addresses[index as usize]
    }

    /// The virtual address of a connection.
    #[must_use]
    pub fn vip_address(&self, index: u32) -> IpAddr {
        self[index].vip_address(self.addresses(index))
    }

    /// The address of a connection's client.
    #[must_use]
    pub fn client_address(&self, index: u32) -> IpAddr {
        self[index].client_address(self.addresses(index))
    }

    /// The address of a connection's server, of a bypass the virtual one.
    #[must_use]
    pub fn server_address(&self, index: u32) -> IpAddr {
        self[index].server_address(self.addresses(index))
    }

    /// Client, virtual, local and server end of a connection.
    #[must_use]
    pub fn ends(&self, index: u32) -> [SocketAddr; 4] {
        self[index].ends(self.addresses(index))
    }

    /// Source and destination of a connection's replies, if they are IPv6.
    #[must_use]
    pub fn reply_ends6(&self, index: u32) -> Option<[&[u8; 16]; 2]> {
        let six = self[index].has(flag::SERVER_V6);
        six.then(|| self.addresses(index).ends(Direction::Reply))
    }

    /// Whether an IPv6 packet of a direction carries a connection's addresses; `ends` are its source and destination.
    #[inline]
    #[must_use]
    pub fn is_between(&self, index: u32, direction: Direction, ends: [&[u8; 16]; 2]) -> bool {
        self.addresses(index).are_of(direction, ends)
    }

    /// A connection, to be changed, and where its IPv6 addresses are.
    #[inline(always)]
    pub fn with_addresses(&mut self, index: u32) -> (&mut Conn, Six<'_>) {
        (&mut self.memory.conns[index as usize], Six { all: &self.memory.addresses, index })
    }
}

/// Where a connection's IPv6 addresses are: nothing is looked at before it is asked.
#[derive(Clone, Copy)]
pub struct Six<'a> {
    all: &'a [Addresses],
    index: u32,
}

impl<'a> Six<'a> {
    /// The addresses.
    #[inline(always)]
    #[must_use]
    pub fn addresses(self) -> &'a Addresses {
        &self.all[self.index as usize]
    }
}

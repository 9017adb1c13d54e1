//! A connection as it is at one moment, as a whole: what leaves the worker, or outlives its place in the table.

use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;

use bytemuck::Zeroable;

use super::addresses::Addresses;
use super::line::{Conn, flag};
use super::table::ConnTable;

/// A copy of a connection, with what lies beside its line.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot {
    conn: Conn,
    addresses: Addresses,
    controller: u32,
    helper: u32,
}

impl Deref for Snapshot {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.conn
    }
}

impl Snapshot {
    /// The virtual address.
    #[must_use]
    pub fn vip_address(&self) -> IpAddr {
        self.conn.vip_address(&self.addresses)
    }

    /// The client's address.
    #[must_use]
    pub fn client_address(&self) -> IpAddr {
        self.conn.client_address(&self.addresses)
    }

    /// The server's address, of a bypass the virtual one.
    #[must_use]
    pub fn server_address(&self) -> IpAddr {
        self.conn.server_address(&self.addresses)
    }

    /// Client, virtual and server end, as the kernel lists them: a bypass has no server.
    #[must_use]
    pub fn ends(&self) -> [SocketAddr; 3] {
        self.conn.listed_ends(&self.addresses)
    }

    /// What controls it: a template, or a control connection of FTP; [`crate::conn::NONE`] = without.
    #[must_use]
    pub fn controller(&self) -> u32 {
        self.controller
    }

    /// Its place among what helpers keep; [`crate::conn::NONE`] = no helper looks into it.
    #[must_use]
    pub fn helper(&self) -> u32 {
        self.helper
    }
}

impl ConnTable {
    /// A copy of a connection as it is now.
    #[must_use]
    pub fn snapshot(&self, index: u32) -> Snapshot {
        let conn = self[index];
        let six = conn.has(flag::CLIENT_V6 | flag::SERVER_V6);
        let addresses = if six { *self.addresses(index) } else { Addresses::zeroed() };
        Snapshot { conn, addresses, controller: self.controller(index), helper: self.helper(index) }
    }
}

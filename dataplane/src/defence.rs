//! Defence strategies, for when room is short or always: `update_defense_level` and `ip_vs_todrop` (`ip_vs_ctl.c`,
//! `ip_vs.h`), `ip_vs_random_dropentry` (`ip_vs_conn.c`).
//!
//! ```text
//! drop_packet   of the packets that would start connections, one in `rate` is dropped
//!               mode 3: rate = am_droprate; modes 1 and 2, while short: amemthresh / (amemthresh - room)
//! drop_entry    each second, so many entries as a 32nd of the table, taken by chance: half-open ones go; established
//!               and UDP ones that have been silent for 60 s and had n of 1 to 8 packets, one in n
//!               mode 1, but under `strict_parity`: only those of least value that have been silent for 3 s; and while
//!               room is short, new connections displace such (`shard/early_drop.rs`)
//! secure_tcp    the states of TCP are those of the defence
//! ```
//! The kernel's memory is a worker's free connections here: short means fewer than `amemthresh` are left, and than a
//! quarter.

use crate::chance::Chance;
use crate::clock::{TICKS_PER_SECOND, Tick};
use crate::conn::Conn;
use crate::flow::Protocol;
use crate::proto::{sctp, tcp, udp};
use crate::sysctl::Sysctls;
use crate::tables::Tables;

/// Packets up to which an entry may be dropped by chance.
const FEW: usize = 8;
/// A table is looked through about once in so many seconds.
const SECONDS: u32 = 32;
/// Ticks after which who opens a connection has asked again (RFC 6298: after 1 s, and 2 s later).
pub const PATIENCE: u32 = 3 * TICKS_PER_SECOND;

/// One worker's defence.
#[derive(Debug, Default)]
pub struct Defence {
    short: bool,
    /// Free connections below which new ones displace others; 0 = they never do.
    low_water: u32,
    /// What is of value is not dropped either.
    spares: bool,
    rate: i64,
    counter: i64,
    entries: [i64; FEW + 1],
    /// When entries were dropped last.
    swept: Tick,
    /// Entries still to be looked at, of this second.
    left: u32,
}

impl Defence {
    /// At rest.
    #[must_use]
    pub fn new(now: Tick) -> Self {
        Self { swept: now, ..Self::default() }
    }

    /// Looks at the settings and at how many connections still fit. Call once a turn.
    #[inline]
    pub fn look(&mut self, tables: &Tables, free: u32, capacity: u32) {
        let (sysctls, strict) = (&*tables.sysctls, tables.options.strict_parity);
        if sysctls.drop_packet | sysctls.drop_entry | sysctls.secure_tcp == 0 {
            (self.rate, self.low_water) = (0, 0);
            return;
        }
        let low_water = sysctls.low_water(capacity);
        self.short = free < low_water;
        self.low_water = if strict || sysctls.drop_entry == 0 { 0 } else { low_water };
        self.spares = !strict && sysctls.drop_entry != 3;
        let (threshold, room) = (i64::from(low_water), i64::from(free));
        self.rate = match sysctls.drop_packet {
            3 => sysctls.am_droprate.into(),
            mode if Sysctls::engaged(mode, self.short) => threshold / (threshold - room).max(1),
            _ => 0,
        };
    }

    /// Free connections below which a new one displaces others; 0 = it never does.
    #[must_use]
    pub const fn low_water(&self) -> u32 {
        self.low_water
    }

    /// Whether this packet, which would start a connection, is to be dropped.
    pub fn drops_packet(&mut self) -> bool {
        if self.rate == 0 {
            return false;
        }
        self.counter -= 1;
        let dropped = self.counter <= 0;
        if dropped {
            self.counter = self.rate;
        }
        dropped
    }

    /// Whether the states of TCP are those of the defence.
    #[must_use]
    pub fn is_secure(&self, sysctls: &Sysctls) -> bool {
        Sysctls::engaged(sysctls.secure_tcp, self.short)
    }

    /// Entries to look at in this turn, at most `budget`, of a table that has so many.
    pub fn entries_to_look_at(
        &mut self,
        sysctls: &Sysctls,
        now: Tick,
        entries: u32,
        budget: u32,
        chance: &Chance,
    ) -> u32 {
        if !Sysctls::engaged(sysctls.drop_entry, self.short) {
            self.swept = now;
            return 0;
        }
        if self.swept.until(now) >= TICKS_PER_SECOND {
            self.swept = now;
            // The part that is less than one entry is left to chance.
            let more = u64::from(entries % SECONDS) > chance.below(SECONDS.into());
            self.left = entries / SECONDS + u32::from(more);
        }
        let now = self.left.min(budget);
        self.left -= now;
        now
    }

    /// Whether an entry that chance named is to be dropped.
    pub fn drops_entry(&mut self, conn: &Conn, now: Tick) -> bool {
        if self.spares {
            return Worth::of(conn) == Worth::Least && conn.last_seen().until(now) >= PATIENCE;
        }
        let (half_open, established) = match Protocol::from_number(conn.protocol_number()) {
            Some(Protocol::Tcp) => {
                let state = tcp::State::from_number(conn.state());
                (
                    matches!(state, Some(tcp::State::SynRecv | tcp::State::SynAck)),
                    state == Some(tcp::State::Established),
                )
            }
            Some(Protocol::Sctp) => {
                let state = sctp::State::from_number(conn.state());
                (matches!(state, Some(sctp::State::Init1 | sctp::State::Init)), state == Some(sctp::State::Established))
            }
            Some(Protocol::Udp) | None => (false, true),
        };
        half_open || established && self.drops_by_chance(conn, now)
    }

    /// Silent for 60 s, with n of 1 to 8 packets: one in n.
    fn drops_by_chance(&mut self, conn: &Conn, now: Tick) -> bool {
        let silent = conn.last_seen().until(now);
        let packets = conn.in_packets() as usize;
        if silent < 60 * TICKS_PER_SECOND || packets == 0 || packets > FEW {
            return false;
        }
        let counter = &mut self.entries[packets];
        *counter -= 1;
        let dropped = *counter <= 0;
        if dropped {
            *counter = packets as i64;
        }
        dropped
    }
}

/// What a connection is worth to its client, who may have to do without it. From the least on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Worth {
    /// Half open, over, or UDP that nobody answered; where no reply passes here, a single datagram.
    Least,
    /// A single datagram that was answered: a question to a name server, say.
    Little,
    /// All others.
    Full,
}

impl Worth {
    /// Of a connection.
    #[must_use]
    pub fn of(conn: &Conn) -> Self {
        let least = match Protocol::from_number(conn.protocol_number()) {
            Some(Protocol::Tcp) => {
                use tcp::State::{Close, SynAck, SynRecv, TimeWait};
                matches!(tcp::State::from_number(conn.state()), Some(SynRecv | SynAck | TimeWait | Close))
            }
            Some(Protocol::Sctp) => {
                use sctp::State::{Closed, Init, Init1, Rejected};
                matches!(sctp::State::from_number(conn.state()), Some(Init1 | Init | Rejected | Closed))
            }
            Some(Protocol::Udp) | None => return Self::of_datagrams(conn),
        };
        if least { Self::Least } else { Self::Full }
    }

    fn of_datagrams(conn: &Conn) -> Self {
        let (single, one_way) = (conn.in_packets() <= 1, conn.state() == udp::State::OneWay as u8);
        match conn.method().row().has_replies() {
            true if one_way => Self::Least,
            true if single => Self::Little,
            false if single => Self::Least,
            _ => Self::Full,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::conn::New;
    use crate::flow::Tuple;
    use crate::map::Seed;
    use crate::method::ForwardMethod::{self, Dr, Nat};

    /// Connections that a table holds.
    const CAPACITY: u32 = 8000;

    fn tables(set: &[(&str, &str)]) -> Tables {
        let mut sysctls = Sysctls::default();
        set.iter().for_each(|(name, value)| sysctls.set(name, value).expect("a setting"));
        Tables { sysctls: Arc::new(sysctls), ..Tables::new(Seed([1, 2, 3, 4])) }
    }

    #[test]
    fn one_packet_in_so_many_is_dropped_the_first_at_once() {
        let mut defence = Defence::new(Tick(0));
        assert!(!defence.drops_packet());
        defence.look(&tables(&[("drop_packet", "3"), ("am_droprate", "3")]), 100, CAPACITY);
        let dropped: Vec<bool> = (0..8).map(|_| defence.drops_packet()).collect();
        assert_eq!(dropped, [true, false, false, true, false, false, true, false]);
        defence.look(&tables(&[]), 0, CAPACITY);
        assert!((0..8).all(|_| !defence.drops_packet()));
    }

    #[test]
    fn the_automatic_modes_engage_where_room_is_short() {
        let mut defence = Defence::new(Tick(0));
        let auto = tables(&[("drop_packet", "1"), ("secure_tcp", "1"), ("amemthresh", "1000")]);
        defence.look(&auto, 1000, CAPACITY);
        assert!(!defence.is_secure(&auto.sysctls) && !defence.drops_packet());
        defence.look(&auto, 500, CAPACITY);
        assert!(defence.is_secure(&auto.sysctls));
        assert_eq!([defence.drops_packet(), defence.drops_packet(), defence.drops_packet()], [true, false, true]);
        defence.look(&auto, 0, CAPACITY);
        let _ = defence.drops_packet(); // the old pace ends
        assert!((0..3).all(|_| defence.drops_packet()), "without any room, every one");
    }

    #[test]
    fn new_connections_displace_others_near_full_but_not_under_strict_parity() {
        let mut defence = Defence::new(Tick(0));
        let low_water = |defence: &mut Defence, mode: &str, strict: bool| {
            let mut tables = tables(&[("drop_entry", mode)]);
            tables.options.strict_parity = strict;
            defence.look(&tables, 0, CAPACITY);
            defence.low_water()
        };
        let waters = ["0", "1", "3"].map(|mode| [false, true].map(|strict| low_water(&mut defence, mode, strict)));
        assert_eq!(waters, [[0, 0], [1024, 0], [1024, 0]]);
    }

    #[test]
    fn what_is_half_open_over_or_unanswered_is_worth_least() {
        let of = |protocol: Protocol, state: u8, forward: ForwardMethod, in_packets: u32| {
            let tuple = Tuple { protocol: protocol.number(), ..Tuple::default() };
            let mut conn = *New::of4(tuple, tuple, forward).living(Tick(0), 0, state).line();
            (0..in_packets).for_each(|_| conn.count_request());
            Worth::of(&conn)
        };
        let tcp = (0..tcp::STATES as u8).filter(|state| of(Protocol::Tcp, *state, Nat, 9) == Worth::Least);
        let names: Vec<_> = tcp.filter_map(|state| tcp::State::from_number(state).map(tcp::State::name)).collect();
        assert_eq!(names, ["SYN_RECV", "TIME_WAIT", "CLOSE", "SYNACK"]);
        let sctp = (0..sctp::STATES as u8).filter(|state| of(Protocol::Sctp, *state, Dr, 9) == Worth::Least);
        let names: Vec<_> = sctp.filter_map(|state| sctp::State::from_number(state).map(sctp::State::name)).collect();
        assert_eq!(names, ["INIT1", "INIT", "REJECTED", "CLOSED"]);
        let udp = |state: udp::State, forward, packets| of(Protocol::Udp, state as u8, forward, packets);
        let [one_way, stream] = [udp::State::OneWay, udp::State::Stream];
        assert_eq!([1, 9].map(|packets| udp(one_way, Nat, packets)), [Worth::Least; 2]);
        assert_eq!([1, 2].map(|packets| udp(stream, Nat, packets)), [Worth::Little, Worth::Full]);
        assert_eq!([1, 2].map(|packets| udp(stream, Dr, packets)), [Worth::Least, Worth::Full]);
    }

    #[test]
    fn a_32nd_of_the_entries_is_looked_at_each_second_within_the_budget() {
        let mut defence = Defence::new(Tick(0));
        let always = tables(&[("drop_entry", "3")]);
        let (mut looked, chance) = (0, Chance::seeded(7));
        for tick in 0..3200 {
            defence.look(&always, 100, CAPACITY);
            let now = defence.entries_to_look_at(&always.sysctls, Tick(tick), 3216, 40, &chance);
            assert!(now <= 40);
            looked += now;
        }
        assert!((3100..3150).contains(&looked), "31 seconds of 100 or 101: {looked}");
    }
}

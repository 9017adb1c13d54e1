//! Who is connected to the control socket. Seats are few; who idles does not keep others out.
//!
//! ```text
//! a seat is free                       taken
//! else, somebody idles                 of those who hold most seats (by user), the one that has idled longest goes
//! else, root asks, and its reserve     taken
//! is free
//! else                                 turned away
//! ```

use std::collections::HashMap;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;
use std::time::Instant;

/// Most connections at a time, beside those in reserve.
pub const MAX_CONNECTIONS: usize = 64;
/// Further ones for root, where all others are at work.
const RESERVE: usize = 2;

/// Every connection.
#[derive(Debug, Default)]
pub(super) struct Seats {
    next: u64,
    open: HashMap<u64, Seat>,
}

#[derive(Debug)]
struct Seat {
    stream: UnixStream,
    thread: Option<JoinHandle<()>>,
    uid: u32,
    /// Since when it has asked for nothing; `None` while it waits for an answer.
    idle: Option<Instant>,
}

impl Seats {
    /// Finds room for one more connection of a user. Returns the connection that has to go for it, if one has to.
    pub(super) fn room_for(&mut self, uid: u32) -> Result<Option<UnixStream>, String> {
        if self.open.len() < MAX_CONNECTIONS {
            return Ok(None);
        }
        let mut seats_of = HashMap::<u32, usize>::new();
        self.open.values().for_each(|seat| *seats_of.entry(seat.uid).or_default() += 1);
        // Nobody goes for one who holds more, nor root for others.
        let own = seats_of.get(&uid).copied().unwrap_or_default();
        let idle = self.open.iter().filter_map(|(number, seat)| Some((*number, seat.uid, seat.idle?)));
        let idle = idle.filter(|(_, of, _)| seats_of[of] >= own && (*of != 0 || uid == 0));
        let longest = idle.min_by_key(|(_, uid, since)| (usize::MAX - seats_of[uid], *since));
        if let Some((number, ..)) = longest {
            return Ok(self.open.remove(&number).map(|seat| seat.stream));
        }
        if uid == 0 && self.open.len() < MAX_CONNECTIONS + RESERVE {
            return Ok(None);
        }
        Err(format!("{} connections are open, and all wait for an answer; try again later", self.open.len()))
    }

    /// The number of the next connection.
    pub(super) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Takes a seat.
    pub(super) fn take(&mut self, number: u64, stream: UnixStream, thread: JoinHandle<()>, uid: u32) {
        let seat = Seat { stream, thread: Some(thread), uid, idle: Some(Instant::now()) };
        self.open.insert(number, seat);
    }

    /// A connection has asked for something (`false`), or has its answer. Returns whether it still has its seat.
    pub(super) fn idles(&mut self, number: u64, idle: bool) -> bool {
        let seat = self.open.get_mut(&number);
        seat.map(|seat| seat.idle = idle.then(Instant::now)).is_some()
    }

    /// A connection has ended by itself.
    pub(super) fn leave(&mut self, number: u64) {
        self.open.remove(&number);
    }

    /// Whether nobody is there.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Ends all; their threads, to be waited for.
    pub(super) fn close(&mut self) -> Vec<JoinHandle<()>> {
        let seats = self.open.drain().map(|(_, seat)| seat);
        let shut = seats.inspect(|seat| _ = seat.stream.shutdown(Shutdown::Both));
        shut.filter_map(|seat| seat.thread).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seats of these users, all idle, the first for longest.
    fn taken(users: impl IntoIterator<Item = u32>) -> Seats {
        let mut seats = Seats::default();
        for uid in users {
            let (stream, _) = UnixStream::pair().expect("a pair of sockets");
            let number = seats.number();
            seats.take(number, stream, std::thread::spawn(|| ()), uid);
        }
        seats
    }

    fn goes(seats: &mut Seats, uid: u32) -> Option<u64> {
        let before: Vec<u64> = seats.open.keys().copied().collect();
        seats.room_for(uid).expect("there is room");
        before.into_iter().find(|number| !seats.open.contains_key(number))
    }

    #[test]
    fn the_longest_idle_goes_and_first_of_who_has_most() {
        let mut seats = taken([0; MAX_CONNECTIONS - 1]);
        assert_eq!(goes(&mut seats, 5), None, "a seat is free");
        let mut seats = taken([7].into_iter().chain([1000; 40]).chain([7; 23]));
        assert_eq!(goes(&mut seats, 7), Some(2), "1000 holds most; its first has idled longest");
        let mut seats = taken([0].into_iter().chain([1000; MAX_CONNECTIONS - 1]));
        (2..=MAX_CONNECTIONS as u64).for_each(|number| _ = seats.idles(number, false));
        assert!(seats.room_for(1000).is_err(), "root does not go for who has all else");
        let mut seats = taken([1000; MAX_CONNECTIONS]);
        (1..10).for_each(|number| _ = seats.idles(number, false));
        seats.idles(1, true);
        assert_eq!(goes(&mut seats, 1000), Some(10), "who waits for an answer stays, who had one idles anew");
    }

    #[test]
    fn root_has_seats_in_reserve() {
        let mut seats = taken([1000; MAX_CONNECTIONS]);
        (1..=MAX_CONNECTIONS as u64).for_each(|number| _ = seats.idles(number, false));
        assert!(seats.room_for(1000).is_err(), "all are at work");
        for _ in 0..RESERVE {
            assert_eq!(goes(&mut seats, 0), None);
            let more = taken([0]);
            let number = seats.number();
            seats.open.extend(more.open.into_values().map(|seat| (number, Seat { idle: None, ..seat })));
        }
        assert!(seats.room_for(0).is_err(), "the reserve is used up");
        assert_eq!(seats.close().len(), MAX_CONNECTIONS + RESERVE);
    }
}

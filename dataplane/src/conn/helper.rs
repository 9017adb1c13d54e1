//! What helpers keep of connections: what the control connections of FTP are in the middle of. Preallocated and bounded; a
//! connection that has some names it by its index.

use super::index::NONE;

/// Most at a time, of each worker.
pub const MOST: usize = 1 << 16;

/// How a client wants its next data connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The server connects, or nothing has been said.
    #[default]
    Active,
    /// PASV: the server's answer names an address.
    Passive,
    /// EPSV: the server's answer names a port.
    Extended,
}

/// Who looks into a connection's packets, and what it remembers of them.
#[derive(Clone, Copy, Debug)]
pub enum Helper {
    /// FTP, of control connections: what the client asked for last.
    Ftp(Mode),
}

/// What is kept of one connection.
#[derive(Clone, Copy, Debug)]
pub struct Helped {
    /// Its helper.
    pub by: Helper,
    /// By what its data connections name it ([`crate::expected`]), [`NONE`] = it had none.
    pub controller: u32,
}

/// The places for it.
#[derive(Debug)]
pub struct Helpers {
    places: Vec<Helped>,
    free: Vec<u32>,
}

impl Default for Helpers {
    fn default() -> Self {
        Self { places: Vec::with_capacity(MOST), free: Vec::with_capacity(MOST) }
    }
}

impl Helpers {
    /// A place for a new connection's; `None` when all are taken.
    pub fn take(&mut self, by: Helper) -> Option<u32> {
        let new = Helped { by, controller: NONE };
        if let Some(index) = self.free.pop() {
            self.places[index as usize] = new;
            return Some(index);
        }
        if self.places.len() == MOST {
            return None;
        }
        self.places.push(new);
        Some(self.places.len() as u32 - 1)
    }

    /// How many are taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Gives a place back.
    pub fn give(&mut self, index: u32) {
        self.free.push(index);
    }

    /// What is kept at a place.
    #[must_use]
    pub fn get(&self, index: u32) -> Option<&Helped> {
        self.places.get(index as usize)
    }

    /// What is kept at a place, to be changed.
    pub fn get_mut(&mut self, index: u32) -> Option<&mut Helped> {
        self.places.get_mut(index as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_run_out_and_come_back() {
        let mut helpers = Helpers::default();
        let ftp = Helper::Ftp(Mode::default());
        let all: Vec<u32> = std::iter::from_fn(|| helpers.take(ftp)).collect();
        assert_eq!(all.len(), MOST);
        helpers.give(7);
        assert_eq!((helpers.take(ftp), helpers.take(ftp)), (Some(7), None));
    }
}

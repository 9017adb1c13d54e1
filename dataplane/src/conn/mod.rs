//! Connections: the entry, the table that finds it by either of its two keys, its life, and the wheel that ends it.

mod addresses;
mod cold;
mod ends;
mod find;
mod hash;
mod helper;
mod index;
mod journal;
mod later;
mod life;
mod line;
mod links;
mod memory;
mod new;
mod posts;
mod seq;
mod settle;
mod snapshot;
mod table;
mod tags;
mod wheel;

pub use addresses::Addresses;
pub use ends::Six;
pub use hash::HashKey;
pub use helper::{Helped, Helper, Helpers, MOST as MOST_HELPED, Mode};
pub use index::NONE;
pub use journal::{Changes, MOST as MOST_CHANGES};
pub use life::Moved;
pub use line::{Conn, flag};
pub use memory::ConnMemory;
pub use new::New;
pub use seq::{Shift, Shifts};
pub use snapshot::Snapshot;
pub use table::{Confirmed, ConnTable, Found};
pub use wheel::Wheel;

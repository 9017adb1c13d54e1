//! Names of schedulers. What they do is in `sched/`, a file each: here is only what a service says of its own.

use serde::{Deserialize, Serialize};

/// The table of schedulers, one line each: variant, module in `sched/`, name. Hands it to the macro that it is given.
macro_rules! schedulers {
    ($declare:ident) => {
        $declare! {
            /// Round robin.
            Rr rr "rr",
            /// Weighted round robin.
            Wrr wrr "wrr",
            /// Least connections.
            Lc lc "lc",
            /// Weighted least connections.
            Wlc wlc "wlc",
            /// Locality-based least connections.
            Lblc lblc "lblc",
            /// Locality-based least connections with replication.
            Lblcr lblcr "lblcr",
            /// Destination hashing.
            Dh dh "dh",
            /// Source hashing.
            Sh sh "sh",
            /// Maglev hashing.
            Mh mh "mh",
            /// Shortest expected delay.
            Sed sed "sed",
            /// Never queue.
            Nq nq "nq",
            /// Weighted failover.
            Fo fo "fo",
            /// Weighted overflow.
            Ovf ovf "ovf",
            /// The better of two random choices.
            Twos twos "twos",
            /// Nobody.
            None none "none",
        }
    };
}
pub(crate) use schedulers;

/// Declares the names.
macro_rules! names {
    ($($(#[$doc:meta])* $variant:ident $module:ident $name:literal,)*) => {
        /// How a service chooses.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Scheduler { $($(#[$doc])* #[serde(rename = $name)] $variant,)* }

        impl Scheduler {
            /// Every scheduler, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name that ipvsadm and the file use.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}
schedulers!(names);

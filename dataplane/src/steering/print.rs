//! A plan for the operator's eyes: what is in force, what will cross between workers, why, and what would be better.

use std::fmt;

use super::{Case, Plan, PortPlan, Share, Steering, Why};
use crate::words::counted;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let workers = counted(self.workers.into(), "worker");
        let signposts = if self.signposts { "LVS-NAT replies need signposts" } else { "no signposts" };
        writeln!(f, "{workers}, steering by {}, {signposts}", self.steering)?;
        if self.steering != self.asked {
            writeln!(
                f,
                "  {} is configured, but an interface faces both clients and servers (its side is \"both\")",
                self.asked
            )?;
        }
        for port in &self.ports {
            writeln!(f, "{}: {}", port.port.name, port.port.caps)?;
            port.explain(f, self.workers)?;
        }
        Ok(())
    }
}

impl PortPlan {
    fn explain(&self, f: &mut fmt::Formatter<'_>, workers: u16) -> fmt::Result {
        writeln!(f, "  in force: {}, {}", self.case, Readers(self.rx_queues))?;
        let parts = [("requests", self.requests), ("LVS-NAT replies", self.replies)];
        let shares = parts.iter().filter_map(|(what, share)| share.map(|share| format!("{what} {share}")));
        writeln!(f, "  handed to another worker: {}", shares.collect::<Vec<_>>().join(", "))?;
        writeln!(f, "  why: {}", self.why)?;
        if let Some(better) = self.why.better() {
            writeln!(f, "  better: {better}")?;
        }
        if self.tx_queues < workers {
            let queues = counted(self.tx_queues.into(), "tx queue");
            writeln!(f, "  warning: {queues} for {workers} workers; those without one hand over what they send here")?;
        }
        Ok(())
    }
}

/// How many queues there are, and who reads them.
struct Readers(u16);

impl fmt::Display for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("1 rx queue, read by worker 0"),
            queues => write!(f, "{queues} rx queues, worker w reads queue w"),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            0 => f.write_str("none"),
            part => write!(f, "{part}/{}", self.of),
        }
    }
}

impl fmt::Display for Steering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tuple => "tuple",
            Self::Client => "client",
        })
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alone => "one worker",
            Self::Hardware => "the device distributes packets by hash",
            Self::OneQueue => "one worker receives everything and hands packets to the others",
            Self::Anywhere => "packets arrive on any worker and are handed to the right one",
        })
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OneWorker => "with one worker nothing is handed over",
            Self::Hashes => "the device hashes the fields that this steering needs",
            Self::FewQueues => "the device hashes, but has fewer rx queues than there are workers",
            Self::OneQueue => "the device has one rx queue",
            Self::NoHash => "the device does not hash TCP ports",
            Self::Unsettable => "the driver has no way to set the device's hash key or indirection table",
            Self::BothEndsOnly => {
                "the device hashes source and destination, client steering needs a hash of the client's address and port alone"
            }
        })
    }
}

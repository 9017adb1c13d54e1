//! Clients that open, use and close connections: the operations of a `conns` step.

use crate::dice::Dice;
use crate::words::at;

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stand {
    Datagrams,
    HalfOpen,
    Open,
    Over,
}

/// A connection that was opened.
#[derive(Clone, Debug)]
struct Connection {
    /// Who, and where to: `172.16.0.1:2000 @10.0.0.100:80`.
    ends: String,
    stand: Stand,
}

/// Clients of some addresses, and what they have opened.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    addresses: Vec<String>,
    /// Address and port that they go to, and whether it takes datagrams.
    targets: Vec<(String, bool)>,
    /// Servers answer by the director: NAT.
    answered: bool,
    connections: Vec<Connection>,
}

impl Clients {
    /// Clients that have opened nothing yet.
    pub(crate) fn new(addresses: Vec<String>, targets: Vec<(String, bool)>, answered: bool) -> Self {
        Self { addresses, targets, answered, connections: Vec::new() }
    }

    /// Some operations: new connections mostly, of the others what comes next in their life.
    pub(crate) fn batch(&mut self, dice: &mut Dice, count: u64) -> Vec<String> {
        (0..count).map(|_| if dice.percent(60) { self.open(dice) } else { self.go_on(dice) }).collect()
    }

    fn open(&mut self, dice: &mut Dice) -> String {
        let (target, datagrams) = dice.pick(&self.targets);
        // Ports by number, so that no two connections are of the same ends.
        let port = 2000 + 7 * self.connections.len() as u64;
        let ends = format!("{} @{target}", at(&dice.pick(&self.addresses), port));
        let (letter, stand) = if datagrams { ('U', Stand::Datagrams) } else { ('S', Stand::HalfOpen) };
        self.connections.push(Connection { ends: ends.clone(), stand });
        format!("{letter} {ends}")
    }

    fn go_on(&mut self, dice: &mut Dice) -> String {
        if self.connections.is_empty() {
            return self.open(dice);
        }
        let i = dice.number(0..=self.connections.len() as u64 - 1) as usize;
        let (letter, next) = match self.connections[i].stand {
            Stand::Datagrams => ('U', Stand::Datagrams),
            Stand::HalfOpen if self.answered => ('E', Stand::Open),
            Stand::HalfOpen => ('A', Stand::Open),
            Stand::Open => match dice.number(0..=3) {
                0 => ('R', Stand::Over),
                1 | 2 if self.answered => ('F', Stand::Over),
                _ => ('A', Stand::Open),
            },
            // No new SYN: when an entry that ends at once is gone is the clock's affair.
            Stand::Over => ('A', Stand::Over),
        };
        self.connections[i].stand = next;
        format!("{letter} {}", self.connections[i].ends)
    }
}

//! The control socket: one JSON object a line, both ways.
//!
//! ```text
//! {"v":1,"id":7,"op":"services","key":null}
//! {"v":1,"id":7,"ok":{"type":"services",...}}   or   {"v":1,"id":7,"error":{"code":"...","where":"...","text":"..."}}
//! ```
//!
//! [`serve`] has a thread for each connection, so that nobody waits for a slow neighbour. Each reads a line, makes a
//! [`Request`] of it ([`parse_line`]), sends it to the control thread as an [`Ask`] and writes the answer. What is not
//! a request is answered with an error, and the connection goes on. [`SocketClient`] is the other end.

mod client;
mod envelope;
mod lines;
mod listen;
mod seats;
mod serve;
mod strict;
#[cfg(test)]
mod tests;

use crossbeam::channel::Sender;

use crate::api::{Answer, ApiError, Request};
use crate::director::Requester;

pub use client::{SocketClient, no_connection};
pub use envelope::{Id, parse_line};
pub use listen::{ServeError, group, taken};
pub use seats::MAX_CONNECTIONS;
pub use serve::{Server, serve};

/// A request on its way to the control thread, and where the answer goes.
#[derive(Debug)]
pub struct Ask {
    /// What is wanted.
    pub request: Request,
    /// Who wants it.
    pub requester: Requester,
    /// Takes one answer. Dropping it instead is answered with an internal error.
    pub reply: Sender<Result<Answer, ApiError>>,
}

//! `python3 -c "import os; os.setuid(N); os.execv('/sbin/ipvsadm', ['ipvsadm', ...])"`: the tool, called by who may not.

use std::io::{Error, ErrorKind};
use std::path::Path;

use control::api::{Answer, ApiError, Client, Request};

/// The arguments of a tool that somebody else than root calls.
pub(crate) fn tool_of_another(command: &str) -> Option<Vec<String>> {
    let (_, call) = command.split_once("os.setuid(")?.1.split_once("os.execv('/sbin/ipvsadm', [")?;
    let words = call.split_once(']')?.0.split(", ").map(|word| word.trim_matches('\'').to_owned());
    Some(words.skip(1).collect())
}

/// Whoever the mode of the socket keeps out.
pub(crate) struct KeptOut;

impl Client for KeptOut {
    fn ask(&mut self, _: Request) -> Result<Answer, ApiError> {
        let refused = Error::from(ErrorKind::PermissionDenied);
        Err(control::socket::no_connection(Path::new(control::config::DEFAULT_SOCKET), &refused))
    }
}

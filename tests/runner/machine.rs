//! Shell commands of the scenarios that change or ask the machine around the director, as far as the product has words
//! for them:
//!
//! ```text
//! ip route add unreachable NET                                                      a route of its file, and a reload
//! python3 -c "import os; os.setuid(N); os.execv('/sbin/ipvsadm', ['ipvsadm', ...])" the tool of who may not
//! ```

use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use control::api::{Answer, ApiError, Client, Request};

/// The product's configuration as a file, there only while it is read again.
pub(crate) struct File {
    pub(crate) path: PathBuf,
    text: String,
}

impl File {
    /// A name for a text; nothing is written yet.
    pub(crate) fn new(text: String) -> Self {
        static NAMES: AtomicU32 = AtomicU32::new(0);
        let name = format!("sluice-golden-{}-{}.toml", std::process::id(), NAMES.fetch_add(1, Relaxed));
        Self { path: std::env::temp_dir().join(name), text }
    }

    /// Reloads with more in the file.
    pub(crate) fn extend(&mut self, more: &str, client: &mut dyn Client) -> Result<(), String> {
        self.text += more;
        std::fs::write(&self.path, &self.text).map_err(|error| error.to_string())?;
        let answer = client.ask(Request::Reload { prune: false });
        _ = std::fs::remove_file(&self.path);
        answer.map(drop).map_err(|error| error.to_string())
    }
}

/// A route that such a command adds, as a part of the file.
pub(crate) fn route(command: &str) -> Option<String> {
    let net = command.strip_prefix("ip route add unreachable ")?;
    Some(format!("\n[[route]]\nto = \"{net}\"\nunreachable = true\n"))
}

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

//! The operator's end of the socket.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::{Answer, ApiError, Client, Code, MAX_REQUEST, Request, VERSION};

/// A director that says nothing for so long is stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to a director.
#[derive(Debug)]
pub struct SocketClient {
    path: PathBuf,
    stream: BufReader<UnixStream>,
    next_id: u64,
}

impl SocketClient {
    /// Connects to the director that listens on `path`.
    ///
    /// # Errors
    /// That nobody listens there, or that who asks may not ([`Code::Permission`]).
    pub fn connect(path: &Path) -> Result<Self, ApiError> {
        let stream = UnixStream::connect(path).map_err(|error| no_connection(path, &error))?;
        let timeouts = stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.set_write_timeout(Some(PATIENCE)));
        timeouts.map_err(|error| no_connection(path, &error))?;
        Ok(Self { path: path.to_owned(), stream: BufReader::new(stream), next_id: 1 })
    }

    fn broken(&self, error: &io::Error) -> ApiError {
        let path = self.path.display();
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                failure(Code::Timeout, format!("the director on {path} does not answer"))
            }
            _ => failure(Code::Internal, format!("the connection to {path} was lost: {error}")),
        }
    }

    fn read(&mut self) -> Result<Vec<u8>, ApiError> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).map_err(|error| self.broken(&error))?;
        if line.ends_with(b"\n") {
            return Ok(line);
        }
        Err(failure(Code::Internal, format!("the director on {} closed the connection", self.path.display())))
    }
}

impl Client for SocketClient {
    fn ask(&mut self, request: Request) -> Result<Answer, ApiError> {
        let id = self.next_id;
        self.next_id += 1;
        let line = request_line(id, &request)?;
        // Who is turned away has the reason waiting, even if there was no chance to ask.
        let sent = self.stream.get_mut().write_all(&line);
        let answer = match (sent, self.read()) {
            (_, Ok(answer)) => answer,
            (Err(error), Err(_)) => return Err(self.broken(&error)),
            (Ok(()), Err(error)) => return Err(error),
        };
        understand(id, &answer).unwrap_or_else(|text| {
            let path = self.path.display();
            Err(failure(Code::Internal, format!("what answers on {path} does not speak this protocol: {text}")))
        })
    }
}

fn request_line(id: u64, request: &Request) -> Result<Vec<u8>, ApiError> {
    #[derive(Serialize)]
    struct Envelope<'a> {
        v: u32,
        id: u64,
        #[serde(flatten)]
        request: &'a Request,
    }
    let line = serde_json::to_vec(&Envelope { v: VERSION, id, request });
    let mut line = line.map_err(|error| failure(Code::Internal, error.to_string()))?;
    if line.len() > MAX_REQUEST {
        let text = format!("the request has {} bytes; at most {MAX_REQUEST}", line.len());
        return Err(failure(Code::BadRequest, text));
    }
    line.push(b'\n');
    Ok(line)
}

/// The answer to a request, or why the line is none.
fn understand(id: u64, line: &[u8]) -> Result<Result<Answer, ApiError>, String> {
    #[derive(Deserialize)]
    struct Envelope {
        v: u32,
        id: Value,
        ok: Option<Answer>,
        error: Option<ApiError>,
    }
    let envelope: Envelope = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    if envelope.v != VERSION {
        return Err(format!("version {}", envelope.v));
    }
    match (envelope.ok, envelope.error) {
        (None, Some(error)) if envelope.id.is_null() || envelope.id == id => Ok(Err(error)),
        (Some(answer), None) if envelope.id == id => Ok(Ok(answer)),
        (Some(_), None) | (None, Some(_)) => Err(format!("answer {} to request {id}", envelope.id)),
        _ => Err("neither an answer nor an error".to_owned()),
    }
}

fn failure(code: Code, text: String) -> ApiError {
    ApiError { code, place: String::new(), text }
}

/// Why there is no connection to the socket at `path`, as the tools tell it.
#[must_use]
pub fn no_connection(path: &Path, error: &io::Error) -> ApiError {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::PermissionDenied => failure(
            Code::Permission,
            format!("you may not use {path}; be root, or in the group that [control] group of the director names"),
        ),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => failure(
            Code::Internal,
            format!("no director listens on {path}; start one with: sluiced --config /etc/sluice/sluice.toml"),
        ),
        _ => failure(Code::Internal, format!("cannot connect to {path}: {error}")),
    }
}

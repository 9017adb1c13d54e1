//! A client that connects when it is first needed, so that what needs no director (help, a bad option) works without.

use std::path::PathBuf;

use crate::api::{Answer, ApiError, Client, Request};
use crate::socket::SocketClient;

pub(super) struct LazyClient {
    path: PathBuf,
    client: Option<SocketClient>,
}

impl LazyClient {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, client: None }
    }
}

impl Client for LazyClient {
    fn ask(&mut self, request: Request) -> Result<Answer, ApiError> {
        let client = match self.client.take() {
            Some(client) => client,
            None => SocketClient::connect(&self.path)?,
        };
        self.client.insert(client).ask(request)
    }
}

//! Following the pages of a list to their end.

use dataplane::flow::ServiceKey;

use super::{Answer, ApiError, Client, Query, ServiceInfo};

/// Why a list could not be followed.
#[derive(Debug)]
pub enum PageError {
    /// The director refused.
    Refused(ApiError),
    /// The answer was of another kind.
    Strange,
}

impl From<ApiError> for PageError {
    fn from(error: ApiError) -> Self {
        Self::Refused(error)
    }
}

/// Hands every service, or the one with a key, to `take`, each whole: those with more servers than fit on a page are
/// put together. Returns the size of the table as the director gives it.
///
/// # Errors
/// Why it did not come to the end.
pub fn every_service<E: From<PageError>>(
    client: &mut dyn Client,
    key: Option<ServiceKey>,
    mut take: impl FnMut(ServiceInfo) -> Result<(), E>,
) -> Result<u32, E> {
    let mut waiting: Option<ServiceInfo> = None;
    let mut cursor = None;
    loop {
        let answer = client.ask(Query::Services { key, cursor, limit: None }.into()).map_err(PageError::from)?;
        let Answer::Services { table_size, services, next } = answer else { return Err(PageError::Strange.into()) };
        for mut service in services {
            match &mut waiting {
                Some(begun) if begun.spec.key == service.spec.key => begun.servers.append(&mut service.servers),
                _ => waiting.replace(service).map_or(Ok(()), &mut take)?,
            }
        }
        // A director that does not move on would keep us for ever.
        if next.is_none() || next == cursor {
            waiting.map_or(Ok(()), take)?;
            return Ok(table_size);
        }
        cursor = next;
    }
}

/// Hands the pieces of a text to `take`: of the running configuration, of a file of `/proc/net`.
///
/// # Errors
/// Why it did not come to the end.
pub fn every_text<E: From<PageError>>(
    client: &mut dyn Client,
    mut query: Query,
    mut take: impl FnMut(&str) -> Result<(), E>,
) -> Result<(), E> {
    loop {
        let answer = client.ask(query.clone().into()).map_err(PageError::from)?;
        let Answer::Text { text, next } = answer else { return Err(PageError::Strange.into()) };
        take(&text)?;
        match (&mut query, next) {
            (Query::Proc { cursor, .. } | Query::ConfigShow { cursor }, Some(next)) if *cursor != Some(next) => {
                *cursor = Some(next)
            }
            _ => return Ok(()),
        }
    }
}

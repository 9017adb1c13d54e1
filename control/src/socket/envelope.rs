//! A line and what it means: version, id and request, or why it is none.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};

use crate::api::{Answer, ApiError, Code, MAX_REQUEST, Request, ServerSpec, ServiceSpec, VERSION};
use dataplane::flow::ServiceKey;

/// A request's id: any whole number of 64 bits; `None` (null) if there was none that could be read.
pub type Id = Option<Number>;

/// Reads a line of a client.
///
/// # Errors
/// The id, as far as it could be read, and why the line is no request.
pub fn parse_line(line: &[u8]) -> Result<(Id, Request), (Id, ApiError)> {
    let mut fields = object(line).map_err(|error| (None, error))?;
    let id = fields.remove("id");
    let number = id.clone().and_then(whole_number);
    let request = envelope(&mut fields, id.is_some_and(|id| !id.is_null()) && number.is_none())
        .and_then(|()| request(fields, ""));
    match request {
        Ok(request) => Ok((number, request)),
        Err(error) => Err((number, error)),
    }
}

/// An answer as a line.
pub(super) fn answer_line(id: &Id, answer: &Result<Answer, ApiError>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Envelope<'a> {
        v: u32,
        id: &'a Id,
        #[serde(skip_serializing_if = "Option::is_none")]
        ok: Option<&'a Answer>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a ApiError>,
    }
    let envelope = Envelope { v: VERSION, id, ok: answer.as_ref().ok(), error: answer.as_ref().err() };
    let mut line = serde_json::to_vec(&envelope).unwrap_or_default();
    line.push(b'\n');
    line
}

/// The refusal of a line that is longer than allowed.
pub(super) fn too_long() -> ApiError {
    bad("", format!("the line is too long; at most {MAX_REQUEST} bytes"))
}

fn bad(place: impl Into<String>, text: impl Into<String>) -> ApiError {
    ApiError { code: Code::BadRequest, place: place.into(), text: text.into() }
}

fn object(line: &[u8]) -> Result<Map<String, Value>, ApiError> {
    if line.len() > MAX_REQUEST {
        return Err(too_long());
    }
    let text = std::str::from_utf8(line)
        .map_err(|error| bad("", format!("the line is not UTF-8 text: byte {}", error.valid_up_to() + 1)))?;
    match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(bad("", "the line is not a JSON object; a request is {\"v\":1,\"id\":1,\"op\":\"status\"}")),
        Err(error) => Err(bad("", format!("the line is not JSON: {}", reason(&error)))),
    }
}

fn whole_number(value: Value) -> Id {
    match value {
        Value::Number(number) if !number.is_f64() => Some(number),
        _ => None,
    }
}

/// Takes the version, and refuses a bad id.
fn envelope(fields: &mut Map<String, Value>, bad_id: bool) -> Result<(), ApiError> {
    match fields.remove("v") {
        Some(version) if version == VERSION => {}
        Some(version) => return Err(bad("v", format!("version {version} is not spoken here; {VERSION} is"))),
        None => return Err(bad("v", format!("is missing; write \"v\":{VERSION}"))),
    }
    if bad_id { Err(bad("id", "is not a whole number of 64 bits")) } else { Ok(()) }
}

/// Reads a request out of its fields. `path` is where it is, if it is part of a batch.
fn request(fields: Map<String, Value>, path: &str) -> Result<Request, ApiError> {
    if fields.get("op").is_some_and(|op| op == "batch") {
        return batch(fields, path);
    }
    let value = Value::Object(fields);
    let request: Request = serde_json::from_value(value.clone()).map_err(|error| culprit(&value, path, &error))?;
    // Serde lets unknown fields of an operation without fields pass. All that is known is written back.
    let known = serde_json::to_value(&request).unwrap_or_default();
    match stranger(&value, &known, path) {
        Some(place) => Err(bad(place, "unknown field")),
        None => Ok(request),
    }
}

fn batch(mut fields: Map<String, Value>, path: &str) -> Result<Request, ApiError> {
    let place = within(path, "requests");
    fields.remove("op");
    let requests = match fields.remove("requests") {
        Some(Value::Array(requests)) => requests,
        Some(_) => return Err(bad(place, "is not a list")),
        None => return Err(bad(place, "is missing")),
    };
    if let Some((name, _)) = fields.into_iter().next() {
        return Err(bad(within(path, &name), "unknown field"));
    }
    let one = |(index, each)| {
        let place = format!("{place}[{index}]");
        match each {
            Value::Object(fields) => request(fields, &place),
            _ => Err(bad(place, "is not an object")),
        }
    };
    let requests: Result<Vec<Request>, ApiError> = requests.into_iter().enumerate().map(one).collect();
    Ok(Request::Batch { requests: requests? })
}

fn within(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The first field that is in `given` and not in `known`.
fn stranger(given: &Value, known: &Value, path: &str) -> Option<String> {
    let (Value::Object(given), Value::Object(known)) = (given, known) else { return None };
    given.iter().find_map(|(name, value)| {
        let place = within(path, name);
        match known.get(name) {
            Some(known) => stranger(value, known, &place),
            None => Some(place),
        }
    })
}

/// The same error with the field that it is about: the one whose own type refuses it, or the one that serde names.
fn culprit(value: &Value, path: &str, error: &serde_json::Error) -> ApiError {
    let field = |name: &str| value.get(name).unwrap_or(&Value::Null);
    let parts = [
        fault::<ServiceKey>("key", field("key")),
        fault::<ServiceKey>("service.key", field("service").get("key").unwrap_or(&Value::Null)),
        fault::<ServiceSpec>("service", field("service")),
        fault::<ServerSpec>("server", field("server")),
    ];
    let (name, text) = match parts.into_iter().flatten().next() {
        Some((name, error)) if name.ends_with("key") => {
            let forms = "a key is {protocol, address, port} or {fwmark, family}";
            (name.to_owned(), format!("{}; {forms}", reason(&error)))
        }
        Some((name, error)) => (within(name, &quoted(&error)), reason(&error)),
        None => (quoted(error), reason(error)),
    };
    bad(within(path, &name).trim_end_matches('.'), text)
}

fn fault<T: DeserializeOwned>(name: &'static str, value: &Value) -> Option<(&'static str, serde_json::Error)> {
    if value.is_null() {
        return None;
    }
    serde_json::from_value::<T>(value.clone()).err().map(|error| (name, error))
}

/// The field that serde quotes. An unknown variant is that of the field that chooses, `op`, at the top.
fn quoted(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let word = text.split('`').nth(1).unwrap_or_default();
    match text.split(' ').next() {
        Some("unknown") if text.contains("unknown field") => word.to_owned(),
        Some("missing") => word.to_owned(),
        Some("unknown") if text.contains("`services`") => "op".to_owned(),
        _ => String::new(),
    }
}

fn reason(error: &serde_json::Error) -> String {
    error.to_string()
}

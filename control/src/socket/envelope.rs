//! A line and what it means: version, id and request, or why it is none.

use serde::Serialize;
use serde_json::{Map, Number, Value};

use super::strict;
use crate::api::{Answer, ApiError, Batch, Code, Edit, MAX_REQUEST, Request, VERSION};

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
    let request =
        envelope(&mut fields, id.is_some_and(|id| !id.is_null()) && number.is_none()).and_then(|()| request(fields));
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
    match strict::from_str(text) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(bad("", "the line is not a JSON object; a request is {\"v\":1,\"id\":1,\"op\":\"status\"}")),
        Err(error) => Err(bad("", format!("the line is not JSON: {error}"))),
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
        Some(version) => return Err(bad("v", format!("protocol version {version} is not supported; use {VERSION}"))),
        None => return Err(bad("v", format!("is missing; write \"v\":{VERSION}"))),
    }
    if bad_id { Err(bad("id", "is not a whole number (64 bits)")) } else { Ok(()) }
}

/// Reads a request out of its fields.
fn request(fields: Map<String, Value>) -> Result<Request, ApiError> {
    if fields.get("op").is_some_and(|op| op == "batch") {
        return batch(fields);
    }
    let value = Value::Object(fields);
    let request: Request = serde_json::from_value(value.clone()).map_err(|error| culprit(&value, &error))?;
    // Serde lets unknown fields of an operation without fields pass. All that is known is written back.
    let known = serde_json::to_value(&request).unwrap_or_default();
    match stranger(&value, &known, "") {
        Some(place) => Err(bad(place, "unknown field")),
        None => Ok(request),
    }
}

fn batch(mut fields: Map<String, Value>) -> Result<Request, ApiError> {
    fields.remove("op");
    let requests = match fields.remove("requests") {
        Some(Value::Array(requests)) => requests,
        Some(_) => return Err(bad("requests", "is not a list")),
        None => return Err(bad("requests", "is missing")),
    };
    let more = match fields.remove("more") {
        None => false,
        Some(Value::Bool(more)) => more,
        Some(_) => return Err(bad("more", "is not true or false")),
    };
    if let Some((name, _)) = fields.into_iter().next() {
        return Err(bad(name, "unknown field"));
    }
    let one = |(position, each)| match each {
        Value::Object(fields) => request(fields).and_then(Edit::try_from).map_err(|error| error.in_batch(position)),
        _ => Err(bad("", "is not an object").in_batch(position)),
    };
    let requests: Result<Vec<Edit>, ApiError> = requests.into_iter().enumerate().map(one).collect();
    Ok(Batch { requests: requests?, more }.into())
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

/// The refusal that serde gave, with the field that it is about, and in the words of an operator.
fn culprit(value: &Value, error: &serde_json::Error) -> ApiError {
    let text = error.to_string();
    let missing = text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    let mut pointer = String::new();
    while pointer.matches('/').count() < DEEPEST && !missing.is_some_and(|name| lacks(value, &pointer, name, &text)) {
        let Some(deeper) = guilty(value, &pointer, &text) else { break };
        pointer = deeper;
    }
    let mut place: Vec<&str> = pointer.split('/').skip(1).collect();
    place.extend(missing);
    if place.is_empty() && text.starts_with("unknown variant") {
        place.push("op");
    }
    let known = UNTAGGED.iter().find(|(name, _)| text.contains(name)).map(|&(_, form)| form.to_owned());
    bad(place.join("."), known.unwrap_or(text))
}

/// Objects of more fields, and fields further in, are not searched: they are no slip of an operator.
const WIDEST: usize = 32;
const DEEPEST: usize = 4;

/// What to say where serde only knows that no form fits.
const UNTAGGED: [(&str, &str); 2] = [
    ("enum ServiceKey", "a key is {\"protocol\", \"address\", \"port\"} or {\"fwmark\", \"family\"}"),
    ("enum Granularity", "a granularity is an IPv4 mask as \"255.255.255.0\" or the length of an IPv6 prefix"),
];

/// The field of the object at `pointer` without which the error would be another one.
fn guilty(value: &Value, pointer: &str, error: &str) -> Option<String> {
    let object = value.pointer(pointer)?.as_object().filter(|object| object.len() <= WIDEST)?;
    let blameless = |name: &str| verdict(value, pointer, |object| _ = object.remove(name)).is_some_and(|v| v == error);
    let names = object.keys().filter(|name| !(pointer.is_empty() && *name == "op"));
    let name = names.into_iter().find(|name| !blameless(name))?;
    // A name that a pointer would have to escape is no field of ours.
    Some(format!("{pointer}/{}", name.replace(['~', '/'], "_")))
}

/// Whether it is the object at `pointer` that lacks a field.
fn lacks(value: &Value, pointer: &str, name: &str, error: &str) -> bool {
    let with = verdict(value, pointer, |object| _ = object.insert(name.to_owned(), Value::Null));
    with.is_none_or(|other| other != error && !other.starts_with("unknown field"))
}

/// What serde says if the object at `pointer` is changed; `None` if it is content.
fn verdict(value: &Value, pointer: &str, change: impl FnOnce(&mut Map<String, Value>)) -> Option<String> {
    let mut changed = value.clone();
    if let Some(Value::Object(object)) = changed.pointer_mut(pointer) {
        change(object);
    }
    serde_json::from_value::<Request>(changed).err().map(|error| error.to_string())
}

//! A request as it comes and goes on the wire: `{"v":1,"id":7,"op":"add-service",...}`. What its `op` names is one of five
//! types, so that who takes changes cannot be handed a question.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{ApiError, Code, Edit, Observe, Query};

/// What an operator can ask for.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Request {
    /// Reads.
    Query(Query),
    /// Observes packets or the links for a while.
    Observe(Observe),
    /// Changes one thing.
    Edit(Edit),
    /// Changes several things.
    Batch(Batch),
    /// Changes what the file says otherwise than what runs.
    Reload(Reload),
}

/// Several changes, published to the workers together. Stops at the first error, which names its position
/// ([`ApiError::in_batch`]); what stands before it is done and published.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename = "batch", deny_unknown_fields)]
pub struct Batch {
    /// In order.
    #[serde(deserialize_with = "edits")]
    pub requests: Vec<Edit>,
    /// Another batch follows: these may be published together with it, a second later at most, and "done" does not
    /// mean yet that workers have seen them.
    #[serde(default)]
    pub more: bool,
}

/// Reads the configuration file again and converges to it. Answer: [`super::Answer::Reloaded`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename = "reload", deny_unknown_fields)]
pub struct Reload {
    /// Also remove what was made at run time.
    #[serde(default)]
    pub prune: bool,
}

/// The type of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Query,
    Observe,
    Edit,
    Batch,
    Reload,
}

/// Every `op` with its type, in the order in which the refusal of an unknown one lists them.
const OPS: [(&str, Kind); 38] = [
    ("add-service", Kind::Edit),
    ("edit-service", Kind::Edit),
    ("delete-service", Kind::Edit),
    ("add-server", Kind::Edit),
    ("edit-server", Kind::Edit),
    ("delete-server", Kind::Edit),
    ("flush", Kind::Edit),
    ("zero", Kind::Edit),
    ("set-timeouts", Kind::Edit),
    ("add-mark", Kind::Edit),
    ("delete-mark", Kind::Edit),
    ("set-sysctl", Kind::Edit),
    ("add-route", Kind::Edit),
    ("delete-route", Kind::Edit),
    ("delete-vip", Kind::Edit),
    ("sysctls", Kind::Query),
    ("timeouts", Kind::Query),
    ("services", Kind::Query),
    ("connections", Kind::Query),
    ("start-daemon", Kind::Edit),
    ("stop-daemon", Kind::Edit),
    ("daemons", Kind::Query),
    ("status", Kind::Query),
    ("stats", Kind::Query),
    ("neighbors", Kind::Query),
    ("routes", Kind::Query),
    ("vips", Kind::Query),
    ("marks", Kind::Query),
    ("steering", Kind::Query),
    ("reload", Kind::Reload),
    ("config-show", Kind::Query),
    ("proc", Kind::Query),
    ("trace-start", Kind::Observe),
    ("capture-start", Kind::Observe),
    ("watch-next", Kind::Observe),
    ("watch-stop", Kind::Observe),
    ("doctor-arp", Kind::Observe),
    ("batch", Kind::Batch),
];

const NAMES: [&str; OPS.len()] = {
    let mut names = [""; OPS.len()];
    let mut at = 0;
    while at < OPS.len() {
        names[at] = OPS[at].0;
        at += 1;
    }
    names
};

impl<'de> Deserialize<'de> for Request {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        let kind = match value.get("op").and_then(Value::as_str) {
            Some(op) => OPS.iter().find(|(known, _)| *known == op).map(|(_, kind)| *kind),
            // Refused as an edit without an `op`.
            None => Some(Kind::Edit),
        };
        let read = match kind {
            Some(Kind::Query) => Query::deserialize(value).map(Self::Query),
            Some(Kind::Observe) => Observe::deserialize(value).map(Self::Observe),
            Some(Kind::Edit) => Edit::deserialize(value).map(Self::Edit),
            Some(Kind::Batch) => Batch::deserialize(without_op(&mut value)).map(Self::Batch),
            Some(Kind::Reload) => Reload::deserialize(without_op(&mut value)).map(Self::Reload),
            None => Err(serde_json::Error::unknown_variant(value["op"].as_str().unwrap_or_default(), &NAMES)),
        };
        read.map_err(D::Error::custom)
    }
}

/// The fields of a request, without the one that named its type.
fn without_op(value: &mut Value) -> &Value {
    value.as_object_mut().map(|fields| fields.remove("op"));
    value
}

/// The edits of a batch.
fn edits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Edit>, D::Error> {
    let requests = Vec::<Request>::deserialize(deserializer)?;
    requests.into_iter().map(|request| Edit::try_from(request).map_err(D::Error::custom)).collect()
}

impl TryFrom<Request> for Edit {
    type Error = ApiError;

    /// The edit that a request of a batch is.
    fn try_from(request: Request) -> Result<Self, ApiError> {
        match request {
            Request::Edit(edit) => Ok(edit),
            _ => Err(ApiError {
                code: Code::BadRequest,
                place: String::new(),
                text: "only changes of the table can be part of a batch".to_owned(),
            }),
        }
    }
}

impl From<Query> for Request {
    fn from(query: Query) -> Self {
        Self::Query(query)
    }
}

impl From<Observe> for Request {
    fn from(observe: Observe) -> Self {
        Self::Observe(observe)
    }
}

impl From<Edit> for Request {
    fn from(edit: Edit) -> Self {
        Self::Edit(edit)
    }
}

impl From<Batch> for Request {
    fn from(batch: Batch) -> Self {
        Self::Batch(batch)
    }
}

impl From<Reload> for Request {
    fn from(reload: Reload) -> Self {
        Self::Reload(reload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is refused of a request that has no fields but its `op`.
    fn refused(op: &str) -> Option<String> {
        serde_json::from_str::<Request>(&format!(r#"{{"op":"{op}"}}"#)).err().map(|error| error.to_string())
    }

    #[test]
    fn every_op_belongs_to_a_type_that_knows_it() {
        for op in NAMES {
            assert!(refused(op).is_none_or(|error| error.starts_with("missing field")), "{op}: {:?}", refused(op));
        }
        let unknown = refused("nothing").expect("no request");
        assert!(unknown.starts_with("unknown variant `nothing`, expected one of `add-service`, `edit-service`"));
        assert!(unknown.ends_with("`doctor-arp`, `batch`"), "{unknown}");
        let lacks = serde_json::from_str::<Request>("{}").unwrap_err().to_string();
        assert_eq!(lacks, "missing field `op`");
    }

    /// The operations that a type knows, as it names them where it refuses another.
    fn known_to<T: serde::de::DeserializeOwned>() -> Vec<String> {
        let refusal = serde_json::from_str::<T>(r#"{"op":"nothing"}"#).err().expect("no such operation").to_string();
        refusal.split('`').skip(3).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn every_operation_of_a_type_is_in_the_table() {
        let of = |kind: Kind| OPS.into_iter().filter(|(_, of)| *of == kind).map(|(op, _)| op).collect::<Vec<_>>();
        let all = [(of(Kind::Edit), known_to::<Edit>()), (of(Kind::Query), known_to::<Query>())];
        for (mut table, mut known) in all.into_iter().chain([(of(Kind::Observe), known_to::<Observe>())]) {
            table.sort_unstable();
            known.sort_unstable();
            assert_eq!(table, known);
        }
    }

    #[test]
    fn a_request_is_written_as_it_was_read() {
        for text in [
            r#"{"op":"flush"}"#,
            r#"{"op":"status"}"#,
            r#"{"op":"watch-next","watch":7}"#,
            r#"{"op":"reload","prune":true}"#,
            r#"{"op":"batch","requests":[{"op":"zero","key":null},{"op":"delete-vip","address":"::1"}],"more":true}"#,
        ] {
            let request: Request = serde_json::from_str(text).expect(text);
            assert_eq!(serde_json::to_string(&request).expect("text"), text);
        }
    }

    #[test]
    fn a_batch_holds_edits_alone() {
        for op in ["status", "reload", "doctor-arp"] {
            let text = format!(r#"{{"op":"batch","requests":[{{"op":"flush"}},{{"op":"{op}"}}]}}"#);
            let error = serde_json::from_str::<Request>(&text).expect_err("not an edit").to_string();
            assert_eq!(error, "only changes of the table can be part of a batch");
        }
    }
}

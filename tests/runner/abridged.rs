//! Recordings whose long lists of operations and paths were left out, with a text in their place: what they were stands
//! on the left of what was observed.
//!
//! ```text
//! choices   "S 172.16.0.1:4000 -> rs11"          the operation is what stands before the arrow
//! choices   {"ipvsadm": "-e ...", "rc": 0}       a step in the middle says what it was
//! paths     "c:S>fwd[...]1/0 s:SA>back[...]1/0"  the events are what stands before each sign
//! ```

use serde_json::{Value, json};

/// Puts the lists back. What they were must be told, else the recording cannot be read.
pub(crate) fn restore(trace: &mut Value) -> Result<(), String> {
    let observed = trace.pointer("/observed/steps").cloned().unwrap_or_default();
    let steps = trace.pointer_mut("/scenario/steps").and_then(Value::as_array_mut).ok_or("no steps")?;
    for (at, step) in steps.iter_mut().enumerate() {
        let lines = |name: &str| observed[at][name].as_array().map(|lines| lines.iter().filter_map(Value::as_str));
        if let Some(list) = step.pointer_mut("/conns/ops").filter(|list| list.is_string()) {
            let lines = lines("choices").ok_or_else(|| format!("step {at}: operations are left out"))?;
            *list = lines.map(operation).collect::<Result<_, _>>()?;
        }
        if let Some(list) = step.pointer_mut("/flow/paths").filter(|list| list.is_string()) {
            let lines = lines("paths").ok_or_else(|| format!("step {at}: paths are left out"))?;
            *list = lines.map(path).collect();
        }
    }
    Ok(())
}

fn operation(line: &str) -> Result<Value, String> {
    if !line.starts_with('{') {
        return Ok(line.split(" -> ").next().unwrap_or(line).into());
    }
    let step: Value = serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))?;
    match (&step["ipvsadm"], &step["stdin"]) {
        (Value::String(command), Value::Null) => Ok(json!({ "ipvsadm": command })),
        _ => Err(format!("what step this was is not told: {line}")),
    }
}

fn path(line: &str) -> Value {
    let events: Vec<&str> = line.split(' ').filter_map(|word| Some(word.split_once('>')?.0)).collect();
    events.join(" ").into()
}

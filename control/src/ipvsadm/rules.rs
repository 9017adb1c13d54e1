//! Files that `ipvsadm-save` writes, as the changes that they ask for: read at the start of a director.
//!
//! A line is what `ipvsadm -R` takes. Unlike there, lines that begin with `#` are comments, and everything that is wrong
//! is said at once.

use super::command::Task;
use super::errors::Stop;
use super::names::Names;
use super::restore;
use crate::api::Edit;
use crate::config::{ConfigError, ConfigErrors, Place};

/// Reads a text; `file` is its name in errors.
///
/// # Errors
/// Every line that asks for no change, with what ipvsadm says of it.
pub fn read(text: &str, file: &str, names: &Names) -> Result<Vec<(Place, Edit)>, ConfigErrors> {
    let mut changes = Vec::new();
    let mut errors = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let place = Place { file: file.into(), line };
        match change(text, names) {
            Ok(Some(edit)) => changes.push((place, edit)),
            Ok(None) => {}
            Err(text) => errors.push(place.error("", text)),
        }
    }
    ConfigErrors::of(errors).map_or(Ok(changes), Err)
}

fn change(line: &str, names: &Names) -> Result<Option<Edit>, String> {
    let words = restore::words(line);
    if words.first().is_none_or(|word| word.starts_with('#')) {
        return Ok(None);
    }
    match Task::read(&words, names) {
        Ok(Task::Change(_, edit)) => Ok(Some(edit)),
        Err(Stop::Line(text) | Stop::Exit { code: 1.., err: text, .. }) => Err(text),
        _ => Err(format!("{:?} changes nothing; a line is one of -A, -a, -E, -e, -D, -d, -C, -Z, --set", words[0])),
    }
}

/// Reads a file; `None` where there is none yet.
///
/// # Errors
/// That it cannot be read, or everything that is wrong with it.
pub fn load(path: &std::path::Path) -> Result<Option<Vec<(Place, Edit)>>, ConfigErrors> {
    let file = path.display().to_string();
    let unread = |error: &dyn std::fmt::Display| -> ConfigError {
        Place { file: file.as_str().into(), line: 0 }.error("", format!("cannot read the file: {error}"))
    };
    match std::fs::read_to_string(path) {
        Ok(text) => read(&text, &file, &Names::system()).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unread(&error).into()),
    }
}

#[cfg(test)]
mod tests {
    use dataplane::sched::Scheduler;

    use super::*;
    use crate::api::Name;

    fn nameless(text: &str) -> Result<Vec<(Place, Edit)>, ConfigErrors> {
        read(text, "rules", &Names::from_text("", ""))
    }

    #[test]
    fn every_line_is_a_change_with_its_place() {
        let text = "# saved\n-A -t 10.0.0.100:80 -s rr\n\nipvsadm -a -t 10.0.0.100:80 -r 10.1.0.11:8080 -m -w 3\n";
        let changes = nameless(text).expect("two changes");
        assert_eq!(changes.iter().map(|(place, _)| place.line).collect::<Vec<_>>(), [2, 4]);
        assert!(
            matches!(&changes[0].1, Edit::AddService { service } if service.scheduler == Name::Known(Scheduler::Rr))
        );
        assert!(matches!(&changes[1].1, Edit::AddServer { server, .. } if server.weight == 3));
    }

    #[test]
    fn everything_that_is_wrong_is_said_with_its_line() {
        let text = "-A -t 10.0.0.300:80\n-Ln\n-A -t 10.0.0.100:80\n-A -t 10.0.0.100:80 -b nosuch\nbogus\n";
        let errors = nameless(text).expect_err("four lines are wrong").to_string();
        let lines: Vec<&str> = errors.lines().collect();
        assert_eq!(lines.len(), 4, "{errors}");
        assert_eq!(lines[0], "rules:1: illegal virtual server address[:port] specified");
        assert!(lines[1].starts_with("rules:2: \"-Ln\" changes nothing"), "{errors}");
        assert!(lines[2].starts_with("rules:4: invalid scheduler flag `nosuch'"), "{errors}");
        assert!(lines[3].starts_with("rules:5: "), "{errors}");
    }
}

//! Shell commands of the scenarios. The director is asked first; what it does not know and what only reads or uses the
//! tool is done here: `ipvsadm` with files in `/tmp`, `/proc/net/ip_vs*`, `tail`, `grep -c`, `true`, `modprobe`.

use std::collections::HashMap;

use crate::runner::director::Director;

type Answer = (i32, String, String);

/// Files that commands have written, by path; they outlive the command.
pub(crate) type Files = HashMap<String, String>;

/// Runs a command line; `None` if it means nothing to this director.
pub(crate) fn run(director: &mut dyn Director, files: &mut Files, command: &str) -> Option<Answer> {
    if let Some(answer) = director.sh(command) {
        return Some(answer);
    }
    let mut shell = Shell { director, files, rc: 0 };
    let (mut out, mut err) = (String::new(), String::new());
    for part in command.split(';') {
        let (rc, o, e) = shell.pipeline(part)?;
        shell.rc = rc;
        out += &o;
        err += &e;
    }
    Some((shell.rc, out, err))
}

struct Shell<'a> {
    director: &'a mut dyn Director,
    files: &'a mut Files,
    /// `$?`
    rc: i32,
}

impl Shell<'_> {
    fn pipeline(&mut self, text: &str) -> Option<Answer> {
        let mut stages = text.split('|');
        let (mut rc, mut out, mut err) = self.redirected(stages.next()?.trim())?;
        for stage in stages {
            let words: Vec<&str> = stage.split_whitespace().collect();
            let (code, text, more) = match words.as_slice() {
                ["ipvsadm", args @ ..] => self.director.ipvsadm(&args.join(" "), Some(&out)),
                other => filter(other, &out)?,
            };
            (rc, out) = (code, text);
            err += &more;
        }
        Some((rc, out, err))
    }

    /// The first command of a pipeline, with `< FILE` or `> FILE`.
    fn redirected(&mut self, text: &str) -> Option<Answer> {
        if let Some((command, file)) = text.split_once('>') {
            let (rc, out, err) = self.command(command, None)?;
            self.files.insert(file.trim().into(), out);
            return Some((rc, String::new(), err));
        }
        match text.split_once('<') {
            Some((command, file)) => {
                let input = self.files.get(file.trim())?.clone();
                self.command(command, Some(&input))
            }
            None => self.command(text, None),
        }
    }

    fn command(&mut self, text: &str, stdin: Option<&str>) -> Option<Answer> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            ["ipvsadm", args @ ..] => Some(self.director.ipvsadm(&args.join(" "), stdin)),
            // Debian's wrapper: the tool's -S.
            ["ipvsadm-save", args @ ..] => Some(self.director.ipvsadm(&["-S", &args.join(" ")].join(" "), stdin)),
            ["echo", "rc=$?"] => Some((0, format!("rc={}\n", self.rc), String::new())),
            ["true"] | ["modprobe", _] => Some((0, String::new(), String::new())),
            ["cat", path] => self.read(path).map(|text| (0, text, String::new())),
            ["grep", "-c", word, path] => filter(&["grep", "-c", word], &self.read(path)?),
            _ => None,
        }
    }

    fn read(&mut self, path: &str) -> Option<String> {
        let name = match path {
            "/proc/net/ip_vs_conn" => "conn",
            "/proc/net/ip_vs" => "proc",
            "/proc/net/ip_vs_stats" => "stats",
            "/proc/net/ip_vs_app" => "app",
            _ => path.strip_prefix("/proc/net/ip_vs_")?,
        };
        self.director.proc(name).ok()
    }
}

fn filter(words: &[&str], input: &str) -> Option<Answer> {
    match words {
        ["tail", "-n", from] => {
            let first: usize = from.strip_prefix('+')?.parse().ok()?;
            Some((0, input.split_inclusive('\n').skip(first - 1).collect(), String::new()))
        }
        ["grep", "-c", word] => {
            let count = input.lines().filter(|line| line.contains(word)).count();
            Some((i32::from(count == 0), format!("{count}\n"), String::new()))
        }
        _ => None,
    }
}

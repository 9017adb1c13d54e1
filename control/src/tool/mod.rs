//! The operator's tool, `sluice`: each subcommand asks the director one thing and prints the answer, as a table or, with
//! `--json`, as the answer itself. Under the names `ipvsadm`, `ipvsadm-save` and `ipvsadm-restore` it is those.

mod args;
mod conns;
mod doctor;
mod lazy;
mod marks;
mod network;
mod services;
mod stats;
mod status;
mod table;
#[cfg(test)]
mod tests;
mod watch;
#[cfg(test)]
mod watch_tests;

use std::io::{self, BufRead, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use crate::api::{Answer, ApiError, Client, Code, Edit, PageError, Query, Reload, Request, every_text};
use crate::config::DEFAULT_SOCKET;
use crate::ipvsadm::{self, Outcome, scripts};

use args::{Arguments, Command, ConfigCommand, DoctorCommand, VipCommand};
use lazy::LazyClient;

/// Where a tool without options looks for the socket.
const SOCKET_VARIABLE: &str = "SLUICE_SOCKET";

/// The whole program.
#[must_use]
pub fn main() -> ExitCode {
    let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let stdin = &mut io::stdin().lock();
    let client = &mut LazyClient::new(default_socket());
    let code = if let Some(outcome) = of_ipvsadm(&words, stdin, client) {
        tell(&outcome, &mut io::stdout().lock(), &mut io::stderr())
    } else {
        let arguments = Arguments::parse_from(like_ip_route(words));
        let client = &mut LazyClient::new(arguments.socket.clone().unwrap_or_else(default_socket));
        run(&arguments, stdin, client, &mut BufWriter::new(io::stdout().lock()), &mut io::stderr())
    };
    ExitCode::from(code)
}

/// The words of ip-route(8) after `route add` and `route del`, as options.
fn like_ip_route(mut words: Vec<String>) -> Vec<String> {
    const WORDS: [(&str, &str); 4] =
        [("via", "--via"), ("dev", "--interface"), ("unreachable", "--unreachable"), ("blackhole", "--blackhole")];
    let begins = words.windows(2).position(|pair| pair[0] == "route" && matches!(&*pair[1], "add" | "del"));
    for at in begins.map_or(words.len(), |at| at + 2)..words.len() {
        let is_value = ["--via", "--interface", "--socket"].contains(&&*words[at - 1]);
        if let Some((_, option)) = WORDS.iter().find(|(word, _)| !is_value && *word == words[at]) {
            words[at] = (*option).to_owned();
        }
    }
    words
}

/// What the programs of ipvsadm do, if this is called as one of them.
fn of_ipvsadm(words: &[String], stdin: &mut dyn BufRead, client: &mut dyn Client) -> Option<Outcome> {
    let (program, args) = words.split_first()?;
    match Path::new(program).file_name()?.to_str()? {
        "ipvsadm" => Some(ipvsadm::run(args, stdin, client)),
        "ipvsadm-save" => Some(scripts::save(args, stdin, client)),
        "ipvsadm-restore" => Some(scripts::restore(stdin, client)),
        _ => None,
    }
}

fn default_socket() -> PathBuf {
    let configured = std::env::var_os(SOCKET_VARIABLE).filter(|path| !path.is_empty());
    configured.map_or_else(|| PathBuf::from(DEFAULT_SOCKET), PathBuf::from)
}

/// Exit code where a change is applied, or a list printed, and a worker is late.
pub const LATE: u8 = 4;

/// Why a subcommand did not do what it should.
#[derive(Debug)]
enum Failure {
    /// The director refused.
    Refused(ApiError),
    /// It is done, but for a worker that is late.
    Late(String),
    /// The output does not take any more.
    Output(io::Error),
    /// A file cannot be written.
    File(PathBuf, io::Error),
    /// The director answered something else.
    Strange,
    /// What was looked for and should not be there is there; it has been told.
    Found,
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        if error.code == Code::Late { Self::Late(error.text) } else { Self::Refused(error) }
    }
}

impl From<PageError> for Failure {
    fn from(error: PageError) -> Self {
        match error {
            PageError::Refused(error) => error.into(),
            PageError::Strange => Self::Strange,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Runs a subcommand; the exit code.
fn run(
    arguments: &Arguments,
    stdin: &mut dyn BufRead,
    client: &mut dyn Client,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    if let Command::Ipvsadm { args } = &arguments.command {
        if arguments.json {
            _ = writeln!(err, "sluice: ipvsadm has no JSON; use sluice --json services, conns, stats or sysctl");
            return 2;
        }
        return tell(&ipvsadm::run(args, stdin, client), out, err);
    }
    let done = dispatch(arguments, client, out).and_then(|()| Ok(out.flush()?));
    let said = match done {
        Ok(()) => return 0,
        Err(Failure::Found) => out.flush(),
        // Who reads us has seen enough, as `head` does.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => return 0,
        Err(Failure::Output(error)) => writeln!(err, "sluice: cannot write: {error}"),
        Err(Failure::File(path, error)) => writeln!(err, "sluice: cannot write {}: {error}", path.display()),
        Err(Failure::Late(text)) => {
            _ = out.flush().and_then(|()| writeln!(err, "sluice: {text}"));
            return LATE;
        }
        Err(Failure::Refused(error)) => {
            _ = out.flush();
            writeln!(err, "sluice: {error}")
        }
        Err(Failure::Strange) => {
            writeln!(err, "sluice: unexpected answer; do tool and director have the same version?")
        }
    };
    _ = said;
    1
}

/// Prints how a call of ipvsadm ended; the exit code.
fn tell(outcome: &Outcome, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    // As for ipvsadm itself, nobody hears that nobody listens.
    _ = out.write_all(outcome.out.as_bytes()).and_then(|()| out.flush());
    _ = err.write_all(outcome.err.as_bytes());
    // As exit(3): the lowest eight bits.
    u8::try_from(outcome.code & 0xff).unwrap_or(1)
}

fn dispatch(arguments: &Arguments, client: &mut dyn Client, out: &mut dyn Write) -> Result<(), Failure> {
    let json = arguments.json;
    let request = match &arguments.command {
        Command::Conns(options) => return conns::run(options, json, client, out),
        Command::Trace(options) => return watch::trace(options, json, client, out),
        Command::Capture(options) => return watch::capture(options, json, client, out),
        Command::Doctor { command: DoctorCommand::Arp } => return doctor::arp(json, client, out),
        Command::Services => return services::run(json, client, out),
        Command::Vip { command: VipCommand::List } => return network::vips(json, client, out),
        Command::Vip { command: VipCommand::Del { address } } => Edit::DeleteVip { address: *address }.into(),
        Command::Proc { name } => return text(Query::Proc { name: name.clone(), cursor: None }, json, client, out),
        Command::Status => Query::Status.into(),
        Command::Stats { .. } => Query::Stats.into(),
        Command::Neigh => Query::Neighbors.into(),
        Command::Routes => Query::Routes.into(),
        Command::Route { command } => network::change_route(command).into(),
        Command::Steering => Query::Steering.into(),
        Command::Mark { command } => command.request(),
        Command::Sysctl { setting } => sysctl(setting.as_deref()),
        Command::Reload { prune } => Reload { prune: *prune }.into(),
        Command::Config { command: ConfigCommand::Show } => {
            return text(Query::ConfigShow { cursor: None }, json, client, out);
        }
        // Has been taken care of.
        Command::Ipvsadm { .. } => return Ok(()),
    };
    let answer = client.ask(request)?;
    if json {
        print_json(&answer, out)?;
        return if let Answer::Reloaded { late: Some(late), .. } = answer { Err(Failure::Late(late)) } else { Ok(()) };
    }
    show(&arguments.command, &answer, out)
}

/// `name=value` writes, `name` reads, nothing reads all.
fn sysctl(setting: Option<&str>) -> Request {
    let bare = |name: &str| {
        let name = name.trim().replace('/', ".");
        name.strip_prefix("net.ipv4.vs.").map_or(name.clone(), str::to_owned)
    };
    match setting.map(|setting| setting.split_once('=').ok_or(setting)) {
        None => Query::Sysctls { name: None }.into(),
        Some(Err(name)) => Query::Sysctls { name: Some(bare(name)) }.into(),
        Some(Ok((name, value))) => Edit::SetSysctl { name: bare(name), value: value.trim().to_owned() }.into(),
    }
}

/// A text, page by page; as JSON in one.
fn text(query: Query, json: bool, client: &mut dyn Client, out: &mut dyn Write) -> Result<(), Failure> {
    if !json {
        return every_text(client, query, |piece| Ok(out.write_all(piece.as_bytes())?));
    }
    let mut text = String::new();
    every_text(client, query, |piece| {
        text += piece;
        Ok::<_, Failure>(())
    })?;
    print_json(&Answer::Text { text, next: None }, out)
}

fn print_json(value: &impl serde::Serialize, out: &mut dyn Write) -> Result<(), Failure> {
    serde_json::to_writer(&mut *out, value).map_err(io::Error::from)?;
    Ok(writeln!(out)?)
}

/// An answer for people.
fn show(command: &Command, answer: &Answer, out: &mut dyn Write) -> Result<(), Failure> {
    match answer {
        Answer::Status(status) => status::print(status, out)?,
        Answer::Stats(report) => {
            let &Command::Stats { all, workers } = command else { return Err(Failure::Strange) };
            stats::print(report, all, workers, out)?;
        }
        Answer::Neighbors { neighbors } => network::print_neighbors(neighbors, out)?,
        Answer::Routes { routes } => network::print_routes(routes, out)?,
        Answer::Marks { rules } => marks::print(rules, out)?,
        Answer::Sysctls { settings } => {
            settings.iter().try_for_each(|(name, value)| writeln!(out, "net.ipv4.vs.{name} = {value}"))?;
        }
        Answer::Steering(report) => out.write_all(report.text.as_bytes())?,
        Answer::Reloaded { changes, late } => {
            changes.iter().try_for_each(|change| writeln!(out, "{change}"))?;
            if changes.is_empty() {
                writeln!(out, "nothing changed")?;
            }
            late.as_ref().map_or(Ok(()), |text| Err(Failure::Late(text.clone())))?;
        }
        Answer::Text { text, .. } => out.write_all(text.as_bytes())?,
        Answer::Done => {}
        Answer::Services { .. }
        | Answer::Connections { .. }
        | Answer::Timeouts { .. }
        | Answer::Vips { .. }
        | Answer::Daemons { .. }
        | Answer::Watching(_)
        | Answer::DoctorArp(_)
        | Answer::Watched(_) => return Err(Failure::Strange),
    }
    Ok(())
}

//! Why a line did nothing: the texts and exit codes of ipvsadm, and what it calls the refusals of the director.

use crate::api::rules::Fault;
use crate::api::{ApiError, Code};

/// Exit code of a refused option or argument.
pub(super) const USAGE: i32 = 2;
/// Exit code of a request that the director refused.
pub(super) const REFUSED: i32 = 255;
/// Exit code of a change that is applied, or a list that is printed, where a worker is late.
pub(super) const LATE: i32 = crate::tool::LATE as i32;

const TRY: &str = "Try `ipvsadm -h' or 'ipvsadm --help' for more information.";
const UNICAST: &str = "Invalid operation.  Possibly wrong module version, address not unicast, ...";
const NOT_ROOT: &str = "Can't initialize ipvs: Permission denied (you must be root)\n\
                        Are you sure that IP Virtual Server is built in the kernel or as module?";

/// How a line ends early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// ipvsadm ends, also in the middle of a restore.
    Exit {
        /// Its exit code.
        code: i32,
        /// Standard output.
        out: String,
        /// Standard error, a line without its end; may be empty.
        err: String,
    },
    /// The line failed with [`REFUSED`]; a restore goes on with the next.
    Line(String),
}

impl Stop {
    /// A refused option or argument.
    pub(super) fn usage(text: impl Into<String>) -> Self {
        Self::fatal(USAGE, text)
    }

    /// An end with an exit code and a text.
    pub(super) fn fatal(code: i32, text: impl Into<String>) -> Self {
        Self::Exit { code, out: String::new(), err: text.into() }
    }

    /// The hint at the help page.
    pub(super) fn hint() -> Self {
        Self::fatal(REFUSED, TRY)
    }

    /// An answer instead of a deed.
    pub(super) fn answer(out: impl Into<String>) -> Self {
        Self::Exit { code: 0, out: out.into(), err: String::new() }
    }
}

/// What was asked for, as far as the texts differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    AddService,
    EditService,
    /// Delete, zero or list a service.
    FindService,
    AddServer,
    /// Edit or delete a server.
    FindServer,
    StartDaemon,
    StopDaemon,
    Other,
}

/// What ipvsadm says of a fault that it looks for itself.
pub(super) fn fault(fault: &Fault) -> String {
    match fault {
        Fault::NoPort => "Zero port specified for non-persistent service".to_owned(),
        Fault::OnePacket => "One-Packet Scheduling is only for UDP virtual services".to_owned(),
        Fault::Family(_) => "Different address family is allowed only for tunneling servers".to_owned(),
        other => other.to_string(),
    }
}

/// The refusal of a change. Without permission nothing goes on.
pub(super) fn refused(deed: Deed, error: &ApiError) -> Stop {
    match error.code {
        Code::Permission => Stop::fatal(USAGE, NOT_ROOT),
        _ => Stop::Line(text(deed, error)),
    }
}

/// The refusal of a listing.
pub(super) fn not_listed(error: &ApiError) -> Stop {
    match error.code {
        Code::Permission => Stop::fatal(USAGE, NOT_ROOT),
        Code::NoService => no_such_service(),
        _ => Stop::fatal(REFUSED, text(Deed::Other, error)),
    }
}

/// The listing of a service that is not there.
pub(super) fn no_such_service() -> Stop {
    Stop::fatal(1, "No such service")
}

/// ipvsadm's words where it has any, the director's elsewhere.
fn text(deed: Deed, error: &ApiError) -> String {
    let known = match (error.code, deed) {
        (Code::Invalid, _) => UNICAST,
        (Code::Range, _) => "Numerical result out of range",
        (Code::NoDevice, _) => "No such device",
        (Code::Exists, Deed::AddService) => "Service already exists",
        (Code::Exists, Deed::AddServer) => "Destination already exists",
        (Code::Exists, Deed::StartDaemon) => "Daemon has already run",
        (Code::NoEntry, Deed::AddService | Deed::EditService) => "Scheduler or persistence engine not found",
        (Code::NoEntry, Deed::FindServer) => "No such destination",
        (Code::NoService, Deed::EditService | Deed::FindService) => "No such service",
        (Code::NoService, Deed::AddServer | Deed::FindServer) => "Service not defined",
        (Code::NoService, Deed::StopDaemon) => "No daemon is running",
        _ => return error.to_string(),
    };
    known.to_owned()
}

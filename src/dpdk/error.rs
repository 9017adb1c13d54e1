//! Failures of DPDK as values: errno becomes a variant at once, and the driver's own words come along.

use std::ffi::CStr;
use std::fmt;

/// Error numbers that callers tell apart; DPDK's own (above 1000) and the rest keep their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errno {
    /// The call returned -1 and left no number.
    Unspecified,
    /// ENOENT: no such object.
    NotFound,
    /// EAGAIN: try again.
    Again,
    /// ENOMEM: out of memory.
    NoMemory,
    /// EACCES: permission denied.
    Denied,
    /// EBUSY: in use.
    Busy,
    /// EEXIST: exists already.
    Exists,
    /// ENODEV: no such device, or no driver took it.
    NoDevice,
    /// EINVAL: an argument is wrong.
    Invalid,
    /// ENOTSUP: the device cannot.
    Unsupported,
    /// Any other number.
    Other(i32),
}

/// The variants that have a number of their own.
const NUMBERED: [(i32, Errno); 9] = [
    (2, Errno::NotFound),
    (11, Errno::Again),
    (12, Errno::NoMemory),
    (13, Errno::Denied),
    (16, Errno::Busy),
    (17, Errno::Exists),
    (19, Errno::NoDevice),
    (22, Errno::Invalid),
    (95, Errno::Unsupported),
];

impl Errno {
    /// From the negative number that most of DPDK returns. A bare -1 says nothing (drivers rarely mean EPERM).
    pub(super) fn returned(code: i32) -> Self {
        if code == -1 { Self::Unspecified } else { Self::numbered(code.saturating_abs()) }
    }

    /// From the calling thread's `rte_errno`, for functions that return -1 or NULL.
    pub(super) fn last() -> Self {
        // SAFETY: reads a thread-local integer.
        Self::numbered(unsafe { dpdk_sys::shim_rte_errno() })
    }

    fn numbered(code: i32) -> Self {
        let known = NUMBERED.iter().find(|(number, _)| *number == code);
        known.map_or(if code == 0 { Self::Unspecified } else { Self::Other(code) }, |(_, errno)| *errno)
    }

    fn code(self) -> Option<i32> {
        match self {
            Self::Unspecified => None,
            Self::Other(code) => Some(code),
            named => NUMBERED.iter().find(|(_, errno)| *errno == named).map(|(number, _)| *number),
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(code) = self.code() else { return f.write_str("it failed without an error number") };
        // SAFETY: rte_strerror returns a NUL-terminated string that stays valid until this thread's next call of it.
        let text = unsafe { CStr::from_ptr(dpdk_sys::rte_strerror(code)) };
        f.write_str(&text.to_string_lossy())
    }
}

/// Why a call failed: its error number, and what DPDK logged on this thread while it ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    /// The error number.
    pub(crate) errno: Errno,
    /// Lines of warning level and above, oldest first.
    pub(crate) said: Vec<String>,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.errno, self.said.join("; ")) {
            (errno, said) if said.is_empty() => write!(f, "{errno}"),
            (Errno::Unspecified, said) => f.write_str(&said),
            (errno, said) => write!(f, "{errno} ({said})"),
        }
    }
}

/// What the safe face of DPDK reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// DPDK starts once per process, even if it failed or was stopped.
    AlreadyStarted,
    /// A string that cannot be passed to C.
    Nul(String),
    /// The environment did not start.
    Eal(Cause),
    /// A thread could not join the environment.
    Thread(Cause),
    /// A packet pool could not be made.
    Pool {
        /// Its name.
        name: String,
        /// Why not.
        cause: Cause,
    },
    /// A device specification that says nothing we know.
    Spec {
        /// What was written.
        text: String,
        /// What would be right.
        why: String,
    },
    /// A device that did not do what it was told.
    Device {
        /// The interface of the configuration.
        interface: String,
        /// Its device, as configured.
        device: String,
        /// What was tried.
        step: &'static str,
        /// Why it failed.
        cause: Cause,
    },
    /// A device, or the pool meant for it, that offers less than what is wanted.
    Offer {
        /// The interface of the configuration.
        interface: String,
        /// Its device, as configured.
        device: String,
        /// What the configuration asks for.
        wanted: String,
        /// What there is.
        offered: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyStarted => f.write_str("DPDK has been started in this process before; it starts once"),
            Self::Nul(text) => write!(f, "{text:?} contains a zero byte"),
            Self::Eal(cause) => write!(f, "DPDK does not start: {cause}"),
            Self::Thread(cause) => write!(f, "cannot register this thread with DPDK: {cause}"),
            Self::Pool { name, cause } => write!(f, "cannot create packet pool {name:?}: {cause}"),
            Self::Spec { text, why } => write!(f, "device {text:?}: {why}"),
            Self::Device { interface, device, step, cause } => {
                write!(f, "interface {interface:?}, device {device:?}: cannot {step}: {cause}")
            }
            Self::Offer { interface, device, wanted, offered } => {
                write!(f, "interface {interface:?}, device {device:?}: needs {wanted}, but {offered}")
            }
        }
    }
}

impl std::error::Error for Error {}

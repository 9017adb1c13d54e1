//! The settings of `net.ipv4.vs`: names, defaults and what may be written, as the kernel has them
//! (`Documentation/networking/ipvs-sysctl.rst`, `ip_vs_ctl.c`). Workers read them as one immutable value.

/// What may be written.
#[derive(Clone, Copy, Debug)]
enum Rule {
    /// Any number that fits.
    Any,
    /// From, to.
    Range(i32, i32),
    /// 1, 2, 4, ...
    PowerOfTwo,
    /// Of a defence: 0 never, 1 and 2 where room is short, 3 always. Which of 1 and 2 it is says whether room is short now,
    /// whatever was written (`update_defense_level`).
    Mode,
}

impl Rule {
    fn allows(self, value: i32) -> bool {
        match self {
            Self::Any => true,
            Self::Range(low, high) => (low..=high).contains(&value),
            Self::PowerOfTwo => value > 0 && value.count_ones() == 1,
            Self::Mode => (0..=3).contains(&value),
        }
    }

    /// What is allowed, in words.
    fn words(self) -> String {
        match self {
            Self::Any => format!("a whole number, {} to {}", i32::MIN, i32::MAX),
            Self::Range(low, high) => format!("{low} to {high}"),
            Self::PowerOfTwo => "1, 2, 4, 8, ...".to_owned(),
            Self::Mode => "0 (never), 1 (automatic) or 3 (always)".to_owned(),
        }
    }

    /// What is kept of a value that is allowed.
    fn kept(self, value: i32) -> i32 {
        match self {
            Self::Mode if value == ENGAGED => AUTOMATIC,
            _ => value,
        }
    }
}

/// The mode of a defence that engages where room is short, and how it reads while it is.
const AUTOMATIC: i32 = 1;
const ENGAGED: i32 = 2;

/// Why a setting is not written or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SysctlError {
    /// There is no such setting (ENOENT).
    Unknown,
    /// It does not take that value (EINVAL).
    Invalid,
}

/// Declares settings: name, default, rule.
macro_rules! sysctls {
    ($($(#[$doc:meta])* $name:ident = $default:literal, $rule:expr;)*) => {
        /// Every setting.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Sysctls {
            $($(#[$doc])* pub $name: i32,)*
            /// Of every so many packets of a connection, which one is synchronised.
            pub sync_threshold: [i32; 2],
        }

        impl Default for Sysctls {
            fn default() -> Self {
                Self { $($name: $default,)* sync_threshold: [3, 50] }
            }
        }

        impl Sysctls {
            /// Every name, in alphabetical order but for the last.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name),)* PAIR];

            fn number(&mut self, name: &str) -> Option<(&mut i32, Rule)> {
                match name {
                    $(stringify!($name) => Some((&mut self.$name, $rule)),)*
                    _ => None,
                }
            }
        }
    };
}

/// The setting of two numbers.
const PAIR: &str = "sync_threshold";

sysctls! {
    /// One of so many packets is dropped, where `drop_packet` is 3.
    am_droprate = 10, Rule::Any;
    /// Free connections below which the automatic defences engage.
    amemthresh = 1024, Rule::Any;
    /// A backup director leaves packets alone.
    backup_only = 0, Rule::Any;
    /// Services by mark without a server send to the original destination.
    cache_bypass = 0, Rule::Any;
    /// Bits: 1 a new SYN takes the tuple of a connection in TIME_WAIT or CLOSE, 2 also in FIN_WAIT of DR and TUN.
    conn_reuse_mode = 1, Rule::Any;
    /// Connections are tracked by netfilter, too; there is none here.
    conntrack = 0, Rule::Any;
    /// How much the kernel logs.
    debug_level = 0, Rule::Any;
    /// Whether connections of least value end before their time: 0 never, 1 when room is short, 3 always.
    drop_entry = 0, Rule::Mode;
    /// Whether packets that would start connections are dropped: 0 never, 1 when room is short, 3 always.
    drop_packet = 0, Rule::Mode;
    /// CPUs of the kernel's estimators.
    est_cpulist = 0, Rule::Any;
    /// Niceness of the kernel's estimators.
    est_nice = 0, Rule::Range(-20, 19);
    /// Connections of a removed server end at their next packet.
    expire_nodest_conn = 0, Rule::Any;
    /// Templates of a quiesced server do not count.
    expire_quiescent_template = 0, Rule::Any;
    /// Packets that arrive in a tunnel are left alone: without effect, as in Linux 6.12.
    ignore_tunneled = 0, Rule::Any;
    /// Seconds after which lblc forgets a destination.
    lblc_expiration = 86400, Rule::Any;
    /// Seconds after which lblcr shrinks or forgets the servers of a destination.
    lblcr_expiration = 86400, Rule::Any;
    /// A NAT server's packet from a service's port that belongs to no connection is answered with an ICMP error.
    nat_icmp_send = 0, Rule::Any;
    /// Path MTU discovery in tunnels.
    pmtu_disc = 1, Rule::Any;
    /// Rates are estimated.
    run_estimation = 1, Rule::Any;
    /// ICMP errors may start connections.
    schedule_icmp = 0, Rule::Any;
    /// The states of TCP are those of the defence: 0 never, 1 when room is short, 3 always.
    secure_tcp = 0, Rule::Mode;
    /// SCTP connections may be picked up in the middle.
    sloppy_sctp = 0, Rule::Any;
    /// TCP connections may be picked up in the middle.
    sloppy_tcp = 0, Rule::Any;
    /// Replies are routed anew after NAT.
    snat_reroute = 1, Rule::Any;
    /// Only templates of persistent connections are synchronised.
    sync_persist_mode = 0, Rule::Any;
    /// Threads of the synchronisation daemon.
    sync_ports = 1, Rule::PowerOfTwo;
    /// Most messages that wait to be synchronised.
    sync_qlen_max = 2880, Rule::Any;
    /// Seconds between two messages about one connection.
    sync_refresh_period = 0, Rule::Any;
    /// How often a message is repeated.
    sync_retries = 0, Rule::Range(0, 3);
    /// Bytes of the synchronisation socket's buffer.
    sync_sock_size = 0, Rule::Any;
    /// Format of synchronisation messages.
    sync_version = 1, Rule::Range(0, 1);
}

impl Sysctls {
    /// What counts where nobody says otherwise: the kernel's settings, but that near full a table defends itself. Under
    /// `strict_parity` that, too, is the operator's to say.
    #[must_use]
    pub fn usual(strict_parity: bool) -> Self {
        Self { drop_entry: if strict_parity { 0 } else { AUTOMATIC }, ..Self::default() }
    }

    /// A setting as the kernel prints it while room is short, or is not: an automatic defence that is engaged reads 2.
    pub fn read(&self, name: &str, short: bool) -> Result<String, SysctlError> {
        let mut copy = self.clone();
        match copy.number(name) {
            Some((&mut AUTOMATIC, Rule::Mode)) if short => Ok(ENGAGED.to_string()),
            _ => self.get(name),
        }
    }

    /// Free connections below which room is short, in a table of so many: `amemthresh`, and at most a quarter of them.
    #[must_use]
    pub const fn low_water(&self, capacity: u32) -> u32 {
        let (asked, most) = (self.amemthresh, capacity.div_ceil(4));
        if asked < 0 {
            0
        } else if (asked as u32) < most {
            asked as u32
        } else {
            most
        }
    }

    /// A setting as the kernel prints it.
    pub fn get(&self, name: &str) -> Result<String, SysctlError> {
        if name == PAIR {
            let [threshold, period] = self.sync_threshold;
            return Ok(format!("{threshold}\t{period}"));
        }
        // A copy, because one list of names serves reading and writing.
        let mut copy = self.clone();
        copy.number(name).map(|(value, _)| value.to_string()).ok_or(SysctlError::Unknown)
    }

    /// Writes a setting; refused, it stays as it was.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), SysctlError> {
        if name == PAIR {
            self.sync_threshold = pair(self.sync_threshold, text).ok_or(SysctlError::Invalid)?;
            return Ok(());
        }
        let (place, rule) = self.number(name).ok_or(SysctlError::Unknown)?;
        let mut value = [*place];
        read_numbers(text, &mut value).filter(|()| rule.allows(value[0])).ok_or(SysctlError::Invalid)?;
        *place = rule.kept(value[0]);
        Ok(())
    }

    /// What may be written to a setting, in words; nothing where there is no such setting.
    #[must_use]
    pub fn allowed(name: &str) -> Option<String> {
        if name == PAIR {
            return Some("two numbers as 3 50: a threshold, and a period above it or 0".to_owned());
        }
        Self::default().number(name).map(|(_, rule)| rule.words())
    }

    /// Whether a defence of this mode is engaged.
    #[must_use]
    pub const fn engaged(mode: i32, short_of_room: bool) -> bool {
        match mode {
            3 => true,
            AUTOMATIC => short_of_room,
            _ => false,
        }
    }
}

/// Threshold and period: `proc_do_sync_threshold`.
fn pair(mut pair: [i32; 2], text: &str) -> Option<[i32; 2]> {
    read_numbers(text, &mut pair)?;
    let [threshold, period] = pair;
    let fits = threshold >= 0 && period >= 0 && (threshold < period || period == 0);
    fits.then_some(pair)
}

/// As `proc_dointvec` reads: what is not there stays as it was, what comes behind is not looked at.
fn read_numbers(text: &str, numbers: &mut [i32]) -> Option<()> {
    for (place, word) in numbers.iter_mut().zip(text.split_ascii_whitespace()) {
        *place = number(word)?;
    }
    Some(())
}

/// A number of C: decimal, octal (010) or hexadecimal (0x10), perhaps with a minus.
fn number(word: &str) -> Option<i32> {
    let digits = word.strip_prefix('-').unwrap_or(word);
    let (digits, radix) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hexadecimal) => (hexadecimal, 16),
        None if digits.len() > 1 && digits.starts_with('0') => (&digits[1..], 8),
        None => (digits, 10),
    };
    // `from_str_radix` would take a sign of its own.
    let number = i64::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with(['+', '-']))?;
    i32::try_from(if word.starts_with('-') { -number } else { number }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_can_be_read_and_written() {
        let mut sysctls = Sysctls::default();
        for name in Sysctls::NAMES {
            let value = sysctls.get(name).expect("it is there");
            assert_eq!((*name, sysctls.set(name, &value)), (*name, Ok(())));
        }
        assert_eq!(sysctls, Sysctls::default());
        assert_eq!(sysctls.get("timeout_established"), Err(SysctlError::Unknown));
    }

    #[test]
    fn an_automatic_defence_reads_as_engaged_while_room_is_short() {
        let mut sysctls = Sysctls::default();
        for name in ["drop_entry", "drop_packet", "secure_tcp"] {
            for written in ["1", "2"] {
                sysctls.set(name, written).expect("a mode");
                let read = [false, true].map(|short| sysctls.read(name, short).expect("it is there"));
                assert_eq!(read, ["1", "2"], "{name} = {written}");
            }
            for written in ["0", "3"] {
                sysctls.set(name, written).expect("a mode");
                assert_eq!(sysctls.read(name, true).as_deref(), Ok(written));
            }
        }
        sysctls.set("conn_reuse_mode", "1").expect("a number");
        assert_eq!(sysctls.read("conn_reuse_mode", true).as_deref(), Ok("1"), "no defence");
    }

    #[test]
    fn room_is_short_in_the_last_quarter_at_most() {
        let mut sysctls = Sysctls::default();
        assert_eq!([100, 4096, 1 << 20].map(|capacity| sysctls.low_water(capacity)), [25, 1024, 1024]);
        sysctls.set("amemthresh", "-5").expect("a number");
        assert_eq!(sysctls.low_water(4096), 0);
    }

    #[test]
    fn what_the_kernel_refuses_is_refused() {
        let mut sysctls = Sysctls::default();
        for (name, text) in [
            ("sync_threshold", "3 2"),
            ("sync_threshold", "-1 5"),
            ("sync_version", "2"),
            ("drop_entry", "4"),
            ("secure_tcp", "-1"),
            ("sync_ports", "3"),
            ("sync_retries", "9"),
            ("pmtu_disc", "yes"),
        ] {
            assert_eq!(sysctls.set(name, text), Err(SysctlError::Invalid), "{name} {text}");
        }
        assert_eq!(sysctls, Sysctls::default());
        assert_eq!(sysctls.set("sync_threshold", "0 0"), Ok(()));
    }

    #[test]
    fn texts_are_read_as_the_kernel_reads_them() {
        let mut sysctls = Sysctls::default();
        let mut after = |name: &str, text: &str| {
            let done = sysctls.set(name, text);
            (done, sysctls.get(name).expect("it is there"))
        };
        for (text, now) in
            [("5", "5"), ("", "5"), (" 6 ", "6"), ("7 8", "7"), ("0x9", "9"), ("010", "8"), ("-0x10", "-16")]
        {
            assert_eq!(after("am_droprate", text), (Ok(()), now.to_owned()), "{text:?}");
        }
        for text in ["x", "9x", "99999999999", "+3", "0x", "0x-1", "--1", "08"] {
            assert_eq!(after("am_droprate", text), (Err(SysctlError::Invalid), "-16".to_owned()), "{text:?}");
        }
        for (text, now) in [("7", "7\t50"), ("1 2 3", "1\t2"), ("0x5 9", "5\t9"), ("1 2 x", "1\t2"), ("", "1\t2")] {
            assert_eq!(after("sync_threshold", text), (Ok(()), now.to_owned()), "{text:?}");
        }
        for text in ["60", "4,9", "5 x", "-1"] {
            assert_eq!(after("sync_threshold", text), (Err(SysctlError::Invalid), "1\t2".to_owned()), "{text:?}");
        }
    }
}

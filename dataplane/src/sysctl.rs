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
}

impl Rule {
    fn allows(self, value: i32) -> bool {
        match self {
            Self::Any => true,
            Self::Range(low, high) => (low..=high).contains(&value),
            Self::PowerOfTwo => value > 0 && value.count_ones() == 1,
        }
    }
}

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
    /// Whether half-open connections are dropped at random: 0 never, 1 and 2 when room is short, 3 always.
    drop_entry = 0, Rule::Range(0, 3);
    /// Whether packets that would start connections are dropped: 0 never, 1 and 2 when room is short, 3 always.
    drop_packet = 0, Rule::Range(0, 3);
    /// CPUs of the kernel's estimators.
    est_cpulist = 0, Rule::Any;
    /// Niceness of the kernel's estimators.
    est_nice = 0, Rule::Range(-20, 19);
    /// Connections of a removed server end at their next packet.
    expire_nodest_conn = 0, Rule::Any;
    /// Templates of a quiesced server do not count.
    expire_quiescent_template = 0, Rule::Any;
    /// Packets that arrive in a tunnel are left alone.
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
    /// The states of TCP are those of the defence: 0 never, 1 and 2 when room is short, 3 always.
    secure_tcp = 0, Rule::Range(0, 3);
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
            self.sync_threshold = pair(text, self.sync_threshold).ok_or(SysctlError::Invalid)?;
            return Ok(());
        }
        let (place, rule) = self.number(name).ok_or(SysctlError::Unknown)?;
        // What stands behind the number is not looked at (`proc_dointvec`).
        let word = text.split_whitespace().next().ok_or(SysctlError::Invalid)?;
        let value = word.parse().ok().filter(|value| rule.allows(*value));
        *place = value.ok_or(SysctlError::Invalid)?;
        Ok(())
    }

    /// Whether a defence of this mode is engaged.
    #[must_use]
    pub const fn engaged(mode: i32, short_of_room: bool) -> bool {
        match mode {
            3 => true,
            1 | 2 => short_of_room,
            _ => false,
        }
    }
}

/// Threshold and period: `proc_do_sync_threshold`. A threshold alone leaves the period as it is.
fn pair(text: &str, [_, old]: [i32; 2]) -> Option<[i32; 2]> {
    let mut words = text.split_whitespace().map(str::parse::<i32>);
    let threshold = words.next()?.ok()?;
    let period = words.next().map_or(Ok(old), |word| word).ok()?;
    let fits = threshold >= 0 && period >= 0 && (threshold < period || period == 0);
    fits.then_some([threshold, period])
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
    fn what_stands_behind_the_numbers_is_not_looked_at() {
        let mut sysctls = Sysctls::default();
        for (name, text, value) in [
            ("cache_bypass", "5 2", "5"),
            ("run_estimation", " 3 50\n", "3"),
            ("sync_threshold", "7", "7\t50"),
            ("sync_threshold", "4 60 9", "4\t60"),
        ] {
            assert_eq!(sysctls.set(name, text), Ok(()), "{name} {text}");
            assert_eq!(sysctls.get(name).as_deref(), Ok(value), "{name}");
        }
    }
}

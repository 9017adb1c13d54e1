//! What a trace asks for: the types of `scenario` in a golden file. An unknown key is an error, not a silence.

use serde::Deserialize;
use serde_json::{Number, Value};

use crate::runner::director::Leg;
use crate::runner::pairs::Pairs;
use crate::runner::stage::Net;

/// The whole scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    #[serde(rename = "name")]
    _name: String,
    #[serde(default, rename = "about")]
    _about: Value,
    pub(crate) steps: Vec<Step>,
    #[serde(default)]
    pub(crate) net: Net,
    #[serde(default)]
    pub(crate) timestamps: bool,
    #[serde(default = "yes")]
    pub(crate) hex: bool,
    #[serde(default)]
    pub(crate) brief: bool,
    #[serde(default = "three")]
    pub(crate) wait_ms: f64,
    pub(crate) after_each_send: Option<Vec<String>>,
    #[serde(default, rename = "kernel_log")]
    _kernel_log: Value,
    #[serde(default, rename = "modprobe")]
    _modprobe: Value,
}

fn yes() -> bool {
    true
}

fn three() -> f64 {
    3.0
}

/// One step; what is present is done in the order of `agent.py` (see steps.rs).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Step {
    pub(crate) note: Option<String>,
    pub(crate) ipvsadm: Option<String>,
    pub(crate) stdin: Option<String>,
    pub(crate) hide_stdin: bool,
    pub(crate) sh: Option<String>,
    pub(crate) sysctl: Option<Pairs<Value>>,
    pub(crate) send: Option<OneOrMany<Packet>>,
    pub(crate) hex: Option<bool>,
    pub(crate) flood: Option<Packet>,
    pub(crate) replay: Option<String>,
    pub(crate) new_src: Option<std::net::Ipv4Addr>,
    pub(crate) leg: Option<Leg>,
    pub(crate) dmac: Option<String>,
    pub(crate) conns: Option<Conns>,
    pub(crate) flow: Option<Flow>,
    pub(crate) sleep: Option<Number>,
    pub(crate) capture: Option<f64>,
    pub(crate) save: Option<String>,
    pub(crate) dump: Option<Vec<String>>,
}

/// A value, or a list of them.
#[derive(Clone, Debug, Deserialize, PartialEq, serde::Serialize)]
#[serde(untagged)]
pub(crate) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    /// A list of one is written as the one.
    pub(crate) fn from_list(mut list: Vec<T>) -> Self {
        if list.len() == 1 { Self::One(list.remove(0)) } else { Self::Many(list) }
    }

    pub(crate) fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// A packet in a scenario's words; defaults are in build.rs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Packet {
    pub(crate) leg: Option<Leg>,
    pub(crate) src: Option<String>,
    pub(crate) dst: Option<String>,
    pub(crate) sport: Option<u16>,
    pub(crate) dport: Option<u16>,
    pub(crate) proto: Option<Proto>,
    pub(crate) flags: Option<String>,
    pub(crate) seq: Option<u32>,
    pub(crate) ack: Option<u32>,
    pub(crate) win: Option<u16>,
    pub(crate) opts: Option<String>,
    pub(crate) data: Option<Data>,
    pub(crate) ttl: Option<u8>,
    pub(crate) tos: Option<u8>,
    pub(crate) id: Option<u32>,
    pub(crate) df: bool,
    pub(crate) mf: bool,
    pub(crate) frag_off: Option<u16>,
    pub(crate) frag_size: Option<usize>,
    pub(crate) frag_order: Option<Vec<usize>>,
    pub(crate) ipopts: Option<String>,
    pub(crate) flow: u32,
    pub(crate) csum: Option<String>,
    pub(crate) icmp_type: Option<u8>,
    pub(crate) icmp_code: Option<u8>,
    pub(crate) icmp_id: Option<u16>,
    pub(crate) icmp_seq: Option<u16>,
    pub(crate) mtu: Option<u32>,
    pub(crate) inner: Option<Inner>,
    pub(crate) inner_len: Option<usize>,
    pub(crate) chunks: Option<Vec<Chunk>>,
    pub(crate) vtag: Option<u32>,
    pub(crate) smac: Option<String>,
    pub(crate) dmac: Option<String>,
    pub(crate) raw: Option<String>,
    pub(crate) reply: bool,
    pub(crate) wait_ms: Option<f64>,
    pub(crate) l4_truncate: Option<usize>,
    /// Of a `flood` only: how many times.
    pub(crate) count: Option<usize>,
}

/// A protocol by name or number.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Proto {
    Number(u8),
    Name(String),
}

/// A payload: so many bytes 0, 1, 2..., or a text, or `hex:...`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Data {
    Length(usize),
    Text(String),
}

/// What an ICMP error carries: an earlier packet by name, or one described.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Inner {
    Earlier(String),
    Described(Box<Packet>),
}

/// An SCTP chunk by name, or with the length of its body.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Chunk {
    Name(String),
    Sized(String, usize),
}

/// Many connections, one line of result each.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Conns {
    pub(crate) vip: String,
    #[serde(default = "http")]
    pub(crate) vport: u16,
    pub(crate) wait_ms: Option<f64>,
    pub(crate) kind: Option<String>,
    pub(crate) clients: Option<Clients>,
    pub(crate) ops: Option<Vec<Op>>,
    #[serde(default)]
    pub(crate) one_sided: bool,
}

fn http() -> u16 {
    80
}

/// An operation in words, or a step in the middle.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Op {
    Words(String),
    Step(Box<Step>),
}

/// Client i is `(ip0 + (i mod ip_mod) * ip_step) : (port0 + i * port_step)`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Clients {
    pub(crate) n: u32,
    pub(crate) ip0: std::net::IpAddr,
    pub(crate) ip_mod: Option<u32>,
    pub(crate) ip_step: Option<u32>,
    pub(crate) port0: Option<u32>,
    pub(crate) port_step: Option<u32>,
}

/// Paths of events on connections of their own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Flow {
    pub(crate) vip: String,
    pub(crate) client: String,
    pub(crate) rs: String,
    pub(crate) paths: Vec<String>,
    pub(crate) proto: Option<String>,
    pub(crate) port0: Option<u16>,
    pub(crate) vport0: Option<u16>,
    #[serde(default)]
    pub(crate) same_service: bool,
    pub(crate) rport: Option<u16>,
    pub(crate) rsn: Option<u8>,
    pub(crate) wait_ms: Option<f64>,
}

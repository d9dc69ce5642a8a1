//! A document: what one source wants, as operators write it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::announce::{Announce, AnnounceWhen, is_default};

use super::check::Check;

/// Everything one source wants. It replaces what the source wanted before, whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Document {
    /// Unique by (vip, port, protocol), and by name where a name is given; ranges of ports of one
    /// VIP and protocol don't overlap. May be empty, but must be there: an empty file must not
    /// remove everything.
    pub services: Vec<Service>,
}

/// An address and ports that clients connect to, and the backends behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Service {
    /// What people call it: unique within its document, but an IPv4 and an IPv6 service may share
    /// it. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "web")]
    pub name: Option<String>,
    /// The address that clients connect to, IPv4 or IPv6.
    #[schema(example = "20.20.20.1")]
    pub vip: String,
    /// The port that clients connect to: 1 to 65535, the first one if there is a `portMax`. 0: any
    /// port that no other service of the VIP has. Required, but for `icmp`, which has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 65535, example = 2020)]
    pub port: Option<i64>,
    /// The last port of a range that begins with `port`. Default: none, that one port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 65535)]
    pub port_max: Option<i64>,
    pub protocol: Protocol,
    /// How packets reach a backend. Default: `dnat`.
    #[serde(default)]
    pub mode: Mode,
    /// UDP port that backends receive tunnelled packets at; with `mode: gue` only. Default: 6080.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 65535)]
    pub tunnel_port: Option<i64>,
    /// How a backend is chosen for a new connection. Default: `maglev`.
    #[serde(default)]
    pub select: Select,
    /// Slots of the Maglev table: a prime, 251 to 65537; with `select: maglev` only. Default: 16381.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 251, maximum = 65537)]
    pub maglev_size: Option<i64>,
    /// A client keeps its backend for this many seconds after its last connection ended or was
    /// idle: 1 to 86400; with `select: maglev` only. Default: none, each connection is chosen for
    /// by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 86400)]
    pub persist: Option<i64>,
    /// What a packet gets while no backend can take it. Default: `reject`.
    #[serde(default)]
    pub no_backend: NoBackend,
    /// An established flow without packets is forgotten after this many seconds: 1 to 28800.
    /// Default: the appliance's own for the protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 28800)]
    pub idle_timeout: Option<i64>,
    /// Replies go back to the MAC address that the client's packets came from. Default: false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub last_hop: bool,
    /// Prefixes of the VIP's family whose clients may connect. Of these and `deniedSources` the
    /// longest that a client is in decides; one in none is allowed unless this list has any.
    /// Default: none, everybody may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["10.0.0.0/8"]))]
    pub allowed_sources: Vec<String>,
    /// Prefixes of the VIP's family whose clients may not connect; connections they have are cut.
    /// Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["10.66.0.0/16"]))]
    pub denied_sources: Vec<String>,
    /// The largest segment that TCP's ends may announce to each other, bytes: 536 to 65495; with
    /// `dnat`, `fullnat` and `onearm` only. Default: none, what they announce is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 536, maximum = 65495)]
    pub mss_clamp: Option<i64>,
    /// What backends are asked, to find out whether they may have connections. Default: none, all
    /// of them may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
    /// Who speaks for the VIP on links. A VIP is announced while one of its services wants it.
    /// Default: `l2`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub announce: Announce,
    /// Interfaces to announce the VIP on, attached ones; with `announce: l2` only. Default: none,
    /// which means all attached ones with a subnet that the VIP is in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["eth0"]))]
    pub announce_interfaces: Vec<String>,
    /// `healthy`: only while a backend can take connections; with `announce: l2` only. Default:
    /// `always`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub announce_when: AnnounceWhen,
    /// Unique by (address, port). Default: none, which is valid: see `noBackend`. None with `icmp`.
    #[serde(default)]
    pub backends: Vec<Backend>,
}

/// Where a service's packets go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Backend {
    /// Of the family of the VIP; with `ipip` and `gue` of either.
    #[schema(example = "31.31.31.1")]
    pub address: String,
    /// 1 to 65535. Default: the port that the client asked for. With `dsr`, `ipip` and `gue` no
    /// other is possible; with a range of ports and any port it must be left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 65535, example = 8080)]
    pub port: Option<i64>,
    /// Its share of the new connections, relative to the others: 0 (drains: takes none, keeps
    /// those it has) to 1000. Default: 1.
    #[serde(default = "one")]
    #[schema(minimum = 0, maximum = 1000, default = 1)]
    pub weight: i64,
    /// While it has this many connections, of all services, this service's go to others: 1 to
    /// 4294967295. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 4294967295_i64)]
    pub max_connections: Option<i64>,
    /// What this backend is asked instead, whole: nothing is taken from the service's check.
    /// Default: the service's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
}

/// What is served at the VIP.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Tcp,
    Udp,
    /// No backend gets anything: pings to the VIP are answered.
    Icmp,
}

/// How packets reach a backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The destination is rewritten and the client's address kept; replies must pass the
    /// appliance, so the backends route to clients through it.
    #[default]
    Dnat,
    /// The source is rewritten, too: to the VIP.
    Fullnat,
    /// The source is rewritten to the appliance's own address on the backend's subnet.
    Onearm,
    /// Direct return: only MAC addresses change. The backend has the VIP as an address of its own,
    /// is on a connected link, and answers clients itself.
    Dsr,
    /// Direct return through a tunnel of IP in IP, over any number of routers.
    Ipip,
    /// The same in UDP: generic UDP encapsulation, variant 1.
    Gue,
}

/// How a backend is chosen for a new connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Select {
    /// Consistent hashing over the flow; `hash` is another word for it.
    #[default]
    #[serde(alias = "hash")]
    Maglev,
    /// Strict weighted order over new connections.
    Rr,
    /// The fewest connections for its weight; at most 256 backends.
    Lc,
}

/// What a packet of a service gets while no backend can take it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum NoBackend {
    /// TCP: a reset; UDP: ICMP port unreachable.
    #[default]
    Reject,
    /// Nothing.
    Drop,
    /// It goes to the stack of the box.
    Pass,
}

impl Protocol {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
        }
    }
}

impl Mode {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dnat => "dnat",
            Self::Fullnat => "fullnat",
            Self::Onearm => "onearm",
            Self::Dsr => "dsr",
            Self::Ipip => "ipip",
            Self::Gue => "gue",
        }
    }

    /// Backends answer clients themselves: no reply passes the appliance.
    pub fn is_one_sided(self) -> bool {
        matches!(self, Self::Dsr | Self::Ipip | Self::Gue)
    }
}

impl Select {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Maglev => "maglev",
            Self::Rr => "rr",
            Self::Lc => "lc",
        }
    }
}

fn one() -> i64 {
    1
}

fn is_false(value: &bool) -> bool {
    !value
}

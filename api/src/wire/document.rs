//! A document: what one source wants, as operators write it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Everything one source wants. It replaces what the source wanted before, whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Document {
    /// Unique by (vip, port, protocol), and by name where a name is given. May be empty, but must
    /// be there: an empty file must not remove everything.
    pub services: Vec<Service>,
}

/// An address and port that clients connect to, and the backends behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Service {
    /// What people call it: unique within its document. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "web")]
    pub name: Option<String>,
    /// The address that clients connect to.
    #[schema(example = "20.20.20.1")]
    pub vip: String,
    /// The port that clients connect to: 1 to 65535.
    #[schema(minimum = 1, maximum = 65535, example = 2020)]
    pub port: i64,
    pub protocol: Protocol,
    /// How packets reach a backend. Default: `dnat`.
    #[serde(default)]
    pub mode: Mode,
    /// How a backend is chosen for a new connection. Default: `maglev`.
    #[serde(default)]
    pub select: Select,
    /// Slots of the Maglev table: a prime, 251 to 65537; with `select: maglev` only. Default: 16381.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 251, maximum = 65537)]
    pub maglev_size: Option<i64>,
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
    /// Unique by (address, port). Default: none, which is valid: see `noBackend`.
    #[serde(default)]
    pub backends: Vec<Backend>,
}

/// Where a service's packets go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Backend {
    /// Of the family of the VIP.
    #[schema(example = "31.31.31.1")]
    pub address: String,
    /// 1 to 65535.
    #[schema(minimum = 1, maximum = 65535, example = 8080)]
    pub port: i64,
    /// Its share of the new connections, relative to the others: 0 (drains: takes none, keeps
    /// those it has) to 1000. Default: 1.
    #[serde(default = "one")]
    #[schema(minimum = 0, maximum = 1000, default = 1)]
    pub weight: i64,
}

/// Transport protocol.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Tcp,
    Udp,
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

fn one() -> i64 {
    1
}

fn is_false(value: &bool) -> bool {
    !value
}

//! Services as they are: conditions, backends and traffic.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::announce::Announcement;
use super::check::{Health, OperatorState};
use super::document::Service;

/// A service of any document, and how it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceStatus {
    /// `vip:port/protocol`, `vip:first-last/protocol`, `vip:*/protocol` or `vip/icmp`; IPv6
    /// addresses with a port in brackets.
    #[schema(example = "20.20.20.1:2020/tcp")]
    pub key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The document it is of.
    #[schema(example = "api")]
    pub source: String,
    /// The generation of that document.
    pub generation: u64,
    /// As the document has it.
    pub spec: Service,
    /// At least `Programmed` and `Announced`; `Shadowed` if an earlier source has the same key;
    /// `AddressConflict` if somebody else speaks for the VIP, too.
    pub conditions: Vec<Condition>,
    /// The VIP on interfaces that one of its services wants it announced on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub announcements: Vec<Announcement>,
    pub backends: Vec<BackendStatus>,
    pub traffic: Traffic,
}

/// One thing that is so, is not so, or isn't known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// `Programmed`, `Shadowed`, ...
    #[serde(rename = "type")]
    #[schema(example = "Programmed")]
    pub kind: String,
    pub status: ConditionStatus,
    /// A word for programs.
    #[schema(example = "NextHopUnresolved")]
    pub reason: String,
    /// For people. May be empty.
    #[serde(default)]
    pub message: String,
}

/// Serialized as `True`, `False`, `Unknown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub enum ConditionStatus {
    True,
    False,
    Unknown,
}

/// A backend of one service, and how it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackendStatus {
    pub address: String,
    /// None: the port that the client asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    pub weight: u16,
    /// While it has this many connections, this service's go to others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<u32>,
    pub state: BackendState,
    /// Why it is in that state. May be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// What `maxConnections` and `select: lc` go by: connections of all services that lead to it,
    /// those that rest for a while after their end included.
    #[serde(default)]
    pub load: u64,
    /// How its check goes. Not there: it is not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// What an operator says of it.
    #[serde(default, skip_serializing_if = "is_enabled")]
    pub operator: OperatorState,
    /// Of all services that lead to it.
    pub traffic: Traffic,
}

fn is_enabled(state: &OperatorState) -> bool {
    *state == OperatorState::Enabled
}

/// Whether a backend takes connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BackendState {
    /// Takes connections.
    Active,
    /// Weight 0, or drained by hand: keeps the connections it has and takes no more.
    Draining,
    /// Its check fails, or it was disabled by hand: keeps the connections it has and takes no more.
    Down,
    /// Has as many connections as it may for this service: the others get the next ones.
    Full,
    /// It cannot be reached as the service's mode demands, or not yet: the message says why.
    Unresolved,
    /// The service is not programmed.
    Unknown,
}

/// Counters since the data plane was made. Bytes are IP packets' lengths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Traffic {
    /// From clients.
    pub packets_in: u64,
    /// To clients.
    pub packets_out: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Connections begun.
    pub connections: u64,
    /// Connections that live; of a backend that drains, those that remain.
    pub active_connections: u64,
    /// Packets dropped.
    pub dropped: u64,
}

/// A backend and the service it is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceBackend {
    /// Key of the service.
    pub service: String,
    /// The document that the service is of.
    pub source: String,
    pub backend: BackendStatus,
}

/// The body of a change of a backend: what is its share of a service's connections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Share {
    /// 0 to 1000.
    #[schema(minimum = 0, maximum = 1000)]
    pub weight: i64,
    /// As a service's backend has it. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 4294967295_i64)]
    pub max_connections: Option<i64>,
}

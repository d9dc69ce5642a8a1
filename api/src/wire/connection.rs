//! Connections, a page at a time.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::document::{Mode, Protocol};

/// What the data plane remembers of a flow. Ends are `address:port`, IPv6 in brackets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    pub protocol: Protocol,
    #[schema(example = "10.0.0.7:40222")]
    pub client: String,
    #[schema(example = "20.20.20.1:2020")]
    pub vip: String,
    #[schema(example = "31.31.31.1:8080")]
    pub backend: String,
    /// Where packets to the backend come from; the client itself with `dnat`.
    pub source: String,
    /// None: the service is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Direct return: the backend answers the client itself, so that state, packets and bytes are
    /// what the client's side shows.
    #[serde(default, skip_serializing_if = "is_false")]
    pub one_sided: bool,
    pub state: ConnectionState,
    /// Seconds since the last packet.
    pub idle: u32,
    /// Seconds of idleness after which it is forgotten.
    pub timeout: u32,
    /// Both directions, unless one-sided.
    pub packets: u64,
    /// Both directions, unless one-sided; IP packets' lengths.
    pub bytes: u64,
    /// Key of its service; None: the service is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionState {
    /// A SYN, or UDP without reply.
    New,
    /// SYN+ACK seen, the client's ACK not yet.
    Answered,
    Established,
    /// The client sent FIN.
    FinClient,
    /// The backend sent FIN.
    FinBackend,
    /// FIN from both.
    Closed,
    /// RST seen.
    Reset,
}

impl ConnectionState {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::New,
        Self::Answered,
        Self::Established,
        Self::FinClient,
        Self::FinBackend,
        Self::Closed,
        Self::Reset,
    ];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Answered => "answered",
            Self::Established => "established",
            Self::FinClient => "fin-client",
            Self::FinBackend => "fin-backend",
            Self::Closed => "closed",
            Self::Reset => "reset",
        }
    }
}

/// Connections in the order of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionsPage {
    pub items: Vec<Connection>,
    /// Give it as `cursor` to get the next page. None: this is the last. A page may be short, or
    /// empty, and still have a next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

fn is_false(value: &bool) -> bool {
    !value
}

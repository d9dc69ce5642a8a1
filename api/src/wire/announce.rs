//! Who answers for a VIP on links: what a service asks for, and how it is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who speaks for the VIP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Announce {
    /// The appliance answers ARP and neighbour discovery for it, after probing that nobody else
    /// does, and announces it.
    #[default]
    L2,
    /// Not because of this service.
    None,
}

/// How long the VIP is announced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AnnounceWhen {
    /// As long as the service is served.
    #[default]
    Always,
    /// While a backend can take connections.
    Healthy,
}

/// A service's VIP on one interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Announcement {
    #[schema(example = "eth0")]
    pub interface: String,
    pub state: AnnounceState,
    /// The MAC address of who has the VIP, or speaks for it, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "02:00:5e:10:00:01")]
    pub other: Option<String>,
}

/// How a VIP is on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum AnnounceState {
    /// The interface is not listened to yet, so that probing would prove nothing.
    Waiting,
    /// It is being found out whether somebody has the address.
    Probing,
    /// Somebody has: it is not announced, and probed for again every few seconds.
    InUse,
    Announced,
    /// It is announced, and somebody else speaks for it, too.
    Conflict,
    /// It was announced, and will be when the link is up.
    LinkDown,
}

impl AnnounceState {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Probing => "probing",
            Self::InUse => "inUse",
            Self::Announced => "announced",
            Self::Conflict => "conflict",
            Self::LinkDown => "linkDown",
        }
    }
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

//! What became of each service and backend: conditions, as operators and clusters read them.

use std::collections::BTreeMap;
use std::fmt;

use crate::service::Endpoint;
use crate::tables::{BackendId, ServiceId};

/// What compile says of one source's service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceStatus {
    /// Its row, if it has one.
    pub id: Option<ServiceId>,
    pub programmed: Condition,
    pub announcing: Announcing,
    pub backends: BTreeMap<Endpoint, BackendStatus>,
}

/// Whether the appliance should speak for the service's VIP on links, because of this service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Announcing {
    /// The service does not ask for it.
    Off,
    NotProgrammed,
    /// The box's own stack answers for its address.
    OwnAddress,
    /// The service asks for it only while a backend can take connections.
    NoHealthyBackend,
    Wanted {
        /// A bit for each interface; none: nobody looks for the VIP on any, routers must know it.
        slots: u64,
        /// Interfaces that the service names and that are not there, or not attached.
        missing: Vec<String>,
    },
}

/// `Programmed`: packets for the service are forwarded as its document says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    pub status: bool,
    pub reason: ProgrammedReason,
    /// What is wrong and what to do about it; what is so, if nothing is.
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProgrammedReason {
    Programmed,
    /// No link is attached: no packet is seen at all.
    NoAttachedInterface,
    /// Backends have ways out, but no MAC address is known on any.
    NextHopUnresolved,
    /// There are backends with a weight, and none can be reached.
    NoUsableBackend,
    /// Backends can be reached, and the checks of all of them fail.
    NoHealthyBackend,
    /// A capacity of the plane is used up.
    LimitExceeded,
    /// Another source, earlier in order, has a port of the VIP and protocol in common.
    Conflict,
}

/// What compile says of one backend of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendStatus {
    /// Its row, if it has one; shared by services that lead to the endpoint.
    pub id: Option<BackendId>,
    pub state: BackendState,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BackendState {
    Ready,
    /// Weight 0, or an operator drains it: keeps its connections and takes no other.
    Drained,
    /// An operator forces it down: the same.
    Disabled,
    /// Its check fails: the same.
    Down,
    /// The MAC address of its next hop is not known; it keeps its share meanwhile.
    Unresolved,
    NoRoute,
    /// The route leads out of a link that is not attached.
    NotAttached,
    /// The address is the box's own.
    OwnAddress,
    /// Onearm and tunnels: the link towards it has no address to use as the source.
    NoSource,
    /// Dsr: it is behind a gateway, which would send packets to the VIP elsewhere.
    NotConnected,
}

/// A capacity of the plane that can be exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    Services,
    Backends,
    Hops,
    Vips,
    PortBlocks,
    Slots,
    Members,
    Sources,
    RouteNodes,
}

/// Something to tell the operator that is no single service's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Notice {
    pub limit: Limit,
    pub message: String,
}

impl Limit {
    /// The key in the configuration file.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Services | Self::PortBlocks => "limits.services",
            Self::Backends => "limits.backends",
            Self::Hops => "limits.hops",
            Self::Vips => "limits.vips",
            Self::Slots => "limits.slots",
            Self::Members => "limits.members",
            Self::Sources => "limits.sources",
            Self::RouteNodes => "limits.routeNodes",
        }
    }
}

impl ProgrammedReason {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Programmed => "Programmed",
            Self::NoAttachedInterface => "NoAttachedInterface",
            Self::NextHopUnresolved => "NextHopUnresolved",
            Self::NoUsableBackend => "NoUsableBackend",
            Self::NoHealthyBackend => "NoHealthyBackend",
            Self::LimitExceeded => "LimitExceeded",
            Self::Conflict => "Conflict",
        }
    }
}

impl BackendState {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Drained => "Drained",
            Self::Disabled => "Disabled",
            Self::Down => "Down",
            Self::Unresolved => "Unresolved",
            Self::NoRoute => "NoRoute",
            Self::NotAttached => "NotAttached",
            Self::OwnAddress => "OwnAddress",
            Self::NoSource => "NoSource",
            Self::NotConnected => "NotConnected",
        }
    }

    /// Whether a backend in this state has slots, given a weight.
    #[must_use]
    pub fn is_usable(self) -> bool {
        matches!(self, Self::Ready | Self::Unresolved)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

impl fmt::Display for ProgrammedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for BackendState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

//! Services and backends: what one entry of a document says, in types that cannot be invalid.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::{NonZeroU16, NonZeroU32};

use crate::addr::Prefix;
use crate::health::Checks;

mod announce;
mod check;
mod ports;
mod text;
mod values;

pub use announce::{Announce, AnnounceWhen, InterfaceName, InterfaceNameError};
pub use check::{ServiceError, SourceList};
pub use ports::{Ports, PortsError, PortsTextError};
pub use values::{IdleTimeout, MaglevSize, MssClamp, Persist, ValueError, Weight};

#[cfg(test)]
mod tests;

/// Most backends of one service.
pub const MAX_BACKENDS_PER_SERVICE: usize = 4096;
/// Most backends of a service that counts their connections: `Selection::LeastConnections`, or a
/// backend with `max_connections`.
pub const MAX_COUNTED_BACKENDS: usize = 256;
/// Longest name of a service, in bytes.
pub const MAX_NAME_BYTES: usize = 253;

/// Protocol of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    Tcp,
    Udp,
    /// ICMP, and ICMPv6 of an IPv6 VIP: the appliance answers pings to the VIP, and there is
    /// nothing else to the service.
    Icmp,
}

/// Where a service listens: unique over all documents. Displayed as `20.20.20.1:2020/tcp`,
/// `20.20.20.1:80-90/tcp`, `[2001:db8::1]:*/udp`, `20.20.20.1/icmp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceKey {
    pub vip: IpAddr,
    pub ports: Ports,
    pub protocol: Protocol,
}

/// How packets reach a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// The destination is rewritten; the client's address is kept; replies pass the appliance.
    Dnat,
    /// The source is rewritten, too: to the VIP.
    Fullnat,
    /// The source is rewritten to the appliance's own address on the backend's subnet.
    Onearm,
    /// Only MAC addresses change. The backend is on a connected link, has the VIP itself, and
    /// answers the client directly.
    Dsr,
    /// The packet goes in an IP packet to the backend, which has the VIP itself and answers the
    /// client directly (RFC 2003, 2473, 4213).
    Ipip,
    /// The same in generic UDP encapsulation, to this port.
    Gue { port: NonZeroU16 },
}

/// How a backend is chosen for a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selection {
    /// Maglev hashing (Eisenbud et al., NSDI 2016) with a table of this many slots.
    Maglev(MaglevSize),
    /// Strict smooth weighted order over new connections.
    RoundRobin,
    /// The backend with the fewest connections for its weight; of equals the first in the order
    /// of endpoints.
    LeastConnections,
}

/// What a packet of a service without usable backend gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum NoBackend {
    /// TCP: RST; UDP: ICMP port unreachable.
    #[default]
    Reject,
    Drop,
    /// To the stack.
    Pass,
}

/// Address and port of a backend, unique within its service. Displayed as `31.31.31.1:8080`,
/// without a port as `31.31.31.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    pub addr: IpAddr,
    /// None: the port that the client asked for.
    pub port: Option<NonZeroU16>,
}

/// What a backend gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Share {
    pub weight: Weight,
    /// Connections of the backend, all services' together, from which on this service does not
    /// choose it.
    pub max_connections: Option<NonZeroU32>,
}

/// Which clients may open connections: of the prefixes that have the client the longest decides.
/// A client in none is denied if any prefix is allowed.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Sources {
    pub allowed: BTreeSet<Prefix>,
    pub denied: BTreeSet<Prefix>,
}

/// What a service does with its packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub mode: Mode,
    pub selection: Selection,
    /// A client's connections all go to one backend (`Selection::Maglev` only).
    pub persist: Option<Persist>,
    pub no_backend: NoBackend,
    /// None: `IdleTimeout::default_of` the protocol.
    pub idle: Option<IdleTimeout>,
    /// Replies go back to the MAC address that the client's packets came from.
    pub last_hop: bool,
    pub mss_clamp: Option<MssClamp>,
    pub sources: Sources,
    /// Checks of what is no backend are ignored.
    pub checks: Checks,
    pub announce: Announce,
}

/// One service of a document. `backends` may be empty. Made by `Service::new`; a document checks
/// it again, so that a service changed by hand cannot enter one unchecked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub key: ServiceKey,
    /// What people call it; unique within a document if given, but for a service of the other
    /// family.
    pub name: Option<String>,
    pub policy: Policy,
    pub backends: BTreeMap<Endpoint, Share>,
}

impl Service {
    /// Whether connections to its backends are counted when one is chosen.
    #[must_use]
    pub fn counts_connections(&self) -> bool {
        let limited = |share: &Share| share.max_connections.is_some();
        self.policy.selection == Selection::LeastConnections || self.backends.values().any(limited)
    }
}

impl ServiceKey {
    /// Whether packets could be for either of two services.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.vip == other.vip && self.protocol == other.protocol && self.ports.overlaps(other.ports)
    }
}

impl Mode {
    /// Replies pass the appliance, which translates addresses.
    #[must_use]
    pub fn is_two_sided(self) -> bool {
        matches!(self, Self::Dnat | Self::Fullnat | Self::Onearm)
    }

    /// Packets go to backends in packets of another header, whose family is the backend's.
    #[must_use]
    pub fn is_tunnel(self) -> bool {
        matches!(self, Self::Ipip | Self::Gue { .. })
    }

    /// Bytes that a tunnel to a backend adds to a packet; 0 of other modes.
    #[must_use]
    pub fn overhead(self, backend: IpAddr) -> u32 {
        let header = if backend.is_ipv4() { 20 } else { 40 };
        match self {
            Self::Ipip => header,
            Self::Gue { .. } => header + 8,
            Self::Dnat | Self::Fullnat | Self::Onearm | Self::Dsr => 0,
        }
    }
}

impl Sources {
    /// No prefix in either list: every client may.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.allowed.is_empty() && self.denied.is_empty()
    }
}

impl From<Weight> for Share {
    fn from(weight: Weight) -> Self {
        Self {
            weight,
            max_connections: None,
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            mode: Mode::Dnat,
            selection: Selection::Maglev(MaglevSize::DEFAULT),
            persist: None,
            no_backend: NoBackend::Reject,
            idle: None,
            last_hop: false,
            mss_clamp: None,
            sources: Sources::default(),
            checks: Checks::default(),
            announce: Announce::default(),
        }
    }
}

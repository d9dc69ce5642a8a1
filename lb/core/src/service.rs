//! Services and backends: what one entry of a document says, in types that cannot be invalid.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU16;

/// Transport protocol of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    Tcp,
    Udp,
}

/// Where a service listens: unique over all documents. Displayed as `20.20.20.1:2020/tcp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceKey {
    pub vip: IpAddr,
    pub port: NonZeroU16,
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
}

/// How a backend is chosen for a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selection {
    /// Maglev hashing (Eisenbud et al., NSDI 2016) with a table of this many slots.
    Maglev(MaglevSize),
    /// Strict smooth weighted order over new connections.
    RoundRobin,
}

/// Size of a Maglev table: a prime, 251 to 65537. The default is 16381.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MaglevSize(u32);

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

/// A backend's share: 0 (takes no new connection: drains) to 1000; 1 unless said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(u16);

/// Idle timeout of an established flow, in seconds: 1 to 28800.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdleTimeout(u32);

/// Address and port of a backend, unique within its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    pub addr: IpAddr,
    pub port: NonZeroU16,
}

/// What a service does with its packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub mode: Mode,
    pub selection: Selection,
    pub no_backend: NoBackend,
    pub idle: Option<IdleTimeout>,
    /// Replies go back to the MAC address that the client's packets came from.
    pub last_hop: bool,
}

/// One service of a document. `backends` may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub key: ServiceKey,
    /// What people call it; unique within a document if given.
    pub name: Option<String>,
    pub policy: Policy,
    pub backends: BTreeMap<Endpoint, Weight>,
}

//! Tables: exactly what forwarding reads, and nothing else.
//!
//! Two kinds of rows. *Live* rows (interfaces, hops, backends, members, slots) are written in
//! place, each change one atomic store, or into space that nothing refers to. The *image* (vips,
//! services, routes, and the filter that follows from services and backends) is banked: written
//! to the idle bank and switched by one index. A plane's codec turns rows into the bytes of
//! `bpf/core/abi.h`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::addr::{Mac, Prefix};
use crate::service::{Endpoint, Mode, NoBackend, Protocol, ServiceKey};

/// Index of an interface row and of its devmap entry: 0 to 63.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceSlot(pub u8);

/// Index of a service row and its counters. Not used again while connections refer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId(pub u16);

/// Index of a backend row and its counters. Not used again while connections refer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendId(pub u32);

/// Index of a next hop that routes lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HopId(pub u32);

/// A resolved next hop: one atomic word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hop {
    pub interface: InterfaceSlot,
    pub mac: Mac,
}

/// A way out (and in).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceRow {
    pub ifindex: u32,
    pub mac: Mac,
    pub mtu: u32,
    /// Source of the ICMP errors we send there.
    pub address4: Option<std::net::Ipv4Addr>,
}

/// What identifies a backend row: one row serves all services that lead to the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendKey {
    pub endpoint: Endpoint,
    pub protocol: Protocol,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendRow {
    pub key: BackendKey,
    /// None: unresolved.
    pub hop: Option<Hop>,
    /// The box's address towards it (`Mode::Onearm`).
    pub source: Option<IpAddr>,
}

/// A run of 64-bit words in the slot arena. `count` slots of 16 bits, four to a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotRange {
    pub first_word: u32,
    pub count: u32,
}

/// A run in the arena of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberRange {
    pub first: u32,
    pub count: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VipRow {
    /// Slots of the interfaces on which ARP for it is answered.
    pub arp: u64,
    pub echo: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceRow {
    pub key: ServiceKey,
    pub mode: Mode,
    pub round_robin: bool,
    /// TCP without a SYN may start a flow here (Maglev with dnat: any appliance picks the same).
    pub pick_up: bool,
    pub no_backend: NoBackend,
    pub last_hop: bool,
    /// Idle timeout, seconds.
    pub idle: u32,
    pub slots: Option<SlotRange>,
    pub members: Option<MemberRange>,
}

/// Where replies to a prefix go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouteRow {
    OnLink,
    Via(HopId),
}

/// The banked part: published whole.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Image {
    pub vips: BTreeMap<IpAddr, VipRow>,
    /// Addresses of the box that are not VIPs (martian check).
    pub local: std::collections::BTreeSet<IpAddr>,
    pub services: BTreeMap<ServiceId, ServiceRow>,
    /// Disjoint, and as few as can be (`routes::disjoint`): a codec reads back what it wrote.
    pub routes: BTreeMap<Prefix, RouteRow>,
    /// Endpoints whose packets may be replies: those of all backend rows, retired ones, too.
    pub repliers: std::collections::BTreeSet<BackendKey>,
}

/// Everything a plane holds.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Tables {
    pub interfaces: BTreeMap<InterfaceSlot, InterfaceRow>,
    pub hops: BTreeMap<HopId, Option<Hop>>,
    pub backends: BTreeMap<BackendId, BackendRow>,
    pub members: BTreeMap<u32, Arc<[BackendId]>>,
    pub slots: BTreeMap<u32, Arc<[u16]>>,
    pub image: Image,
}

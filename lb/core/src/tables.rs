//! Tables: exactly what forwarding reads, and nothing else.
//!
//! Two kinds of rows. *Live* rows (interfaces, hops, backends, members, slots, sources) are written in
//! place, each change one atomic store, or into space that nothing refers to. The *image* (vips,
//! services, routes, and the filter that follows from services and backends) is banked: written
//! to the idle bank and switched by one index. A plane's codec turns rows into the bytes of
//! `bpf/core/abi.h`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::addr::{Mac, Prefix};
use crate::service::{Endpoint, Mode, NoBackend, Protocol, ServiceKey};

pub use crate::vlan::{Vlan, VlanId, VlanProtocol};

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

/// A way out (and in): a device, or a VLAN on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceRow {
    /// Of the device that sends.
    pub ifindex: u32,
    pub mac: Mac,
    /// Of the IP packet.
    pub mtu: u32,
    /// Source of the ICMP errors we send there.
    pub address4: Option<Ipv4Addr>,
    /// The same of ICMPv6: a global address if there is one, else a link-local one.
    pub address6: Option<Ipv6Addr>,
    pub vlan: Option<Vlan>,
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
    /// The box's address towards it, of its family (`Mode::Onearm`, and the outer source of
    /// tunnels).
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

/// One of a service's backends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberRow {
    pub backend: BackendId,
    /// 0: gets no connection, because it is drained or cannot be reached.
    pub weight: u16,
    /// Connections that the backend may have for the service to choose it; None: any number.
    pub limit: Option<NonZeroU32>,
}

/// A run in the arena of boundaries: ascending addresses (IPv4 in the lower half), from each of
/// which on sources are treated the other way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceRange {
    /// 0 if `count` is.
    pub first: u32,
    /// 0: all sources are treated alike.
    pub count: u32,
    /// Sources before the first boundary are denied.
    pub deny_first: bool,
}

/// How a service chooses a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SelectionKind {
    /// A slot by the flow's hash.
    Maglev,
    /// A slot by a cursor.
    RoundRobin,
    /// The member with the fewest connections for its weight: there are no slots.
    Least,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VipRow {
    /// Slots of the interfaces on which ARP (neighbour discovery) for it is answered: where it is
    /// wanted, once it was announced (`announce::Announcer::mask`).
    pub arp: u64,
    pub echo: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceRow {
    pub key: ServiceKey,
    pub mode: Mode,
    pub selection: SelectionKind,
    /// TCP without a SYN may start a flow here (Maglev, and the source is not translated: any
    /// appliance does the same).
    pub pick_up: bool,
    pub no_backend: NoBackend,
    pub last_hop: bool,
    /// Idle timeout, seconds.
    pub idle: u32,
    /// Seconds that a client keeps its backend; 0: it does not.
    pub persist: u32,
    /// Most that the MSS in SYN and SYN+ACK may be; 0: as it is.
    pub mss: u16,
    /// None: no member takes connections, or the selection needs no slots.
    pub slots: Option<SlotRange>,
    /// None: no member takes connections.
    pub members: Option<MemberRange>,
    /// None: every source is allowed.
    pub sources: Option<SourceRange>,
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
    /// Endpoints whose packets may be replies: those of backend rows that two-sided services
    /// lead to, and of retired ones.
    pub repliers: std::collections::BTreeSet<BackendKey>,
}

/// Everything a plane holds.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Tables {
    pub interfaces: BTreeMap<InterfaceSlot, InterfaceRow>,
    pub hops: BTreeMap<HopId, Option<Hop>>,
    pub backends: BTreeMap<BackendId, BackendRow>,
    pub members: BTreeMap<u32, Arc<[MemberRow]>>,
    pub slots: BTreeMap<u32, Arc<[u16]>>,
    pub sources: BTreeMap<u32, Arc<[u128]>>,
    pub image: Image,
}

//! The seam between deciding and doing: what a plane can be told.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::tables::*;

/// One step towards other tables. After every prefix of a plan no packet can reach a row that
/// is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    PutInterface(InterfaceSlot, InterfaceRow),
    PutHop(HopId, Option<Hop>),
    PutBackend(BackendId, BackendRow),
    /// Into arena space that no published service refers to.
    PutMembers {
        first: u32,
        members: Arc<[MemberRow]>,
    },
    PutSlots {
        first_word: u32,
        slots: Arc<[u16]>,
    },
    PutSources {
        first: u32,
        boundaries: Arc<[u128]>,
    },
    /// Fill the idle bank, switch, and wait until no packet reads the old one.
    Publish(Arc<Image>),
    /// Release every connection of a service that is no longer published.
    FlushService(ServiceId),
    /// Release the connections of a service whose clients its sources deny.
    FlushDenied(ServiceId),
    DropMembers {
        first: u32,
    },
    DropSlots {
        first_word: u32,
    },
    DropSources {
        first: u32,
    },
    DropBackend(BackendId),
    DropHop(HopId),
    DropInterface(InterfaceSlot),
}

/// Capacities of a plane, fixed while its maps live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub services: u32,
    pub backends: u32,
    pub hops: u32,
    pub vips: u32,
    /// 64-bit words of four slots.
    pub slot_words: u32,
    pub members: u32,
    /// Boundaries between allowed and denied sources.
    pub sources: u32,
    pub route_nodes: u32,
    /// Of IPv4.
    pub connections: u32,
    /// Of IPv6.
    pub connections6: u32,
    pub affinities: u32,
}

impl Limits {
    /// Blocks of ports (`Ports::blocks`) of all services together: three for each service, and
    /// in any case three of the widest ranges.
    #[must_use]
    pub fn port_blocks(&self) -> u32 {
        self.services.saturating_mul(3).max(90)
    }
}

/// What forwards packets: the XDP plane, the AF_XDP plane, or the in-memory twin.
pub trait Plane {
    type Error: std::error::Error + Send + Sync + 'static;
    fn limits(&self) -> Limits;
    /// Reads back what the plane really holds (drift shows here).
    fn read(&mut self) -> Result<Tables, Self::Error>;
    fn apply(&mut self, op: &Op) -> Result<(), Self::Error>;
    /// Live connections by backend row: a removed backend's row is kept while it has any.
    fn connections(&mut self) -> Result<BTreeMap<BackendId, u64>, Self::Error>;
}

//! Counters and connections, read from the regions without a system call.

use std::net::{IpAddr, SocketAddr};

use lb_core::service::Protocol;
use lb_core::tables::{BackendId, ServiceId};

/// Sums over all CPUs of the counters that are not a service's or a backend's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Frames received. Always the sum of `reasons`.
    pub rx: u64,
    pub rx_bytes: u64,
    pub reasons: Vec<ReasonCount>,
    /// Frames made in answer to a dropped packet: name, count.
    pub answers: Vec<(&'static str, u64)>,
    /// Events of the connection table: name, count.
    pub conn_events: Vec<(&'static str, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReasonCount {
    pub name: &'static str,
    pub class: Class,
    pub meaning: &'static str,
    pub count: u64,
}

/// What a packet of a reason got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Tx,
    Pass,
    Drop,
}

/// Of one service or backend. Bytes are IP packets' lengths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    pub packets_in: u64,
    pub packets_out: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Connections ever made.
    pub connections: u64,
    pub dropped: u64,
}

/// How full the connection table is, and who has how many: one scan of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub capacity: u64,
    /// Words by state, in `ConnState`'s order.
    pub by_state: Vec<(ConnState, u64)>,
    /// Connections that are neither closed nor reset.
    pub active_by_service: std::collections::BTreeMap<ServiceId, u64>,
    pub active_by_backend: std::collections::BTreeMap<BackendId, u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConnState {
    New,
    Answered,
    Established,
    FinClient,
    FinBackend,
    Closed,
    Reset,
}

/// One connection, as it was at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Its place in the table, and in pages.
    pub position: u32,
    pub service: ServiceId,
    pub backend_id: BackendId,
    pub protocol: Protocol,
    pub client: SocketAddr,
    pub vip: SocketAddr,
    /// The client's end as the backend sees it.
    pub source: SocketAddr,
    pub backend: SocketAddr,
    pub state: ConnState,
    pub age_seconds: u32,
    pub idle_seconds: u32,
    /// Of both directions; 0 unless counted.
    pub packets: u32,
    pub bytes: u64,
}

/// Which connections to list: those that match everything given.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter {
    pub client: Option<IpAddr>,
    pub vip: Option<IpAddr>,
    pub vip_port: Option<u16>,
    pub backend: Option<IpAddr>,
    pub backend_port: Option<u16>,
    pub protocol: Option<Protocol>,
    pub service: Option<ServiceId>,
    pub backend_id: Option<BackendId>,
    pub state: Option<ConnState>,
}

/// Part of a listing.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub connections: Vec<Connection>,
    /// Where the next page starts; None: this was the last.
    pub next: Option<u32>,
}

/// Reads counters and connections. Cheap to clone, and usable from any thread while packets flow.
#[derive(Clone)]
pub struct Reader {}

impl Reader {
    pub fn totals(&self) -> Totals {
        todo!()
    }

    pub fn service(&self, _id: ServiceId) -> Traffic {
        todo!()
    }

    pub fn backend(&self, _id: BackendId) -> Traffic {
        todo!()
    }

    /// Scans the whole table: some ms per million connections.
    pub fn usage(&self) -> Usage {
        todo!()
    }

    /// Connections that match, from a position (0, or a page's `next`) on.
    pub fn connections(&self, _filter: &Filter, _from: u32, _limit: usize) -> Page {
        todo!()
    }
}

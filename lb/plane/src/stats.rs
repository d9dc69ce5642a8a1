//! Counters and connections, read from the regions without a system call.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use lb_bpf::abi::{self, lb_conn_state};
pub use lb_bpf::reason::Class;
use lb_bpf::reason::{ANSWERS, CONN_EVENTS, REASONS, Reason};
use lb_bpf::region::{Region, Regions};
use lb_bpf::user::{Conn, Family, UserHost};
use lb_core::service::Protocol;
use lb_core::tables::{BackendId, ServiceId};

use crate::codec::address;
use crate::config;

mod affinity;

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
    /// What to do about it; empty where nothing is wrong.
    pub remedy: &'static str,
    pub count: u64,
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
    /// Connections that there is room for, whatever their keys are: the limits.
    pub capacity: u64,
    /// The same of each family, and of affinities.
    pub tables: Vec<TableUsage>,
    /// Words by state, in `ConnState`'s order.
    pub by_state: Vec<(ConnState, u64)>,
    /// Connections that are neither closed nor reset.
    pub active_by_service: std::collections::BTreeMap<ServiceId, u64>,
    pub active_by_backend: std::collections::BTreeMap<BackendId, u64>,
}

/// How full one family's part of the connection table is, or the table of clients that keep their
/// backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableUsage {
    /// `conn4`, `conn6` or `affinity`.
    pub name: &'static str,
    pub capacity: u64,
    /// Connections, those that rest included.
    pub used: u64,
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
    /// The backend answers the client directly: state, packets and bytes are of the client's side
    /// only.
    pub one_sided: bool,
    pub state: ConnState,
    pub age_seconds: u32,
    pub idle_seconds: u32,
    /// Idleness after which it is forgotten.
    pub timeout_seconds: u32,
    /// Of all that passed; 0 unless counted.
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
pub struct Reader {
    regions: Regions,
}

impl Reader {
    pub(crate) fn new(regions: &Regions) -> Self {
        Reader {
            regions: regions.clone(),
        }
    }

    /// Sums over all CPUs. Each is read at its own moment, so that sums may be some packets apart.
    pub fn totals(&self) -> Totals {
        let rows: Vec<abi::lb_cpu> = (0..self.regions.config().cpu_slots)
            .map(|cpu| self.regions.read(Region::Cpus, cpu))
            .collect();
        let sum = |count: &dyn Fn(&abi::lb_cpu) -> u64| rows.iter().map(count).sum();
        let reason_count = |reason: &Reason| ReasonCount {
            name: reason.name,
            class: reason.class,
            meaning: reason.meaning,
            remedy: reason.remedy().unwrap_or_default(),
            count: sum(&|row| row.reason[reason.code as usize]),
        };
        let named = |names: &[&'static str], pick: &dyn Fn(&abi::lb_cpu, usize) -> u64| {
            let numbered = names.iter().enumerate();
            numbered
                .map(|(index, name)| (*name, sum(&|row| pick(row, index))))
                .collect()
        };
        Totals {
            rx: sum(&|row| row.rx),
            rx_bytes: sum(&|row| row.rx_bytes),
            reasons: REASONS.iter().map(reason_count).collect(),
            answers: named(ANSWERS, &|row, index| row.answer[index]),
            conn_events: named(CONN_EVENTS, &|row, index| row.conn_event[index]),
        }
    }

    /// Zero for an id beyond the table.
    pub fn service(&self, id: ServiceId) -> Traffic {
        let rows = self.regions.config().max_services;
        self.traffic(Region::ServiceStats, rows, id.0.into())
    }

    /// Zero for an id beyond the table.
    pub fn backend(&self, id: BackendId) -> Traffic {
        let rows = self.regions.config().max_backends;
        self.traffic(Region::BackendStats, rows, id.0)
    }

    /// SNAT ports, inclusive: those in force.
    pub fn source_ports(&self) -> RangeInclusive<u16> {
        let config = self.regions.config();
        config.source_port_first..=config.source_port_last
    }

    fn traffic(&self, region: Region, rows: u32, id: u32) -> Traffic {
        let mut sum = Traffic::default();
        for cpu in 0..self.regions.config().cpu_slots {
            if id < rows {
                sum.add(&self.regions.read(region, cpu * rows + id));
            }
        }
        sum
    }

    /// Live connections of a backend, of all services that lead to it; 0 for an id beyond the
    /// table. Read at once, where [`Reader::usage`] counts.
    pub fn load(&self, id: BackendId) -> u64 {
        if id.0 < self.regions.len(Region::Loads) {
            self.regions.load_u64(Region::Loads, id.0, 0)
        } else {
            0
        }
    }

    /// Scans the whole table: some ms per million places, some tens per million connections.
    pub fn usage(&self) -> Usage {
        let limits = config::limits(self.regions.config());
        let (capacity4, capacity6) = (limits.connections.into(), limits.connections6.into());
        let mut used = [0; 2];
        let mut usage = Usage {
            capacity: capacity4 + capacity6,
            by_state: ConnState::ALL.map(|state| (state, 0)).to_vec(),
            ..Usage::default()
        };
        let host = self.host();
        for position in self.used(0) {
            let Some((state, conn)) = host
                .conn(position)
                .and_then(|conn| Some((state(&conn)?, conn)))
            else {
                continue;
            };
            used[usize::from(conn.family == Family::Ipv6)] += 1;
            usage.by_state[state as usize].1 += 1;
            if !matches!(state, ConnState::Closed | ConnState::Reset) {
                let entry = &conn.entry;
                *usage
                    .active_by_service
                    .entry(ServiceId(entry.service))
                    .or_default() += 1;
                *usage
                    .active_by_backend
                    .entry(BackendId(entry.backend_id))
                    .or_default() += 1;
            }
        }
        let control: abi::lb_control = self.regions.read(Region::Control, 0);
        let bank = control.active & abi::LB_ACTIVE_BANK;
        let clients = affinity::used(&self.regions, bank, host.tick());
        let named = [
            ("conn4", capacity4),
            ("conn6", capacity6),
            ("affinity", limits.affinities.into()),
        ];
        usage.tables = named
            .into_iter()
            .zip([used[0], used[1], clients])
            .map(|((name, capacity), used)| TableUsage {
                name,
                capacity,
                used,
            })
            .collect();
        usage
    }

    /// Connections that match, from a position (0, or a page's `next`) on; at most `limit`.
    pub fn connections(&self, filter: &Filter, from: u32, limit: usize) -> Page {
        let host = self.host();
        let tick = host.tick();
        let mut page = Page::default();
        for position in self.used(from) {
            let conn = host
                .conn(position)
                .and_then(|conn| self.connection(position, &conn, tick));
            let Some(conn) = conn.filter(|conn| filter.matches(conn)) else {
                continue;
            };
            if page.connections.len() == limit {
                page.next = Some(position);
                break;
            }
            page.connections.push(conn);
        }
        page
    }

    /// Positions that are not free, as their words say.
    fn used(&self, from: u32) -> impl Iterator<Item = u32> + '_ {
        let words = abi::LB_LINE_WORDS;
        (from..self.regions.len(Region::ConnForward) * words).filter(move |position| {
            let word = (position % words) as usize;
            let word = self
                .regions
                .load_u64(Region::ConnForward, position / words, word);
            word & u64::from(abi::LB_FORWARD_STATE) >= u64::from(lb_conn_state::LB_CONN_NEW)
        })
    }

    /// A connection as it is shown. Where the backend answers directly, its end is in its row.
    fn connection(&self, position: u32, conn: &Conn, tick: u32) -> Option<Connection> {
        let entry = &conn.entry;
        let is_ipv6 = conn.family == Family::Ipv6;
        let end = |words: [u32; 4], port: u16| {
            SocketAddr::new(address::decode(words, is_ipv6), u16::from_be(port))
        };
        let one_sided = u32::from(entry.flags) & abi::LB_CONN_ONE_SIDED != 0;
        let client = end(entry.client, entry.client_port);
        let (source, backend) = if one_sided {
            (client, self.direct(entry)?)
        } else {
            (
                end(entry.source, entry.source_port),
                end(entry.backend, entry.backend_port),
            )
        };
        Some(Connection {
            position,
            service: ServiceId(entry.service),
            backend_id: BackendId(entry.backend_id),
            protocol: address::protocol(entry.protocol)?,
            client,
            vip: end(entry.vip, entry.vip_port),
            source,
            backend,
            one_sided,
            state: state(conn)?,
            age_seconds: seconds(tick.wrapping_sub(entry.created)),
            idle_seconds: seconds(conn.idle),
            timeout_seconds: seconds(conn.timeout),
            packets: entry.packets,
            bytes: entry.bytes,
        })
    }

    /// The backend of a one-sided connection, with the port that the client asked for.
    fn direct(&self, entry: &abi::lb_conn6) -> Option<SocketAddr> {
        if entry.backend_id >= self.regions.len(Region::Backends) {
            return None;
        }
        let row: abi::lb_backend = self.regions.read(Region::Backends, entry.backend_id);
        let is_ipv6 = u32::from(row.flags) & abi::LB_BACKEND_IPV6 != 0;
        let addr = address::decode(row.address, is_ipv6);
        Some(SocketAddr::new(addr, u16::from_be(entry.vip_port)))
    }

    /// Reads only: it claims nothing, so any slot will do.
    fn host(&self) -> UserHost {
        UserHost::new(&self.regions, self.regions.config().cpu_slots - 1)
    }
}

impl Traffic {
    fn add(&mut self, row: &abi::lb_traffic) {
        self.packets_in += row.packets[0];
        self.packets_out += row.packets[1];
        self.bytes_in += row.bytes[0];
        self.bytes_out += row.bytes[1];
        self.connections += row.connections;
        self.dropped += row.dropped;
    }
}

impl ConnState {
    /// All, in order.
    pub const ALL: [ConnState; 7] = [
        ConnState::New,
        ConnState::Answered,
        ConnState::Established,
        ConnState::FinClient,
        ConnState::FinBackend,
        ConnState::Closed,
        ConnState::Reset,
    ];

    /// As metrics and listings call it.
    pub const fn name(self) -> &'static str {
        match self {
            ConnState::New => "new",
            ConnState::Answered => "answered",
            ConnState::Established => "established",
            ConnState::FinClient => "fin_client",
            ConnState::FinBackend => "fin_backend",
            ConnState::Closed => "closed",
            ConnState::Reset => "reset",
        }
    }
}

impl Filter {
    /// Does a connection match everything that is given?
    pub fn matches(&self, conn: &Connection) -> bool {
        fn is<T: PartialEq>(wanted: Option<T>, value: T) -> bool {
            wanted.is_none_or(|wanted| wanted == value)
        }
        is(self.client, conn.client.ip())
            && is(self.vip, conn.vip.ip())
            && is(self.vip_port, conn.vip.port())
            && is(self.backend, conn.backend.ip())
            && is(self.backend_port, conn.backend.port())
            && is(self.protocol, conn.protocol)
            && is(self.service, conn.service)
            && is(self.backend_id, conn.backend_id)
            && is(self.state, conn.state)
    }
}

fn state(conn: &Conn) -> Option<ConnState> {
    let index = conn.state.checked_sub(lb_conn_state::LB_CONN_NEW)?;
    ConnState::ALL.get(index as usize).copied()
}

fn seconds(ticks: u32) -> u32 {
    ((u64::from(ticks) << abi::LB_TICK_SHIFT) / 1_000_000_000) as u32
}

#[cfg(test)]
mod tests;

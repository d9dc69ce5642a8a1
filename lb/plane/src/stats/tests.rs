use std::net::IpAddr;
use std::num::NonZeroU16;

use lb_bpf::abi;
use lb_bpf::region::Region;
use lb_bpf::user::{Family, timeout_encode};
use lb_core::plane::{Op, Plane};
use lb_core::service::{Endpoint, Mode, NoBackend, Ports, Protocol, ServiceKey};
use lb_core::tables::*;
use zerocopy::FromZeros;

use super::{Connection, Filter, Traffic};
use crate::codec::address;

use crate::options::DEFAULT_LIMITS;
use crate::{RegionPlane, for_memory};

fn plane() -> RegionPlane {
    let limits = lb_core::plane::Limits {
        connections: 1024,
        slot_words: 64,
        ..DEFAULT_LIMITS
    };
    RegionPlane::in_memory(&for_memory(&limits, 3).expect("sizes that are allowed"))
}

#[test]
fn counters_are_summed_over_all_cpu_slots() {
    let plane = plane();
    for cpu in 0..3 {
        let mut row = abi::lb_cpu::new_zeroed();
        row.rx = 10;
        row.reason[0] = 7;
        row.reason[4] = 3;
        row.conn_event[0] = 1;
        plane.regions().write(Region::Cpus, cpu, &row);
        let mut traffic = abi::lb_traffic::new_zeroed();
        traffic.packets = [5, 4];
        traffic.connections = 1;
        let rows = plane.regions().config().max_services;
        plane
            .regions()
            .write(Region::ServiceStats, cpu * rows + 9, &traffic);
    }
    let totals = plane.reader().totals();
    assert_eq!(totals.rx, 30);
    assert_eq!(
        totals
            .reasons
            .iter()
            .map(|reason| reason.count)
            .sum::<u64>(),
        totals.rx
    );
    assert_eq!(totals.conn_events[0], ("inserted", 3));
    let service = plane.reader().service(ServiceId(9));
    assert_eq!(
        (service.packets_in, service.packets_out, service.connections),
        (15, 12, 3)
    );
    assert_eq!(plane.reader().service(ServiceId(8)), Traffic::default());
}

#[test]
fn an_empty_table_has_no_connections_and_knows_its_capacity() {
    let reader = plane().reader();
    let usage = reader.usage();
    let limits = plane().limits();
    assert!(limits.connections >= 1024);
    assert_eq!(
        usage.capacity,
        u64::from(limits.connections) + u64::from(limits.connections6)
    );
    assert!(usage.tables.iter().all(|table| table.used == 0));
    assert!(usage.by_state.iter().all(|(_, count)| *count == 0));
    let page = reader.connections(&Filter::default(), 0, 10);
    assert!(page.connections.is_empty() && page.next.is_none());
}

const BACKEND: BackendId = BackendId(3);

fn addr(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// A connection of service 2 from port 40000 of a client, as if a packet had opened it.
fn insert(plane: &mut RegionPlane, client: &str, vip: &str, backend: Option<&str>) -> u32 {
    let words = |text: &str| address::words(addr(text));
    let mut entry = abi::lb_conn6::new_zeroed();
    entry.client = words(client);
    entry.vip = words(vip);
    entry.client_port = 40_000_u16.to_be();
    entry.vip_port = 80_u16.to_be();
    entry.protocol = 6;
    entry.service = 2;
    entry.backend_id = BACKEND.0;
    match backend {
        Some(backend) => {
            entry.source = entry.client;
            entry.source_port = entry.client_port;
            entry.backend = words(backend);
            entry.backend_port = 8080_u16.to_be();
        }
        None => entry.flags = (abi::LB_CONN_ONE_SIDED | abi::LB_CONN_IPIP) as u8,
    }
    let family = if addr(client).is_ipv6() {
        Family::Ipv6
    } else {
        Family::Ipv4
    };
    let state = abi::lb_conn_state::LB_CONN_ESTABLISHED;
    plane
        .host
        .insert(family, &entry, state, timeout_encode(100))
        .expect("there is room")
}

fn put_backend(plane: &mut RegionPlane, backend: &str) {
    let endpoint = Endpoint {
        addr: addr(backend),
        port: None,
    };
    let row = BackendRow {
        key: BackendKey {
            endpoint,
            protocol: Protocol::Tcp,
        },
        hop: None,
        source: None,
    };
    plane
        .apply(&Op::PutBackend(BACKEND, row))
        .expect("it is within the limits");
}

fn all(plane: &RegionPlane) -> Vec<Connection> {
    plane
        .reader()
        .connections(&Filter::default(), 0, 10)
        .connections
}

#[test]
fn connections_of_both_families_are_listed_with_their_ends_and_counted_apart() {
    let mut plane = plane();
    insert(&mut plane, "10.0.0.7", "20.20.20.1", Some("31.31.31.1"));
    insert(
        &mut plane,
        "2001:db8::7",
        "2001:db8:20::1",
        Some("2001:db8:31::1"),
    );
    let found = all(&plane);
    let ends = |conn: &Connection| {
        [conn.client, conn.vip, conn.source, conn.backend].map(|end| end.to_string())
    };
    assert_eq!(
        found.iter().map(ends).collect::<Vec<_>>(),
        [
            [
                "10.0.0.7:40000",
                "20.20.20.1:80",
                "10.0.0.7:40000",
                "31.31.31.1:8080"
            ],
            [
                "[2001:db8::7]:40000",
                "[2001:db8:20::1]:80",
                "[2001:db8::7]:40000",
                "[2001:db8:31::1]:8080"
            ],
        ]
    );
    assert!(found.iter().all(|conn| !conn.one_sided));
    let usage = plane.reader().usage();
    let used: Vec<_> = usage
        .tables
        .iter()
        .map(|one| (one.name, one.used))
        .collect();
    assert_eq!(used, [("conn4", 1), ("conn6", 1), ("affinity", 0)]);
    assert_eq!(usage.active_by_backend[&BACKEND], 2);
    assert_eq!(plane.reader().load(BACKEND), 2);
    assert_eq!(
        plane.connections().expect("memory can be read")[&BACKEND],
        2
    );
}

#[test]
fn a_one_sided_connection_has_the_backends_address_and_the_port_that_was_asked_for() {
    let mut plane = plane();
    put_backend(&mut plane, "2001:db8:31::1");
    insert(&mut plane, "10.0.0.7", "20.20.20.1", None);
    let [conn] = all(&plane)[..] else {
        panic!("one connection was made");
    };
    assert!(conn.one_sided);
    assert_eq!(conn.source, conn.client);
    assert_eq!(conn.backend.to_string(), "[2001:db8:31::1]:80");
}

#[test]
fn connections_whose_clients_became_denied_are_released() {
    let mut plane = plane();
    let sources = SourceRange {
        first: 4,
        count: 2,
        deny_first: false,
    };
    // 2001:db8:bad::/48
    let denied = 0x2001_0db8_0bad_u128 << 80;
    let boundaries = [denied, denied + (1 << 80)];
    let vip = addr("2001:db8:20::1");
    let row = ServiceRow {
        key: ServiceKey {
            vip,
            ports: Ports::One(NonZeroU16::new(80).expect("not 0")),
            protocol: Protocol::Tcp,
        },
        mode: Mode::Dnat,
        selection: SelectionKind::Maglev,
        pick_up: false,
        no_backend: NoBackend::Reject,
        last_hop: false,
        idle: 60,
        persist: 0,
        mss: 0,
        slots: None,
        members: None,
        sources: Some(sources),
    };
    let image = Image {
        vips: [(vip, VipRow { arp: 0, echo: true })].into(),
        services: [(ServiceId(2), row)].into(),
        ..Image::default()
    };
    for client in ["2001:db8::7", "2001:db8:bad::7", "2001:db8:bae::7"] {
        insert(&mut plane, client, "2001:db8:20::1", Some("2001:db8:31::1"));
    }
    for op in [
        Op::PutSources {
            first: sources.first,
            boundaries: boundaries.into(),
        },
        Op::Publish(image.into()),
        Op::FlushDenied(ServiceId(2)),
    ] {
        plane.apply(&op).expect("it is within the limits");
    }
    let left: Vec<_> = all(&plane).iter().map(|conn| conn.client.ip()).collect();
    assert_eq!(left.len(), 2);
    assert!(!left.contains(&addr("2001:db8:bad::7")));
    assert_eq!(plane.reader().load(BACKEND), 2);
}

#[test]
fn clients_that_keep_their_backend_are_counted_until_their_time_is_over() {
    let plane = plane();
    let regions = plane.regions();
    let mut service = abi::lb_service::new_zeroed();
    service.persist = 60;
    regions.write(Region::Services, 0, &service);
    regions.write(Region::Services, 1, &abi::lb_service::new_zeroed());
    let now = plane.reader().host().tick();
    let client = |mark: u16, idle: u32| abi::lb_affinity {
        word: u64::from(now.wrapping_sub(idle)) << u32::BITS,
        service: mark,
        ..abi::lb_affinity::new_zeroed()
    };
    // Seen just now; of a service that keeps nobody; free; seen too long ago.
    for (line, affinity) in [
        [client(1, 0), client(2, 0)],
        [client(0, 0), client(1, 1000)],
    ]
    .into_iter()
    .enumerate()
    {
        let line_row = abi::lb_affinity_line { affinity };
        regions.write(Region::Affinity, line as u32, &line_row);
    }
    let usage = plane.reader().usage();
    let affinity = usage.tables.last().expect("there are tables");
    assert_eq!((affinity.name, affinity.used), ("affinity", 1));
    assert_eq!(affinity.capacity, DEFAULT_LIMITS.affinities.into());
}

use std::sync::Arc;

use lb_core::service::{Endpoint, Mode, NoBackend, Ports, Protocol, ServiceKey};
use lb_core::tables::{BackendRow, Hop, SelectionKind, ServiceId, ServiceRow, VipRow};
use zerocopy::FromZeros;

use super::*;
use crate::for_memory;
use crate::options::DEFAULT_LIMITS;

const CPUS: u32 = 3;
const SERVICE: ServiceId = ServiceId(2);
const BACKEND: BackendId = BackendId(5);

fn plane() -> RegionPlane {
    let limits = Limits {
        connections: 1024,
        slot_words: 64,
        ..DEFAULT_LIMITS
    };
    RegionPlane::in_memory(&for_memory(&limits, CPUS).expect("sizes that are allowed"))
}

fn apply(plane: &mut RegionPlane, op: Op) {
    plane.apply(&op).expect("it is within the limits");
}

/// What packets would count on each CPU.
fn count(plane: &RegionPlane, region: Region, rows: u32, id: u32) {
    for cpu in 0..CPUS {
        let mut row = abi::lb_traffic::new_zeroed();
        row.packets = [4, 3];
        plane.regions().write(region, cpu * rows + id, &row);
    }
}

fn count_service(plane: &RegionPlane) {
    let rows = plane.regions().config().max_services;
    count(plane, Region::ServiceStats, rows, SERVICE.0.into());
    plane
        .regions()
        .store_u64(Region::Cursors, SERVICE.0.into(), 0, 7);
}

fn count_backend(plane: &RegionPlane) {
    let rows = plane.regions().config().max_backends;
    count(plane, Region::BackendStats, rows, BACKEND.0);
}

fn backend_row(addr: &str, hop: Option<Hop>) -> BackendRow {
    BackendRow {
        key: BackendKey {
            endpoint: Endpoint {
                addr: addr.parse().expect("an address"),
                port: Some(80.try_into().expect("not 0")),
            },
            protocol: Protocol::Tcp,
        },
        hop,
        source: None,
    }
}

fn publish(plane: &mut RegionPlane, port: Option<u16>) {
    let row = |port: u16| ServiceRow {
        key: ServiceKey {
            vip: "10.0.0.1".parse().expect("an address"),
            ports: Ports::One(port.try_into().expect("not 0")),
            protocol: Protocol::Tcp,
        },
        mode: Mode::Dnat,
        selection: SelectionKind::RoundRobin,
        pick_up: false,
        no_backend: NoBackend::Reject,
        last_hop: false,
        idle: 60,
        persist: 0,
        mss: 0,
        slots: None,
        members: None,
        sources: None,
    };
    let image = Image {
        vips: port
            .map(|port| (row(port).key.vip, VipRow { arp: 0, echo: true }))
            .into_iter()
            .collect(),
        services: port.map(|port| (SERVICE, row(port))).into_iter().collect(),
        ..Image::default()
    };
    apply(plane, Op::Publish(Arc::new(image)));
}

#[test]
fn a_service_counts_on_while_it_lives_and_another_at_its_id_begins_at_0() {
    let mut plane = plane();
    let seen = |plane: &RegionPlane| {
        let cursor = plane
            .regions()
            .load_u64(Region::Cursors, SERVICE.0.into(), 0);
        (plane.reader().service(SERVICE).packets_in, cursor)
    };
    // A predecessor that died left counts behind.
    count_service(&plane);
    publish(&mut plane, Some(80));
    assert_eq!(seen(&plane), (0, 0), "the row was free");
    count_service(&plane);
    publish(&mut plane, Some(80));
    publish(&mut plane, Some(80));
    assert_eq!(seen(&plane), (12, 7), "the row is the same");
    publish(&mut plane, Some(81));
    assert_eq!(seen(&plane), (0, 0), "the row is another service's");
    publish(&mut plane, None);
    // A packet that was under way when the row went.
    count_service(&plane);
    publish(&mut plane, Some(81));
    assert_eq!(seen(&plane), (0, 0), "the row was free in between");
}

#[test]
fn a_backend_counts_on_while_it_lives_and_another_at_its_id_begins_at_0() {
    let mut plane = plane();
    let seen = |plane: &RegionPlane| plane.reader().backend(BACKEND).packets_out;
    let hop = Hop {
        interface: InterfaceSlot(1),
        mac: lb_core::addr::Mac([2, 0, 0, 0, 0, 1]),
    };
    count_backend(&plane);
    apply(
        &mut plane,
        Op::PutBackend(BACKEND, backend_row("10.1.0.1", None)),
    );
    assert_eq!(seen(&plane), 0, "the row was free");
    count_backend(&plane);
    let moved = BackendRow {
        source: Some("10.1.0.9".parse().expect("an address")),
        ..backend_row("10.1.0.1", Some(hop))
    };
    apply(&mut plane, Op::PutBackend(BACKEND, moved));
    assert_eq!(seen(&plane), 9, "the backend is the same");
    apply(
        &mut plane,
        Op::PutBackend(BACKEND, backend_row("10.1.0.2", None)),
    );
    assert_eq!(seen(&plane), 0, "the row is another backend's");
    apply(&mut plane, Op::DropBackend(BACKEND));
    count_backend(&plane);
    apply(
        &mut plane,
        Op::PutBackend(BACKEND, backend_row("10.1.0.2", None)),
    );
    assert_eq!(seen(&plane), 0, "the row was free in between");
}

#[test]
fn a_load_is_that_of_the_connections_until_a_row_without_any_is_dropped() {
    let mut plane = plane();
    apply(
        &mut plane,
        Op::PutBackend(BACKEND, backend_row("10.1.0.1", None)),
    );
    plane.regions().store_u64(Region::Loads, BACKEND.0, 0, 3);
    // Somebody zeroed the row: its connections are still there.
    plane.regions().zero(Region::Backends, BACKEND.0);
    apply(
        &mut plane,
        Op::PutBackend(BACKEND, backend_row("10.1.0.1", None)),
    );
    assert_eq!(plane.reader().load(BACKEND), 3);
    apply(&mut plane, Op::DropBackend(BACKEND));
    assert_eq!(plane.reader().load(BACKEND), 0);
}

#[test]
fn a_backends_row_that_somebody_changed_is_put_again_whole() {
    let mut plane = plane();
    let row = backend_row("2001:db8::1", None);
    apply(&mut plane, Op::PutBackend(BACKEND, row.clone()));
    let words = plane.regions().words(Region::Backends, BACKEND.0).len();
    for word in 0..words {
        for bit in [0, 31, 32, 63] {
            let value = plane.regions().load_u64(Region::Backends, BACKEND.0, word);
            let changed = value ^ 1 << bit;
            plane
                .regions()
                .store_u64(Region::Backends, BACKEND.0, word, changed);
            let found = plane.read().expect("memory can be read").backends;
            assert_ne!(found.get(&BACKEND), Some(&row), "word {word} bit {bit}");
            apply(&mut plane, Op::PutBackend(BACKEND, row.clone()));
            let value_now = plane.regions().load_u64(Region::Backends, BACKEND.0, word);
            assert_eq!(value_now, value, "word {word} bit {bit}");
        }
    }
}

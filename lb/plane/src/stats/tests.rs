use lb_bpf::abi;
use lb_bpf::region::Region;
use lb_core::tables::ServiceId;
use zerocopy::FromZeros;

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
    assert_eq!(
        plane.reader().service(ServiceId(8)),
        crate::stats::Traffic::default()
    );
}

#[test]
fn an_empty_table_has_no_connections_and_knows_its_capacity() {
    let reader = plane().reader();
    let usage = reader.usage();
    let limits = lb_core::plane::Plane::limits(&plane());
    assert!(limits.connections >= 1024);
    assert_eq!(
        usage.capacity,
        u64::from(limits.connections) + u64::from(limits.connections6)
    );
    assert_eq!(usage.tables.len(), 2);
    assert!(usage.by_state.iter().all(|(_, count)| *count == 0));
    let page = reader.connections(&crate::stats::Filter::default(), 0, 10);
    assert!(page.connections.is_empty() && page.next.is_none());
}

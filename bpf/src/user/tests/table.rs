//! The connection table by its operations.

use zerocopy::FromZeros;

use super::small_config;
use crate::abi::{self, lb_conn_event, lb_conn_state::*};
use crate::region::{Region, Regions};
use crate::user::{Family, InsertError, UserHost};

const FAMILIES: [Family; 2] = [Family::Ipv4, Family::Ipv6];

const TICK: u64 = 1 << abi::LB_TICK_SHIFT;

fn host() -> UserHost {
    let mut host = UserHost::new(&Regions::heap(&small_config()), 0);
    host.set_now(Some(1000 * TICK));
    host
}

/// Tables of one line of each family: eight flows.
fn one_line() -> UserHost {
    let config = abi::lb_config {
        conn_lines4: 1,
        conn_lines6: 1,
        ..small_config()
    };
    let mut host = UserHost::new(&Regions::heap(&config), 0);
    host.set_now(Some(1000 * TICK));
    host
}

/// An address of the family, which IPv6 tells from others by its third word, too.
fn address(family: Family, value: u32) -> [u32; 4] {
    match family {
        Family::Ipv4 => [value, 0, 0, 0],
        Family::Ipv6 => [value, 7, !value, 9],
    }
}

fn flow(family: Family, number: u32) -> abi::lb_conn6 {
    let mut entry = abi::lb_conn6::new_zeroed();
    entry.client = address(family, 0x0a00_0000 + number);
    entry.vip = address(family, 1);
    entry.source = entry.client;
    entry.backend = address(family, 2);
    entry.client_port = 1000;
    entry.vip_port = 80;
    entry.source_port = 1000;
    entry.backend_port = 8080;
    entry.protocol = 17;
    entry.service = (number % 2) as u16;
    entry.backend_id = number % 3;
    entry
}

/// The same with direct return.
fn one_sided(family: Family, number: u32) -> abi::lb_conn6 {
    abi::lb_conn6 {
        flags: abi::LB_CONN_ONE_SIDED as u8,
        source: [0; 4],
        backend: [0; 4],
        source_port: 0,
        backend_port: 0,
        ..flow(family, number)
    }
}

fn loads(host: &UserHost) -> Vec<u64> {
    (0..3)
        .map(|id| host.regions().load_u64(Region::Loads, id, 0))
        .collect()
}

fn events(host: &UserHost) -> [u64; 7] {
    host.regions()
        .read::<abi::lb_cpu>(Region::Cpus, 0)
        .conn_event
}

#[test]
fn a_flow_of_either_family_is_there_whole_until_it_is_released() {
    let mut host = host();
    for family in FAMILIES {
        for wanted in [flow(family, 1), one_sided(family, 2)] {
            let position = host
                .insert(family, &wanted, LB_CONN_ESTABLISHED, 60)
                .unwrap();
            let conn = host.conn(position).unwrap();
            assert_eq!((conn.family, conn.state, conn.timeout), (family, 4, 60));
            let got = conn.entry;
            assert_eq!(
                (got.client, got.vip, got.source, got.backend),
                (wanted.client, wanted.vip, wanted.source, wanted.backend)
            );
            assert_eq!(
                (
                    got.client_port,
                    got.backend_port,
                    got.service,
                    got.backend_id
                ),
                (
                    wanted.client_port,
                    wanted.backend_port,
                    wanted.service,
                    wanted.backend_id
                )
            );
            assert!(host.release(position));
            assert!(host.conn(position).is_none());
            assert!(!host.release(position));
        }
    }
}

#[test]
fn ipv4_has_the_first_lines_and_ipv6_the_rest() {
    let mut host = host();
    let first6 = host.regions().config().conn_lines4 * abi::LB_LINE_WORDS;
    for number in 0..100 {
        let insert = |host: &mut UserHost, family| {
            let entry = flow(family, number);
            host.insert(family, &entry, LB_CONN_ESTABLISHED, 60)
                .unwrap()
        };
        assert!(insert(&mut host, Family::Ipv4) < first6);
        assert!(insert(&mut host, Family::Ipv6) >= first6);
    }
    assert_eq!(host.sweep(0, 64).live, 100);
    assert_eq!(host.sweep(64, 64).live, 100);
}

#[test]
fn a_family_without_lines_has_no_room_and_takes_none_of_the_other() {
    for family in FAMILIES {
        let config = match family {
            Family::Ipv4 => abi::lb_config {
                conn_lines4: 0,
                ..small_config()
            },
            Family::Ipv6 => abi::lb_config {
                conn_lines6: 0,
                ..small_config()
            },
        };
        let mut host = UserHost::new(&Regions::heap(&config), 0);
        let refused = host.insert(family, &flow(family, 1), LB_CONN_NEW, 0);
        assert_eq!(refused, Err(InsertError::Full));
    }
}

#[test]
fn a_key_is_there_once_in_each_direction() {
    let mut host = host();
    for family in FAMILIES {
        let position = host
            .insert(family, &flow(family, 1), LB_CONN_NEW, 0)
            .unwrap();
        assert_eq!(
            host.insert(family, &flow(family, 1), LB_CONN_NEW, 0),
            Err(InsertError::Exists { position })
        );
        let other_vip = abi::lb_conn6 {
            vip: address(family, 9),
            ..flow(family, 1)
        };
        assert_eq!(
            host.insert(family, &other_vip, LB_CONN_NEW, 0),
            Err(InsertError::ReverseTaken)
        );
        assert_eq!(loads(&host)[1], 1 + family as u64);
    }
    assert_eq!(host.sweep(0, 128).live, 2);
}

#[test]
fn one_sided_flows_share_no_reverse_key_and_have_no_reverse_word() {
    let mut host = host();
    for family in FAMILIES {
        for number in 0..20 {
            let entry = one_sided(family, number);
            let position = host.insert(family, &entry, LB_CONN_NEW, 0).unwrap();
            let reverse = host.conn(position).unwrap().entry.reverse;
            assert_eq!(reverse, abi::LB_POSITION_NONE);
        }
        let again = host.insert(family, &one_sided(family, 3), LB_CONN_NEW, 0);
        assert!(matches!(again, Err(InsertError::Exists { .. })));
    }
    for line in 0..host.regions().len(Region::ConnReverse) {
        for word in 0..8 {
            assert_eq!(host.regions().load_u64(Region::ConnReverse, line, word), 0);
        }
    }
}

#[test]
fn a_load_is_the_number_of_live_flows_however_they_end() {
    let mut host = host();
    for family in FAMILIES {
        for number in 0..6 {
            let state = if number < 3 {
                LB_CONN_NEW
            } else {
                LB_CONN_ESTABLISHED
            };
            host.insert(family, &flow(family, number), state, 100)
                .unwrap();
        }
        let position = host.insert(family, &one_sided(family, 7), LB_CONN_NEW, 0);
        assert_eq!(loads(&host), [2, 3, 2]);
        host.release(position.unwrap());
        host.set_now(Some(1050 * TICK));
        host.sweep(0, 128);
        assert_eq!(loads(&host), [1, 1, 1]);
        host.flush_service(0);
        host.flush_service(1);
        assert_eq!(loads(&host), [0, 0, 0]);
        host.set_now(Some(1000 * TICK));
    }
}

/// Publishes a service's record in bank 0, with allowed clients below a boundary only.
fn deny_from(host: &UserHost, id: u32, boundary: abi::lb_boundary) {
    let mut record = abi::lb_service::new_zeroed();
    record.flags = abi::LB_SERVICE_USED | abi::LB_SERVICE_SOURCES;
    record.source_first = 2;
    record.source_count = 1;
    host.regions().write(Region::Services, id, &record);
    host.regions().write(Region::Sources, 2, &boundary);
}

#[test]
fn a_flush_of_the_denied_ends_the_flows_of_one_service_whose_client_is() {
    let mut host = host();
    for family in FAMILIES {
        for last in 0..20_u8 {
            let mut entry = flow(family, u32::from(last));
            entry.client = match family {
                Family::Ipv4 => [u32::from_ne_bytes([10, 0, 0, last]), 0, 0, 0],
                Family::Ipv6 => [0, 0, 0, u32::from_ne_bytes([10, 0, 0, last])],
            };
            host.insert(family, &entry, LB_CONN_ESTABLISHED, 10)
                .unwrap();
        }
        assert_eq!(host.flush_denied(1), 0, "its sources say nothing yet");
        let boundary = abi::lb_boundary {
            high: 0,
            low: u64::from(u32::from_be_bytes([10, 0, 0, 10])),
        };
        deny_from(&host, 1, boundary);
        // 11, 13, ..., 19.
        assert_eq!(host.flush_denied(1), 5);
        assert_eq!(host.flush_denied(1), 0);
        assert_eq!(host.flush_denied(0), 0);
        assert_eq!(host.sweep(0, 128).live, 15);
        host.flush_service(0);
        host.flush_service(1);
        host.regions()
            .write(Region::Services, 1, &abi::lb_service::new_zeroed());
    }
}

#[test]
fn a_sweep_ends_what_has_expired_and_leaves_the_rest() {
    let mut host = host();
    for number in 0..20 {
        let family = FAMILIES[number as usize % 2];
        host.insert(
            family,
            &flow(family, number),
            LB_CONN_ESTABLISHED,
            if number < 5 { 10 } else { 100 },
        )
        .unwrap();
    }
    host.set_now(Some(1010 * TICK));
    assert_eq!(host.sweep(0, 128).released, 0);
    host.set_now(Some(1011 * TICK));
    let stats = host.sweep(0, 128);
    assert_eq!(
        (stats.released, stats.live, stats.confirmed, stats.busy),
        (5, 15, 15, 0)
    );
}

#[test]
fn a_sweep_that_is_behind_by_a_tick_ends_nothing() {
    let mut host = host();
    host.insert(
        Family::Ipv4,
        &flow(Family::Ipv4, 1),
        LB_CONN_ESTABLISHED,
        10,
    )
    .unwrap();
    host.set_now(Some(999 * TICK));
    assert_eq!(host.sweep(0, 64).released, 0);
}

#[test]
fn a_flush_ends_the_flows_of_one_service() {
    let mut host = host();
    for number in 0..20 {
        host.insert(
            Family::Ipv4,
            &flow(Family::Ipv4, number),
            LB_CONN_ESTABLISHED,
            10,
        )
        .unwrap();
    }
    assert_eq!(host.flush_service(1), 10);
    assert_eq!(host.flush_service(1), 0);
    let mut counts = Vec::new();
    host.connections_by_backend(&mut counts);
    assert_eq!(counts.iter().sum::<u64>(), 10);
    assert_eq!(counts[0], 4);
}

#[test]
fn a_full_line_gives_up_closed_then_expired_then_the_oldest_unconfirmed_and_nothing_else() {
    FAMILIES.into_iter().for_each(gives_up_what_it_may);
}

fn gives_up_what_it_may(family: Family) {
    let mut host = one_line();
    let insert = |host: &mut UserHost, number, state| {
        host.insert(family, &flow(family, number), state, 1000)
    };
    for number in 0..4 {
        insert(&mut host, number, LB_CONN_ESTABLISHED).unwrap();
    }
    host.set_now(Some(1100 * TICK));
    insert(&mut host, 4, LB_CONN_NEW).unwrap();
    host.set_now(Some(1110 * TICK));
    let oldest = insert(&mut host, 5, LB_CONN_NEW).unwrap();
    let closed = insert(&mut host, 6, LB_CONN_CLOSED).unwrap();
    host.set_now(Some(1135 * TICK));
    let newest = insert(&mut host, 7, LB_CONN_NEW).unwrap();
    // Flow 4 is 35 ticks old, of 30; flow 5 is 25 ticks old, flow 7 is young.
    assert_eq!(insert(&mut host, 8, LB_CONN_ESTABLISHED), Ok(closed));
    insert(&mut host, 9, LB_CONN_ESTABLISHED).unwrap();
    assert_eq!(insert(&mut host, 10, LB_CONN_ESTABLISHED), Ok(oldest));
    assert_eq!(insert(&mut host, 11, LB_CONN_ESTABLISHED), Ok(newest));
    assert_eq!(
        insert(&mut host, 12, LB_CONN_ESTABLISHED),
        Err(InsertError::Full)
    );
    let events = events(&host);
    assert_eq!(events[lb_conn_event::LB_CONN_INSERTED as usize], 12);
    assert_eq!(events[lb_conn_event::LB_CONN_EVICTED_CLOSED as usize], 1);
    assert_eq!(events[lb_conn_event::LB_CONN_EVICTED_EXPIRED as usize], 1);
    assert_eq!(
        events[lb_conn_event::LB_CONN_EVICTED_UNCONFIRMED as usize],
        2
    );
}

#[test]
fn a_table_of_confirmed_flows_fills_to_two_thirds_before_it_refuses_one() {
    let config = abi::lb_config {
        conn_lines4: 1024,
        conn_lines6: 1024,
        ..small_config()
    };
    let mut host = UserHost::new(&Regions::heap(&config), 0);
    for family in FAMILIES {
        let mut filled = 0;
        while host
            .insert(family, &flow(family, filled), LB_CONN_ESTABLISHED, 1000)
            .is_ok()
        {
            filled += 1;
        }
        assert!(filled > 8192 * 2 / 3, "{filled} of 8192 of {family:?}");
    }
}

#[test]
fn a_dead_hosts_claims_are_freed_and_a_living_ones_are_not() {
    let mut host = host();
    let position = host
        .insert(
            Family::Ipv4,
            &flow(Family::Ipv4, 1),
            LB_CONN_ESTABLISHED,
            10,
        )
        .unwrap();
    let (line, word) = (position / 8, (position % 8) as usize);
    let regions = host.regions().clone();
    let live = regions.load_u64(Region::ConnForward, line, word);
    // As if slot 1 had died while it held the word.
    let busy = live & !0xffff | 2 << abi::LB_FORWARD_TIMEOUT_SHIFT | u64::from(LB_CONN_BUSY);
    regions.store_u64(Region::ConnForward, line, word, busy);
    assert_eq!(host.reap(0), 0);
    assert_eq!(host.sweep(0, 64).busy, 1);
    assert_eq!(host.reap(1), 1);
    assert_eq!(host.sweep(0, 64).busy, 0);
    host.insert(
        Family::Ipv4,
        &flow(Family::Ipv4, 1),
        LB_CONN_ESTABLISHED,
        10,
    )
    .unwrap();
}

#[test]
fn a_translated_source_port_is_stamped_when_it_is_given_back() {
    for family in FAMILIES {
        let mut host = host();
        let translated = abi::lb_conn6 {
            flags: abi::LB_CONN_SOURCE_TRANSLATED as u8,
            ..flow(family, 1)
        };
        for (entry, stamped) in [(flow(family, 1), 0), (translated, 1)] {
            let position = host.insert(family, &entry, LB_CONN_NEW, 0).unwrap();
            host.release(position);
            let stamps = (0..host.regions().len(Region::SourceStamps))
                .filter(|&index| host.regions().load_u64(Region::SourceStamps, index, 0) != 0)
                .count();
            assert_eq!(stamps, stamped, "{family:?}");
        }
    }
}

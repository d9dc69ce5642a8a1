//! The connection table by its operations.

use zerocopy::FromZeros;

use super::small_config;
use crate::abi::{self, lb_conn_event, lb_conn_state::*};
use crate::region::{Region, Regions};
use crate::user::{InsertError, UserHost};

const TICK: u64 = 1 << abi::LB_TICK_SHIFT;

fn host() -> UserHost {
    let mut host = UserHost::new(&Regions::heap(&small_config()), 0);
    host.set_now(Some(1000 * TICK));
    host
}

/// Tables of one line: eight flows.
fn one_line() -> UserHost {
    let config = abi::lb_config {
        conn_lines: 1,
        ..small_config()
    };
    let mut host = UserHost::new(&Regions::heap(&config), 0);
    host.set_now(Some(1000 * TICK));
    host
}

fn flow(number: u32) -> abi::lb_conn4 {
    let mut entry = abi::lb_conn4::new_zeroed();
    entry.client = 0x0a00_0000 + number;
    entry.vip = 1;
    entry.source = entry.client;
    entry.backend = 2;
    entry.client_port = 1000;
    entry.vip_port = 80;
    entry.source_port = 1000;
    entry.backend_port = 8080;
    entry.protocol = 17;
    entry.service = (number % 2) as u16;
    entry.backend_id = number % 3;
    entry
}

fn events(host: &UserHost) -> [u64; 7] {
    host.regions()
        .read::<abi::lb_cpu>(Region::Cpus, 0)
        .conn_event
}

#[test]
fn a_flow_is_there_until_it_is_released() {
    let mut host = host();
    let position = host.insert(&flow(1), LB_CONN_ESTABLISHED, 60).unwrap();
    let conn = host.conn(position).unwrap();
    assert_eq!(
        (conn.entry.client, conn.state, conn.timeout),
        (flow(1).client, 4, 60)
    );
    assert!(host.release(position));
    assert!(host.conn(position).is_none());
    assert!(!host.release(position));
}

#[test]
fn a_key_is_there_once_in_each_direction() {
    let mut host = host();
    let position = host.insert(&flow(1), LB_CONN_NEW, 0).unwrap();
    assert_eq!(
        host.insert(&flow(1), LB_CONN_NEW, 0),
        Err(InsertError::Exists { position })
    );
    let other_vip = abi::lb_conn4 { vip: 9, ..flow(1) };
    assert_eq!(
        host.insert(&other_vip, LB_CONN_NEW, 0),
        Err(InsertError::ReverseTaken)
    );
    assert_eq!(host.sweep(0, 64).live, 1);
}

#[test]
fn a_sweep_ends_what_has_expired_and_leaves_the_rest() {
    let mut host = host();
    for number in 0..20 {
        host.insert(
            &flow(number),
            LB_CONN_ESTABLISHED,
            if number < 5 { 10 } else { 100 },
        )
        .unwrap();
    }
    host.set_now(Some(1010 * TICK));
    assert_eq!(host.sweep(0, 64).released, 0);
    host.set_now(Some(1011 * TICK));
    let stats = host.sweep(0, 64);
    assert_eq!(
        (stats.released, stats.live, stats.confirmed, stats.busy),
        (5, 15, 15, 0)
    );
}

#[test]
fn a_sweep_that_is_behind_by_a_tick_ends_nothing() {
    let mut host = host();
    host.insert(&flow(1), LB_CONN_ESTABLISHED, 10).unwrap();
    host.set_now(Some(999 * TICK));
    assert_eq!(host.sweep(0, 64).released, 0);
}

#[test]
fn a_flush_ends_the_flows_of_one_service() {
    let mut host = host();
    for number in 0..20 {
        host.insert(&flow(number), LB_CONN_ESTABLISHED, 10).unwrap();
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
    let mut host = one_line();
    let insert = |host: &mut UserHost, number, state| host.insert(&flow(number), state, 1000);
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
fn a_table_of_confirmed_flows_fills_to_three_quarters_before_it_refuses_one() {
    let config = abi::lb_config {
        conn_lines: 1024,
        ..small_config()
    };
    let mut host = UserHost::new(&Regions::heap(&config), 0);
    let mut filled = 0;
    while host
        .insert(&flow(filled), LB_CONN_ESTABLISHED, 1000)
        .is_ok()
    {
        filled += 1;
    }
    assert!(filled > 8192 * 3 / 4, "{filled} of 8192");
}

#[test]
fn a_dead_hosts_claims_are_freed_and_a_living_ones_are_not() {
    let mut host = host();
    let position = host.insert(&flow(1), LB_CONN_ESTABLISHED, 10).unwrap();
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
    host.insert(&flow(1), LB_CONN_ESTABLISHED, 10).unwrap();
}

#[test]
fn a_translated_source_port_is_stamped_when_it_is_given_back() {
    let mut host = host();
    let entry = abi::lb_conn4 {
        flags: abi::LB_CONN_SOURCE_TRANSLATED as u8,
        ..flow(1)
    };
    for (entry, stamped) in [(flow(1), 0), (entry, 1)] {
        let position = host.insert(&entry, LB_CONN_NEW, 0).unwrap();
        host.release(position);
        let stamps = (0..host.regions().len(Region::SourceStamps))
            .filter(|&index| host.regions().load_u64(Region::SourceStamps, index, 0) != 0)
            .count();
        assert_eq!(stamps, stamped);
    }
}

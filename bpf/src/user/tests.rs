#![allow(clippy::unwrap_used)]

use super::*;

mod admit;
mod state;
mod table;
mod world;

/// Tables of a few elements each.
pub(crate) fn small_config() -> abi::lb_config {
    let mut config = abi::lb_config::new_zeroed();
    config.conn_lines4 = 64;
    config.conn_lines6 = 64;
    config.cpu_slots = 2;
    config.max_services = 8;
    config.max_backends = 8;
    config.max_hops = 8;
    config.filter_bits = 10;
    config.vip_lines = 8;
    config.port_lines = 8;
    config.route_nodes = 4;
    config.slot_words = 64;
    config.members = 64;
    config.sources = 16;
    config.affinity_lines = 8;
    config.stamp_words = 64;
    config.fragment_lines = 8;
    config.source_port_first = 1024;
    config.source_port_last = 2047;
    for (index, key) in config.conn_key.iter_mut().enumerate() {
        *key = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    }
    for (index, key) in config.select_key.iter_mut().enumerate() {
        *key = (index as u64 + 101).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    }
    config
}

#[test]
fn the_tick_follows_the_clock_that_was_set() {
    let mut host = UserHost::new(&Regions::heap(&small_config()), 0);
    host.set_now(Some(7 << abi::LB_TICK_SHIFT));
    assert_eq!(host.tick(), 7);
}

#[test]
fn an_empty_frame_passes() {
    let mut host = UserHost::new(&Regions::heap(&small_config()), 0);
    let mut frame = Vec::new();
    assert_eq!(host.forward(&mut frame, 1).action, Action::Pass);
    assert!(frame.is_empty());
}

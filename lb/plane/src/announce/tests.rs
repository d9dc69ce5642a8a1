//! What needs no network. What does is in lb/tests.
#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn nothing_to_send_needs_no_right_to_send() {
    assert!(transmit(&[]).is_empty());
}

#[test]
fn what_is_not_listened_to_any_more_is_closed_and_a_device_that_is_not_there_is_said() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let mut ears = Ears::default();
    let nowhere = 0x7fff_fff0;
    let listening = ears.listen(&BTreeSet::from([nowhere]));
    assert_eq!(listening.devices, BTreeSet::new());
    assert!(listening.failures.contains_key(&nowhere));
    assert_eq!(ears.listen(&BTreeSet::new()), Listening::default());
}

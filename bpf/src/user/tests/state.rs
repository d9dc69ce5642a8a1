//! The state machine, whole, and the timeouts.

use crate::abi::lb_conn_state::*;
use crate::user::{c, timeout_decode, timeout_encode};

const FORWARD: u32 = 0;
const REPLY: u32 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

fn next(state: u32, direction: u32, protocol: u8, flags: u8) -> u32 {
    // SAFETY: a pure function.
    unsafe { c::lb_user_next_state(state, direction, protocol, flags) }
}

fn next_one_sided(state: u32, protocol: u8, flags: u8) -> u32 {
    // SAFETY: a pure function.
    unsafe { c::lb_user_next_state_one_sided(state, protocol, flags) }
}

fn live_states() -> impl Iterator<Item = u32> {
    LB_CONN_NEW..LB_CONN_STATE_COUNT
}

fn is_confirmed(state: u32) -> bool {
    (LB_CONN_ESTABLISHED..=LB_CONN_FIN_BACKEND).contains(&state)
}

/// Every change there is, by state, direction and flags; all else stays.
fn change(state: u32, direction: u32, flags: u8) -> Option<u32> {
    let has = |flag: u8| flags & flag != 0;
    let reply = direction == REPLY;
    match state {
        LB_CONN_CLOSED => None,
        LB_CONN_NEW | LB_CONN_ANSWERED if has(RST) => Some(LB_CONN_CLOSED),
        _ if has(RST) => Some(LB_CONN_RESET),
        LB_CONN_NEW if reply && has(ACK) => Some(LB_CONN_ANSWERED),
        LB_CONN_RESET if reply && has(SYN) && has(ACK) => Some(LB_CONN_ANSWERED),
        _ if has(SYN) => None,
        LB_CONN_ANSWERED if !reply && has(ACK) && has(FIN) => Some(LB_CONN_FIN_CLIENT),
        LB_CONN_ANSWERED if !reply && has(ACK) => Some(LB_CONN_ESTABLISHED),
        LB_CONN_ESTABLISHED if has(FIN) && reply => Some(LB_CONN_FIN_BACKEND),
        LB_CONN_ESTABLISHED if has(FIN) => Some(LB_CONN_FIN_CLIENT),
        LB_CONN_FIN_CLIENT if has(FIN) && reply => Some(LB_CONN_CLOSED),
        LB_CONN_FIN_BACKEND if has(FIN) && !reply => Some(LB_CONN_CLOSED),
        LB_CONN_RESET if has(ACK) && !has(FIN) => Some(LB_CONN_ESTABLISHED),
        _ => None,
    }
}

#[test]
fn every_state_changes_as_the_table_says() {
    for state in live_states() {
        for direction in [FORWARD, REPLY] {
            for flags in 0..=255 {
                let expected = change(state, direction, flags).unwrap_or(state);
                let got = next(state, direction, TCP, flags);
                assert_eq!(
                    got, expected,
                    "state {state} direction {direction} flags {flags:#x}"
                );
            }
        }
    }
}

#[test]
fn a_client_alone_never_confirms_a_flow() {
    let mut reached = vec![LB_CONN_NEW];
    let mut index = 0;
    while let Some(&state) = reached.get(index) {
        for (protocol, flags) in (0..=255).map(|flags| (TCP, flags)).chain([(UDP, 0)]) {
            let state = next(state, FORWARD, protocol, flags);
            assert!(!is_confirmed(state), "by flags {flags:#x}");
            if !reached.contains(&state) {
                reached.push(state);
            }
        }
        index += 1;
    }
}

#[test]
fn a_syn_of_a_client_changes_no_state() {
    for state in live_states() {
        assert_eq!(next(state, FORWARD, TCP, SYN), state);
    }
}

#[test]
fn udp_is_confirmed_by_the_first_reply_and_by_nothing_else() {
    for state in live_states() {
        assert_eq!(next(state, FORWARD, UDP, 0), state);
        let reply = if state == LB_CONN_NEW {
            LB_CONN_ESTABLISHED
        } else {
            state
        };
        assert_eq!(next(state, REPLY, UDP, 0), reply);
    }
}

/// Every change of a one-sided flow's state there is, by state and flags; all else stays.
fn change_one_sided(state: u32, flags: u8) -> Option<u32> {
    let has = |flag: u8| flags & flag != 0;
    let opens = has(SYN) && !has(ACK);
    let plain = has(ACK) && !has(SYN);
    match state {
        LB_CONN_CLOSED => None,
        LB_CONN_NEW | LB_CONN_ANSWERED if has(RST) => Some(LB_CONN_CLOSED),
        _ if has(RST) => Some(LB_CONN_RESET),
        LB_CONN_NEW if plain && has(FIN) => Some(LB_CONN_FIN_CLIENT),
        LB_CONN_NEW if plain => Some(LB_CONN_ESTABLISHED),
        LB_CONN_ESTABLISHED if has(FIN) && !has(SYN) => Some(LB_CONN_FIN_CLIENT),
        LB_CONN_FIN_CLIENT if opens => Some(LB_CONN_ESTABLISHED),
        LB_CONN_RESET if (opens || plain) && !has(FIN) => Some(LB_CONN_ESTABLISHED),
        _ => None,
    }
}

#[test]
fn every_state_of_a_one_sided_flow_changes_as_the_table_says() {
    for state in live_states() {
        for flags in 0..=255 {
            let expected = change_one_sided(state, flags).unwrap_or(state);
            let got = next_one_sided(state, TCP, flags);
            assert_eq!(got, expected, "state {state} flags {flags:#x}");
        }
    }
}

#[test]
fn a_syn_of_a_one_sided_flow_takes_no_confirmation_away() {
    for state in live_states().filter(|&state| is_confirmed(state)) {
        assert!(is_confirmed(next_one_sided(state, TCP, SYN)));
    }
}

#[test]
fn a_one_sided_handshake_is_not_confirmed_by_syns() {
    for flags in [SYN, SYN | ACK, SYN | FIN] {
        assert_eq!(next_one_sided(LB_CONN_NEW, TCP, flags), LB_CONN_NEW);
    }
}

#[test]
fn one_sided_udp_is_confirmed_by_its_third_packet() {
    let second = next_one_sided(LB_CONN_NEW, UDP, 0);
    assert!(!is_confirmed(second));
    let third = next_one_sided(second, UDP, 0);
    assert_eq!(third, LB_CONN_ESTABLISHED);
    assert_eq!(next_one_sided(third, UDP, 0), LB_CONN_ESTABLISHED);
}

#[test]
fn a_timeout_is_kept_within_one_part_in_128_and_never_shortened() {
    for ticks in 0..=61440 {
        let kept = timeout_decode(timeout_encode(ticks));
        assert!(kept >= ticks, "{ticks} became {kept}");
        assert!(kept - ticks <= ticks / 128, "{ticks} became {kept}");
        assert!(timeout_encode(ticks) < 1 << 12);
    }
}

#[test]
fn a_timeout_beyond_the_age_field_is_cut_to_17_hours() {
    for ticks in [61441, 65535, 65536, u32::MAX] {
        assert_eq!(timeout_decode(timeout_encode(ticks)), 61440);
    }
}

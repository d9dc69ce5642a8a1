//! Backends that stand aside.

use super::*;
use crate::health::{Standing, Standings};

/// `facts`, with backends of a service aside.
fn aside(at: &str, backends: &[(&str, Standing)]) -> Facts {
    let all = backends.iter().cloned();
    let standings: Standings = all
        .map(|(backend, standing)| ((key(at), endpoint(backend)), standing))
        .collect();
    Facts {
        standings: Arc::new(standings),
        ..facts()
    }
}

fn down() -> Standing {
    Standing::Down("HTTP 503 in 3 ms".to_owned())
}

#[test]
fn who_stands_aside_keeps_its_place_and_has_no_slot() {
    let intent = intent(&[service(A, &[ONE, TWO])]);
    let mut world = World::default();
    let before = world.advance(&intent, &facts(), &limits());
    for standing in [down(), Standing::Drained, Standing::Disabled] {
        let facts = aside(A, &[(ONE, standing.clone())]);
        let after = world.advance(&intent, &facts, &limits());
        assert_eq!(after.shared(A), ["10.0.1.2".to_owned()].into());
        assert_eq!(after.backend(ONE), before.backend(ONE), "{standing:?}");
        assert_eq!(after.retired, BTreeSet::new());
        assert_eq!(after.reason(A), ProgrammedReason::Programmed);
    }
    let again = world.advance(&intent, &facts(), &limits());
    assert_eq!(again.shared(A), before.shared(A));
}

#[test]
fn a_backend_stands_aside_in_its_own_service_only() {
    let intent = intent(&[service(A, &[ONE, TWO]), service(B, &[ONE, TWO])]);
    let facts = aside(A, &[(ONE, down())]);
    let compiled = World::default().compile(&intent, &facts, &limits());
    assert_eq!(compiled.shared(A).len(), 1);
    assert_eq!(compiled.shared(B).len(), 2);
}

#[test]
fn the_others_slots_barely_move_when_one_goes_down() {
    let backends: Vec<String> = (11..=20).map(|last| format!("10.0.1.{last}:80")).collect();
    let texts: Vec<&str> = backends.iter().map(String::as_str).collect();
    let mut facts = facts();
    for last in 11..=20 {
        let addr = ip(&format!("10.0.1.{last}"));
        facts.neighbours.insert((11, addr), mac(100 + last));
    }
    let at = with_policy(service(A, &texts), |policy| {
        policy.selection = Selection::Maglev(MaglevSize::DEFAULT);
    });
    let intent = intent(&[at]);
    let mut limits = limits();
    limits.slot_words = 1 << 14;
    let mut world = World::default();
    let slots = |compiled: &Compiled| {
        let range = compiled.row(A).slots.unwrap();
        Arc::clone(&compiled.tables.slots[&range.first_word])
    };
    let before = slots(&world.advance(&intent, &facts, &limits));
    let standing = ((key(A), endpoint(&backends[3])), down());
    facts.standings = Arc::new([standing].into_iter().collect());
    let after = slots(&world.advance(&intent, &facts, &limits));
    let place = key_order(&backends, 3);
    let others = before.iter().zip(after.iter());
    let others = others.filter(|(before, _)| **before != place);
    let moved = others.clone().filter(|(before, after)| before != after);
    assert!(!after.contains(&place));
    let (moved, others) = (moved.count(), others.count());
    assert!(moved * 50 < others, "{moved} of {others} slots moved");
}

/// The place of a backend in the order of endpoints.
fn key_order(backends: &[String], wanted: usize) -> u16 {
    let wanted = endpoint(&backends[wanted]);
    let before = backends.iter().filter(|text| endpoint(text) < wanted);
    before.count() as u16
}

#[test]
fn states_say_who_stands_aside_and_why() {
    let intent = intent(&[service(A, &[ONE, TWO])]);
    let facts = aside(A, &[(ONE, down()), (TWO, Standing::Disabled)]);
    let compiled = World::default().compile(&intent, &facts, &limits());
    assert_eq!(compiled.state(A, ONE), BackendState::Down);
    assert_eq!(compiled.state(A, TWO), BackendState::Disabled);
    let one = &compiled.status(A).backends[&endpoint(ONE)];
    assert_eq!(one.message, "HTTP 503 in 3 ms");
    let two = &compiled.status(A).backends[&endpoint(TWO)];
    assert!(two.message.contains("loxictl enable"), "{}", two.message);
}

#[test]
fn a_service_whose_backends_all_fail_says_so() {
    let intent = intent(&[service(A, &[ONE, TWO])]);
    let facts = aside(A, &[(ONE, down()), (TWO, down())]);
    let compiled = World::default().compile(&intent, &facts, &limits());
    let programmed = &compiled.status(A).programmed;
    assert_eq!(programmed.reason, ProgrammedReason::NoHealthyBackend);
    assert!(!programmed.status);
    assert!(programmed.message.contains("HTTP 503"), "{programmed:?}");
    assert_eq!(compiled.row(A).members, None, "the service rejects");
}

#[test]
fn a_service_whose_backends_were_all_drained_by_hand_is_as_it_was_meant() {
    let intent = intent(&[service(A, &[ONE, TWO])]);
    let facts = aside(A, &[(ONE, Standing::Drained), (TWO, Standing::Disabled)]);
    let compiled = World::default().compile(&intent, &facts, &limits());
    assert!(compiled.status(A).programmed.status);
}

#[test]
fn what_is_wrong_with_the_way_is_said_before_what_the_check_says() {
    let beyond = "192.168.0.77:80";
    let intent = intent(&[service(A, &[beyond])]);
    let facts = aside(A, &[(beyond, down())]);
    let compiled = World::default().compile(&intent, &facts, &limits());
    assert_eq!(compiled.state(A, beyond), BackendState::NotAttached);
    assert_eq!(compiled.reason(A), ProgrammedReason::NoUsableBackend);
}

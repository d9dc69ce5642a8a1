use super::*;
use crate::abi::{LB_MAX_REASONS, lb_answer, lb_conn_event, lb_reason};

#[test]
fn every_item_of_the_enums_has_a_name() {
    assert_eq!(REASONS.len() as u32, lb_reason::LB_REASON_COUNT);
    assert_eq!(ANSWERS.len() as u32, lb_answer::LB_ANSWER_COUNT);
    assert_eq!(CONN_EVENTS.len() as u32, lb_conn_event::LB_CONN_EVENT_COUNT);
    assert!(REASONS.len() <= LB_MAX_REASONS as usize);
}

#[test]
fn a_reason_keeps_code_class_and_meaning_of_its_line() {
    let reason = Reason::named("no_backend").expect("it is in abi.h");
    assert_eq!(reason.code, lb_reason::LB_REASON_NO_BACKEND);
    assert_eq!(reason.class, Class::Drop);
    assert_eq!(reason.meaning, "the service has no usable backend");
    assert_eq!(Reason::of(reason.code), Some(reason));
}

#[test]
fn an_unknown_code_is_no_reason() {
    assert_eq!(Reason::of(lb_reason::LB_REASON_COUNT), None);
}

#[test]
fn every_reason_that_somebody_could_ask_about_has_a_remedy_of_one_sentence() {
    for reason in REASONS {
        let unremarkable = remedy::UNREMARKABLE.contains(&reason.name);
        assert!(
            !(unremarkable && reason.class == Class::Drop),
            "{}: a drop is never unremarkable",
            reason.name
        );
        match reason.remedy() {
            Some(remedy) => {
                let sentence = remedy.strip_suffix('.').unwrap_or_default();
                assert!(
                    !unremarkable && sentence.len() > 20 && !sentence.contains(". "),
                    "{}: `{remedy}` is not one sentence",
                    reason.name
                );
            }
            None => assert!(
                unremarkable,
                "bpf/src/reason/remedy.rs needs a remedy for {}",
                reason.name
            ),
        }
    }
    for name in remedy::named().chain(remedy::UNREMARKABLE) {
        assert!(Reason::named(name).is_some(), "{name} is no reason");
    }
}

#[test]
fn the_readme_has_every_reason_with_its_meaning() {
    let readme = include_str!("../../../README.md");
    for reason in REASONS {
        let class = match reason.class {
            Class::Tx => "tx",
            Class::Pass => "pass",
            Class::Drop => "drop",
        };
        let row = format!("| `{}` | {class} | {} |", reason.name, reason.meaning);
        assert!(readme.contains(&row), "README.md needs the row {row}");
    }
}

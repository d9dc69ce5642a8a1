#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use lb_api::wire;
use lb_core::health::{Check, Outcome, Phase, ProbeRecord, Target, Verdict};
use lb_core::intent::{Document, Intent, Source};

use super::Monitor;
use super::board::Board;
use super::schedule::{Random, Schedule};

mod probes;

/// A check, from what a document would say.
pub fn check(yaml: &str) -> Arc<Check> {
    let text = format!(
        "services: [{{vip: 20.0.0.1, port: 80, protocol: tcp, check: {yaml}, backends: [{{address: 10.0.0.1}}]}}]"
    );
    let document = document(&text);
    let (_, _, target) = document.probe_targets().next().unwrap();
    target.check
}

fn document(text: &str) -> Document {
    let wire: wire::Document = lb_api::parse::yaml(text.as_bytes()).unwrap();
    Document::try_from(&wire).unwrap()
}

fn intent(text: &str) -> Intent {
    Intent {
        documents: [(Source::Api, document(text))].into(),
    }
}

fn record(second: u64, outcome: Outcome) -> ProbeRecord {
    ProbeRecord {
        at: Duration::from_secs(second),
        took: Duration::from_millis(1),
        outcome,
        phase: Phase::Connect,
        text: "L4 timeout".to_owned(),
    }
}

const TWO_SERVICES: &str = "services:
- {vip: 20.0.0.1, port: 80, protocol: tcp, check: {type: tcp, port: 8080}, backends: [{address: 10.0.0.1}]}
- {vip: 20.0.0.2, port: 80, protocol: tcp, check: {type: tcp, port: 8080}, backends: [{address: 10.0.0.1}]}";

#[test]
fn who_is_asked_the_same_by_two_services_is_asked_once_and_counts_in_both() {
    let monitor = Monitor::new();
    let intent = intent(TWO_SERVICES);
    monitor.watch(&intent);
    let added = monitor.board().take_added();
    assert_eq!(added.len(), 1);
    let (id, _) = &added[0];
    monitor.board().observe(*id, record(1, Outcome::Failed));
    let standings = monitor.standings(&intent, &Default::default());
    let aside = document(TWO_SERVICES);
    for service in aside.services() {
        let endpoint = service.backends.keys().next().unwrap();
        assert!(
            standings.is_aside(&service.key, endpoint),
            "{}",
            service.key
        );
    }
    assert_eq!(monitor.changes().len(), 2);
    assert_eq!(monitor.changes(), []);
}

#[test]
fn a_document_applied_again_changes_nothing_that_is_known() {
    let monitor = Monitor::new();
    monitor.watch(&intent(TWO_SERVICES));
    let added = monitor.board().take_added();
    monitor
        .board()
        .observe(added[0].0, record(1, Outcome::Failed));
    monitor.watch(&intent(TWO_SERVICES));
    assert!(monitor.board().take_added().is_empty());
    let healths = monitor.healths();
    assert_eq!(healths.len(), 2);
    assert!(
        healths
            .values()
            .all(|health| health.verdict == wire::Verdict::Down)
    );
}

#[test]
fn a_changed_check_asks_again_and_keeps_what_is_known() {
    let place = || {
        (
            "20.0.0.1:80/tcp".parse().unwrap(),
            "10.0.0.1".parse().unwrap(),
        )
    };
    let target = |yaml: &str| Target::new(&place().0, &place().1, &check(yaml)).unwrap();
    let mut board = Board::default();
    board.watch([(place(), target("{type: tcp}"))].into());
    let (first, _) = board.take_added()[0].clone();
    board.observe(first, record(1, Outcome::Failed));
    board.watch([(place(), target("{type: http}"))].into());
    let (second, _) = board.take_added()[0].clone();
    assert_ne!(first, second);
    assert_eq!(board.target(first), None);
    assert_eq!(board.at(&place()).unwrap().machine.verdict(), Verdict::Down);
    // What comes of a question that was under way is nobody's.
    assert_eq!(board.observe(first, record(2, Outcome::Passed)), None);
    board.watch(Default::default());
    assert!(board.at(&place()).is_none());
}

#[test]
fn questions_are_an_interval_apart_give_or_take_a_tenth_and_spread() {
    let interval = Duration::from_secs(1);
    let begin = Instant::now();
    let mut random = Random::new(7);
    let mut board = Board::default();
    let target = Target::new(
        &"20.0.0.1:80/tcp".parse().unwrap(),
        &"10.0.0.1".parse().unwrap(),
        &check("{type: tcp}"),
    );
    let place = (
        "20.0.0.1:80/tcp".parse().unwrap(),
        "10.0.0.1".parse().unwrap(),
    );
    board.watch([(place, target.unwrap())].into());
    let (id, _) = board.take_added()[0].clone();
    let mut schedule = Schedule::default();
    schedule.add(id, interval, begin, random.next());
    let mut due = schedule.next().unwrap();
    assert!(due - begin <= Duration::from_millis(500));
    let mut spans = Vec::new();
    for _ in 0..1000 {
        assert_eq!(schedule.take(due - Duration::from_nanos(1)), None);
        assert_eq!(schedule.take(due), Some((due, id)));
        schedule.again(id, interval, due, due, random.next());
        let next = schedule.next().unwrap();
        spans.push(next - due);
        due = next;
    }
    let (least, most) = (spans.iter().min().unwrap(), spans.iter().max().unwrap());
    assert!(*least >= Duration::from_millis(900) && *least < Duration::from_millis(920));
    assert!(*most <= Duration::from_millis(1100) && *most > Duration::from_millis(1080));
    // Who is late does not catch up.
    let late = due + Duration::from_secs(60);
    schedule.take(due);
    schedule.again(id, interval, due, late, random.next());
    assert_eq!(schedule.next(), Some(late));
}

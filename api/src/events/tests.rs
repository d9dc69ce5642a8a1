#![allow(clippy::unwrap_used)]

use super::*;
use crate::wire::{EventKind, Severity, Timestamp};

fn append(log: &EventLog, count: usize) {
    for _ in 0..count {
        log.append(|id| Event {
            id,
            time: Timestamp(0),
            kind: EventKind::Config,
            name: "document_applied".into(),
            severity: Severity::Info,
            message: String::new(),
            message_id: String::new(),
            fields: Default::default(),
        });
    }
}

fn numbers(found: &Found) -> Vec<u64> {
    found.events.iter().map(|event| event.id.number).collect()
}

#[test]
fn who_reads_on_finds_what_was_appended_since_and_nothing_twice() {
    let log = EventLog::new(7);
    append(&log, 2);
    let (mut cursor, gap) = log.after(None);
    assert_eq!(gap, None);
    assert_eq!(numbers(&log.read(&mut cursor)), [1, 2]);
    assert_eq!(numbers(&log.read(&mut cursor)), [0u64; 0]);
    append(&log, 1);
    let found = log.read(&mut cursor);
    assert_eq!((numbers(&found), found.gap), (vec![3], None));
    let (mut resumed, gap) = log.after(Some(EventId { run: 7, number: 1 }));
    assert_eq!((numbers(&log.read(&mut resumed)), gap), (vec![2, 3], None));
}

#[test]
fn who_comes_back_too_late_is_told_how_many_were_missed() {
    let log = EventLog::new(7);
    append(&log, KEPT + 10);
    let (mut cursor, _) = log.after(Some(EventId { run: 7, number: 4 }));
    let found = log.read(&mut cursor);
    assert_eq!(found.gap.unwrap().missed, Some(6));
    assert_eq!(found.events.len(), KEPT);
    assert_eq!(found.events[0].id.number, 11);
}

#[test]
fn who_comes_back_after_a_restart_is_told_so_and_gets_what_there_is() {
    let log = EventLog::new(8);
    append(&log, 1);
    let (mut cursor, gap) = log.after(Some(EventId {
        run: 7,
        number: 900,
    }));
    assert_eq!(gap, Some(EventGap::restarted()));
    assert_eq!(numbers(&log.read(&mut cursor)), [1]);
}

#[test]
fn an_id_of_the_future_reads_what_is_to_come() {
    let log = EventLog::new(7);
    append(&log, 1);
    let (mut cursor, _) = log.after(Some(EventId {
        run: 7,
        number: u64::MAX,
    }));
    assert_eq!(numbers(&log.read(&mut cursor)), [0u64; 0]);
    append(&log, 1);
    assert_eq!(numbers(&log.read(&mut cursor)), [2]);
}

#[tokio::test]
async fn a_reader_that_waits_is_woken_by_the_next_event() {
    let log = Arc::new(EventLog::new(7));
    let mut cursor = log.end();
    let waiting = log.appended(cursor);
    let mut waiting = std::pin::pin!(waiting);
    assert!(futures_util::poll!(&mut waiting).is_pending());
    append(&log, 1);
    waiting.await;
    assert_eq!(numbers(&log.read(&mut cursor)), [1]);
}

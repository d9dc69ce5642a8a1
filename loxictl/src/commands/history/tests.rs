#![allow(clippy::unwrap_used)]

use lb_api::wire::{Change, ChangeKind, Timestamp};

use super::*;

fn entry() -> HistoryEntry {
    HistoryEntry {
        generation: 12,
        source: "api".into(),
        current: true,
        action: HistoryAction::Rollback,
        of: Some(5),
        time: Some(Timestamp(1_795_278_912_042)),
        author: Some("root (uid 0) (unix)".into()),
        comment: Some("web was slow".into()),
        summary: "1 removed: 20.20.20.1:80/tcp".into(),
        damaged: None,
    }
}

#[test]
fn a_generation_is_shown_with_who_when_and_why_and_what_changed() {
    let service = lb_api::parse::yaml("{vip: 20.20.20.1, port: 80, protocol: tcp}".as_bytes());
    let detail = HistoryDetail {
        entry: entry(),
        document: None,
        before: 11,
        changes: vec![Change {
            kind: ChangeKind::Remove,
            service: "20.20.20.1:80/tcp".into(),
            old: Some(service.unwrap()),
            new: None,
        }],
    };
    let text = page(&detail);
    let head = "generation 12 of document api (current)\ntime     2026-11-21T16:35:12.042Z\n\
        author   root (uid 0) (unix)\naction   rollback to 5\ncomment  web was slow\n\
        summary  1 removed: 20.20.20.1:80/tcp\n\n--- generation 11\n+++ generation 12\n\
        @@ 20.20.20.1:80/tcp @@\n-vip: 20.20.20.1\n";
    assert!(text.starts_with(head), "{text}");
}

#[test]
fn damage_is_in_the_list_and_the_current_one_has_a_star() {
    let damaged = HistoryEntry {
        current: false,
        damaged: Some("its checksum does not match".into()),
        ..entry()
    };
    let text = |entry: &HistoryEntry| {
        let cells = entry.cells().into_iter().map(|cell| cell.text);
        cells.collect::<Vec<_>>().join("|")
    };
    assert_eq!(
        text(&entry()),
        "12*|api|2026-11-21 16:35:12|root (uid 0) (unix)|rollback to 5|1 removed: 20.20.20.1:80/tcp|web was slow|yes"
    );
    assert!(text(&damaged).contains("|damaged: its checksum does not match|"));
}

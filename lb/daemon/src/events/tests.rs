#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use lb_core::intent::Source;
use lb_core::service::ServiceKey;
use lb_core::status::Limit;
use lb_plane::stats::{Class, ReasonCount, Totals};

use super::catalogue::ALL;
use super::watch::{Presence, View, differences, limited};
use super::*;

fn names(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(|event| event.told().what.name).collect()
}

fn key(port: u16) -> ServiceKey {
    format!("10.0.0.1:{port}/tcp").parse().unwrap()
}

#[test]
fn every_type_has_a_name_and_a_message_id_of_its_own() {
    let names: BTreeSet<_> = ALL.iter().map(|one| one.name).collect();
    let ids: BTreeSet<_> = ALL.iter().map(|one| one.message_id).collect();
    assert_eq!((names.len(), ids.len()), (ALL.len(), ALL.len()));
    for one in ALL {
        let is_id = one.message_id.len() == 32
            && one
                .message_id
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        assert!(is_id, "{}", one.name);
    }
}

#[test]
fn the_readme_has_every_type_with_its_message_id() {
    let readme = include_str!("../../../../README.md");
    for one in ALL {
        let row = format!(
            "| {} | `{}` | `{}` |",
            one.kind.as_str(),
            one.name,
            one.message_id
        );
        assert!(readme.contains(&row), "README.md needs the row {row}");
    }
}

#[test]
fn what_is_emitted_is_in_the_ring_with_kind_message_and_fields() {
    let log = Arc::new(EventLog::new(7));
    let events = Events::new(log.clone());
    events.emit(Event::ServiceDown {
        source: Source::Api,
        service: key(80),
        why: "no backend can be reached".into(),
    });
    let (mut cursor, _) = log.after(None);
    let found = log.read(&mut cursor).events;
    let told = &found[0];
    assert_eq!(told.name, "service_down");
    assert_eq!(told.fields["service"], "10.0.0.1:80/tcp");
    assert_eq!(
        told.message,
        "service 10.0.0.1:80/tcp is down: no backend can be reached"
    );
}

#[test]
fn services_that_go_down_and_come_up_are_told_and_those_that_come_with_a_document_are_not() {
    let view = |services: &[(u16, Option<&str>)]| View {
        services: services
            .iter()
            .map(|(port, why)| ((Source::Api, key(*port)), why.map(str::to_owned)))
            .collect(),
        ..View::default()
    };
    let before = view(&[(1, None), (2, Some("no way")), (3, None), (5, Some("a"))]);
    let after = view(&[
        (1, Some("no backend")),
        (2, None),
        (4, Some("new")),
        (5, Some("b")),
    ]);
    let events = differences(&before, &after);
    assert_eq!(names(&events), ["service_down", "service_up"]);
    assert!(differences(&after, &after).is_empty());
}

#[test]
fn interfaces_that_vanish_come_back_and_are_refused_are_told() {
    let view = |presence: Option<Presence>| View {
        interfaces: presence
            .map(|presence| ("eth0".into(), presence))
            .into_iter()
            .collect(),
        ..View::default()
    };
    let attached = || view(Some(Presence::Attached("native".into())));
    let missing = |why: &str| view(Some(Presence::Missing(why.into())));
    for (before, after, expected) in [
        (view(None), attached(), "interface_attached"),
        (attached(), view(None), "interface_detached"),
        (attached(), missing("gone"), "interface_gone"),
        (missing("gone"), attached(), "interface_back"),
        (
            missing("gone"),
            missing("the kernel says no"),
            "interface_refused",
        ),
    ] {
        assert_eq!(names(&differences(&before, &after)), [expected]);
        assert!(differences(&after, &after).is_empty());
    }
}

#[test]
fn drift_limits_and_next_hops_are_told_once() {
    let mut after = View::default();
    after.corrections.insert("hop", 3);
    after
        .limits
        .insert(Limit::Services, "limits.services is 2".into());
    after
        .unresolved
        .insert([10, 0, 0, 9].into(), "nobody answers".into());
    after.failure = Some("publish: no memory".into());
    let events = differences(&View::default(), &after);
    assert_eq!(
        names(&events),
        [
            "tables_behind",
            "tables_repaired",
            "limit_reached",
            "next_hop_unresolved"
        ]
    );
    let mut gone = View::default();
    gone.corrections.insert("hop", 3);
    assert_eq!(
        names(&differences(&after, &gone)),
        ["tables_following", "limit_cleared"],
        "a backend without a way is not resolved"
    );
    let mut back = View::default();
    back.ready.insert([10, 0, 0, 9].into());
    back.corrections.insert("hop", 3);
    assert_eq!(
        names(&differences(&after, &back)),
        ["tables_following", "limit_cleared", "next_hop_resolved"]
    );
}

#[test]
fn ten_thousand_services_that_go_down_at_once_are_a_few_events() {
    let down = |port: u16| Event::ServiceDown {
        source: Source::Api,
        service: key(port),
        why: String::new(),
    };
    let events = limited((1..=10_000).map(down).chain([Event::Following]).collect());
    assert_eq!(events.len(), 22);
    let more = events.last().unwrap().told();
    assert_eq!(
        (more.what.name, more.message.as_str()),
        ("service_down", "... and 9980 more (service_down)")
    );
}

#[test]
fn packets_that_are_refused_because_something_is_full_are_told_once_a_minute() {
    let totals = |count: u64| Totals {
        reasons: vec![ReasonCount {
            name: "table_full",
            class: Class::Drop,
            meaning: "no room",
            remedy: "",
            count,
        }],
        ..Totals::default()
    };
    let mut watch = Watch::default();
    let start = Instant::now();
    let mut told = |count, seconds| {
        watch
            .counted(&totals(count), start + Duration::from_secs(seconds))
            .len()
    };
    assert_eq!(told(100, 0), 0, "what was before is not news");
    assert_eq!(told(100, 1), 0);
    assert_eq!(told(101, 2), 1);
    assert_eq!(told(150, 3), 0);
    assert_eq!(told(150, 62), 1);
    assert_eq!(told(150, 200), 0);
}

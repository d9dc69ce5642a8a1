#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use super::*;
use crate::compile::{Assignments, Previous, compile};
use crate::plan::plan;
use crate::testing::*;

/// A twin that serves one service of two backends.
fn programmed() -> Twin {
    let mut twin = Twin::new(limits());
    let previous = Previous {
        tables: &Tables::default(),
        live: &BTreeMap::new(),
        retiring: &BTreeSet::new(),
        assignments: &Assignments::default(),
    };
    let service = service("20.20.20.1:80/tcp", &["10.0.1.1:80", "10.0.1.2:80"]);
    let intent = intent(&[with_policy(service, |policy| {
        policy.sources.denied = prefixes(&["10.1.0.0/16"]);
    })]);
    let want = compile(&intent, &facts(), &previous, &limits()).tables;
    plan(&Tables::default(), &want)
        .iter()
        .for_each(|op| twin.apply(op).unwrap());
    twin
}

fn member(backend: u32) -> MemberRow {
    MemberRow {
        backend: BackendId(backend),
        weight: 1,
        limit: None,
    }
}

#[test]
fn sound_tables_have_nothing_dangling() {
    assert_eq!(dangling(&programmed().tables), Vec::<String>::new());
}

#[test]
fn every_row_that_is_taken_away_is_missed() {
    let tables = programmed().tables;
    let mut drops: Vec<Op> = Vec::new();
    drops.extend(tables.backends.keys().map(|id| Op::DropBackend(*id)));
    drops.extend(tables.hops.keys().map(|id| Op::DropHop(*id)));
    drops.extend(
        tables
            .interfaces
            .keys()
            .map(|slot| Op::DropInterface(*slot)),
    );
    drops.extend(
        tables
            .members
            .keys()
            .map(|first| Op::DropMembers { first: *first }),
    );
    drops.extend(
        tables
            .slots
            .keys()
            .map(|first| Op::DropSlots { first_word: *first }),
    );
    drops.extend(
        tables
            .sources
            .keys()
            .map(|first| Op::DropSources { first: *first }),
    );
    assert!(drops.len() >= 9);
    for op in drops {
        let refused = programmed().apply(&op).unwrap_err();
        assert!(
            matches!(refused, TwinError::Dangling(_)),
            "{op:?}: {refused}"
        );
    }
    let mut image = tables.image.clone();
    image.vips.clear();
    let refused = programmed().apply(&Op::Publish(Arc::new(image)));
    assert!(matches!(refused, Err(TwinError::Dangling(_))));
}

#[test]
fn space_that_is_published_is_not_written() {
    let mut twin = programmed();
    let row = twin.tables.image.services.values().next().unwrap().clone();
    let inside = row.slots.unwrap().first_word + 5;
    let slots = Op::PutSlots {
        first_word: inside,
        slots: vec![0; 4].into(),
    };
    assert!(matches!(
        twin.apply(&slots),
        Err(TwinError::Overwrite { .. })
    ));
    let members = Op::PutMembers {
        first: row.members.unwrap().first,
        members: vec![member(0)].into(),
    };
    assert!(matches!(
        twin.apply(&members),
        Err(TwinError::Overwrite { .. })
    ));
    let sources = Op::PutSources {
        first: row.sources.unwrap().first + 1,
        boundaries: vec![7].into(),
    };
    assert!(matches!(
        twin.apply(&sources),
        Err(TwinError::Overwrite { .. })
    ));
}

#[test]
fn capacities_are_kept() {
    let mut twin = programmed();
    let slots = Op::PutSlots {
        first_word: limits().slot_words,
        slots: vec![0].into(),
    };
    assert!(matches!(
        twin.apply(&slots),
        Err(TwinError::Capacity { .. })
    ));
    let hop = Op::PutHop(HopId(limits().hops), None);
    assert!(matches!(twin.apply(&hop), Err(TwinError::Capacity { .. })));
}

#[test]
fn a_flush_releases_a_services_connections_and_no_others() {
    let mut twin = programmed();
    let connections = [
        ((ServiceId(0), BackendId(0)), 2),
        ((ServiceId(1), BackendId(0)), 3),
    ];
    twin.connections = connections.into();
    assert_eq!(twin.connections().unwrap(), [(BackendId(0), 5)].into());
    twin.apply(&Op::FlushService(ServiceId(0))).unwrap();
    assert_eq!(twin.connections().unwrap(), [(BackendId(0), 3)].into());
}

#[test]
fn an_operation_that_is_told_to_fail_changes_nothing() {
    let mut twin = programmed();
    let before = twin.tables.clone();
    twin.patience = Some(0);
    assert_eq!(twin.apply(&Op::DropHop(HopId(0))), Err(TwinError::Patience));
    assert_eq!(twin.tables, before);
}

use super::*;

fn reason(name: &str, class: &str, packets: u64, recent: u64) -> ReasonCount {
    ReasonCount {
        reason: name.into(),
        class: class.into(),
        packets,
        recent,
        meaning: format!("{name}'s meaning"),
        remedy: format!("{name}'s remedy."),
    }
}

fn plane(reasons: Vec<ReasonCount>) -> DataPlane {
    DataPlane {
        window: 5000,
        reasons,
        ..DataPlane::default()
    }
}

#[test]
fn those_that_grow_come_first_and_only_their_remedies_are_said() {
    let plane = plane(vec![
        reason("not_service", "pass", 9000, 50),
        reason("no_backend", "drop", 1000, 0),
        reason("table_full", "drop", 10, 7),
    ]);
    let text = page(&wanted(&plane, false), &plane, false);
    assert_eq!(
        text,
        "REASON       CLASS   PACKETS   PER SECOND   MEANING\n\
         table_full   drop    10        1.4          table_full's meaning\n\
         no_backend   drop    1000      0            no_backend's meaning\n\n\
         What to do about those that grow:\n  table_full: table_full's remedy.\n"
    );
    let all: Vec<_> = wanted(&plane, true)
        .iter()
        .map(|one| one.reason.clone())
        .collect();
    assert_eq!(all, ["not_service", "table_full", "no_backend"]);
}

#[test]
fn where_nothing_grows_all_remedies_are_said() {
    let plane = plane(vec![reason("no_backend", "drop", 1000, 0)]);
    let text = page(&wanted(&plane, false), &plane, false);
    assert!(
        text.ends_with("What to do (nothing grows):\n  no_backend: no_backend's remedy.\n"),
        "{text}"
    );
}

#[test]
fn a_rate_is_not_known_after_one_reading() {
    let mut plane = plane(vec![reason("no_backend", "drop", 1000, 500)]);
    assert_eq!(rate(&plane.reasons[0], &plane), "100");
    plane.window = 0;
    assert_eq!(rate(&plane.reasons[0], &plane), "-");
}

#![allow(clippy::unwrap_used)]

use super::*;

fn change(kind: ChangeKind, service: &str) -> Change {
    Change {
        kind,
        service: service.into(),
        old: None,
        new: None,
    }
}

#[test]
fn a_summary_counts_all_and_names_the_first() {
    let changes = [
        change(ChangeKind::Add, "a"),
        change(ChangeKind::Remove, "b"),
        change(ChangeKind::Add, "c"),
    ];
    assert_eq!(summary(&[]), "no service differs");
    assert_eq!(summary(&changes[..1]), "1 added: a");
    assert_eq!(summary(&changes), "2 added, 1 removed: a, b, c");
    let many = vec![change(ChangeKind::Change, "a"); 4];
    assert_eq!(summary(&many), "4 changed: a, a, a, ...");
}

#[test]
fn a_comment_is_one_line_that_is_not_too_long() {
    assert_eq!(
        Comment::new("comment", " moved web ").unwrap().as_str(),
        "moved web"
    );
    for bad in ["", "  ", "two\nlines", "bell\u{7}", &"x".repeat(257)] {
        let problem = Comment::new("comment", bad).unwrap_err();
        assert_eq!(problem.field, "comment");
        assert!(
            problem.rule.contains("256") && problem.remedy.is_some(),
            "{problem}"
        );
    }
    assert!(Comment::new("comment", &"x".repeat(256)).is_ok());
}

#[test]
fn the_time_to_confirm_in_is_a_second_to_a_day() {
    assert_eq!(confirm_span("confirm", "60"), Ok(Duration::from_secs(60)));
    for bad in ["", "0", "-1", "86401", "1.5", "60s"] {
        let problem = confirm_span("confirm", bad).unwrap_err();
        assert!(
            problem.to_string().contains(&format!("`{bad}`")),
            "{problem}"
        );
    }
}

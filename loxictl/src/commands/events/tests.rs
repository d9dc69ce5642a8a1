#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn kinds_are_words_and_others_are_refused_with_all_of_them() {
    assert_eq!(kind("health"), Ok(EventKind::Health));
    let refused = kind("weather").unwrap_err();
    assert!(
        refused.contains("`weather`") && refused.contains("neighbour"),
        "{refused}"
    );
}

#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn a_life_is_a_time_or_for_ever() {
    for (text, seconds) in [
        ("90d", Some(90 * 86_400)),
        ("12h", Some(43_200)),
        ("30m", Some(1800)),
        ("45s", Some(45)),
        ("45", Some(45)),
        ("never", None),
    ] {
        assert_eq!(life(text), Ok(Life(seconds)), "{text}");
    }
    for text in [
        "",
        "0",
        "0d",
        "d",
        "-1d",
        "1w",
        "1.5d",
        "99999999999999999999d",
        "forever",
    ] {
        assert!(life(text).is_err(), "{text}");
    }
}

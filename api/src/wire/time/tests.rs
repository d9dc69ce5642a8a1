#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

#[test]
fn moments_are_written_as_calendars_have_them() {
    for (ms, text) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (1_795_278_912_042, "2026-11-21T16:35:12.042Z"),
        (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
    ] {
        assert_eq!(Timestamp(ms).to_string(), text);
        assert_eq!(text.parse(), Ok(Timestamp(ms)));
    }
    assert_eq!(
        "2000-02-29T00:00:00Z".parse(),
        Ok(Timestamp(951_782_400_000))
    );
}

#[test]
fn what_is_no_moment_is_refused() {
    for text in [
        "",
        "2026-11-21",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T16:35:12",
        "2026-11-21T16:35:12+01:00",
        "1969-12-31T23:59:59Z",
        "0000-01-01T00:00:00Z",
        "2026-11-21T16:35:12.5Z",
        "2026-00-21T16:35:12Z",
        "-2026-11-21T16:35:12Z",
    ] {
        assert!(text.parse::<Timestamp>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn every_moment_is_read_as_it_was_written(ms in 0u64..253_402_300_800_000) {
        prop_assert_eq!(Timestamp(ms).to_string().parse(), Ok(Timestamp(ms)));
    }
}

#[test]
fn spans_are_whole_seconds_minutes_or_hours() {
    for (text, seconds) in [
        ("60", Some(60)),
        ("60s", Some(60)),
        ("5m", Some(300)),
        ("1h", Some(3600)),
        ("0", Some(0)),
        ("", None),
        ("s", None),
        ("1.5m", None),
        ("5ms", None),
        ("+5", None),
        ("99999999999999999999h", None),
    ] {
        assert_eq!(parse_span(text), seconds.map(Duration::from_secs), "{text}");
    }
}

use super::*;

#[test]
fn the_time_to_confirm_in_has_a_unit_or_is_seconds() {
    assert_eq!(span("60s"), Ok(Duration::from_secs(60)));
    assert_eq!(span("90"), Ok(Duration::from_secs(90)));
    assert_eq!(span("2m"), Ok(Duration::from_secs(120)));
    for bad in ["", "soon", "0s", "25h", "1.5m", "-1"] {
        assert!(span(bad).is_err(), "{bad}");
    }
}

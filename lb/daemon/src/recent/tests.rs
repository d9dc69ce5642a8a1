use lb_plane::stats::{Class, ReasonCount};

use super::*;

fn totals(count: u64) -> Totals {
    Totals {
        reasons: vec![ReasonCount {
            name: "no_backend",
            class: Class::Drop,
            meaning: "",
            remedy: "",
            count,
        }],
        ..Totals::default()
    }
}

#[test]
fn what_came_lately_is_the_difference_of_readings_some_seconds_apart() {
    let start = Instant::now();
    let mut recent = Recent::default();
    let mut at = |ms: u64, count| {
        recent.counted(&totals(count), start + Duration::from_millis(ms));
        (recent.window_ms(), recent.of("no_backend"))
    };
    assert_eq!(at(0, 100), (0, 0), "what was before is not lately");
    assert_eq!(at(1000, 110), (1000, 10));
    assert_eq!(at(5000, 150), (5000, 50));
    assert_eq!(at(6000, 150), (5000, 40));
    assert_eq!(at(60_000, 150), (54_000, 0), "nothing was read meanwhile");
    assert_eq!(at(61_000, 151), (55_000, 1));
    assert_eq!(at(65_000, 151), (5000, 1));
    assert_eq!(recent.of("other"), 0);
}

#[test]
fn readings_in_quick_succession_cost_no_room() {
    let start = Instant::now();
    let mut recent = Recent::default();
    for ms in 0..20_000 {
        recent.counted(&totals(ms), start + Duration::from_millis(ms));
    }
    assert!(recent.readings.len() < 15, "{}", recent.readings.len());
    let window = recent.window_ms();
    assert!((4900..=5600).contains(&window), "{window}");
    assert_eq!(recent.of("no_backend"), window);
}

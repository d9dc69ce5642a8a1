use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn moment(wall: u64, boot: &str, boot_ms: u64) -> Moment {
    Moment {
        instant: Instant::now(),
        wall: Timestamp(wall),
        boot: boot.into(),
        boot_ms,
    }
}

#[test]
fn what_is_left_counts_by_the_boots_clock_whatever_the_walls_says() {
    let deadline = Deadline::after(MINUTE, &moment(1_000_000, "a", 5_000));
    for wall in [0, 1_000_000, 1_020_000, 9_000_000_000] {
        let left = deadline.remaining(&moment(wall, "a", 25_000));
        assert_eq!(left, Duration::from_secs(40), "wall {wall}");
    }
    assert_eq!(deadline.remaining(&moment(0, "a", 65_000)), Duration::ZERO);
    assert_eq!(deadline.remaining(&moment(0, "a", 99_000)), Duration::ZERO);
}

#[test]
fn after_a_reboot_the_walls_clock_counts_and_gives_no_more_than_was_given() {
    let deadline = Deadline::after(MINUTE, &moment(1_000_000, "a", 5_000));
    for (wall, seconds) in [
        (1_000_000, 60),
        (1_045_000, 15),
        (1_060_000, 0),
        (2_000_000, 0),
        (3, 60),
    ] {
        let left = deadline.remaining(&moment(wall, "b", 1));
        assert_eq!(left, Duration::from_secs(seconds), "wall {wall}");
    }
}

#[test]
fn boots_that_are_not_known_are_not_the_same() {
    let deadline = Deadline::after(MINUTE, &moment(1_000_000, "", 0));
    let left = deadline.remaining(&moment(1_050_000, "", 0));
    assert_eq!(left, Duration::from_secs(10));
}

#[test]
fn this_box_has_a_boot() {
    let moment = Moment::now();
    assert!(moment.boot.len() == 36 && moment.boot_ms > 0, "{moment:?}");
}

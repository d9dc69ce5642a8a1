#![allow(clippy::unwrap_used)]

use super::*;

const LIMITS: &str = "Limit                     Soft Limit           Hard Limit           Units\n\
Max locked memory         8388608              8388608              bytes\n";

#[test]
fn the_limit_is_the_soft_one_of_a_process_that_may_not_lock_at_will() {
    let status = "Name:\tloxid\nCapEff:\t0000000000003000\n";
    assert_eq!(limit_of(status, LIMITS), Some(8_388_608));
    assert_eq!(
        limit_of(status, &LIMITS.replace("8388608", "unlimited")),
        None
    );
}

#[test]
fn who_may_lock_at_will_has_no_limit() {
    assert_eq!(limit_of("CapEff:\t000001fffeffffff\n", LIMITS), None);
}

#[test]
fn what_is_too_much_says_what_to_raise() {
    assert_eq!(check(4096, Some(4096)), Ok(()));
    assert_eq!(check(u64::MAX, None), Ok(()));
    let problem = check(16 << 20, Some(8 << 20)).unwrap_err();
    for word in [
        "16777216",
        "8388608",
        "RLIMIT_MEMLOCK",
        "LimitMEMLOCK=16777216",
        "ulimit -l 16384",
    ] {
        assert!(problem.contains(word), "{word}: {problem}");
    }
}

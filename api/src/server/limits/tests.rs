#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr};

use super::*;

fn client(number: u32) -> Client {
    Client::of(IpAddr::V4(Ipv4Addr::from(number)))
}

const RATE: Rate = Rate {
    per_second: 10,
    burst: 5,
};

#[test]
fn a_client_has_its_burst_and_then_its_rate() {
    let mut rates = Rates::new(RATE);
    let begin = Instant::now();
    for _ in 0..5 {
        assert_eq!(rates.take(client(1), begin), Ok(()));
    }
    let wait = rates.take(client(1), begin).unwrap_err();
    assert!((0.099..0.101).contains(&wait.as_secs_f64()), "{wait:?}");
    assert_eq!(
        rates.take(client(2), begin),
        Ok(()),
        "others are not concerned"
    );
    // In ten seconds a hundred, evenly.
    let later = |ms: u64| begin + Duration::from_millis(ms);
    let taken = (1..=10_000).filter(|ms| rates.take(client(1), later(*ms)).is_ok());
    assert!((99..=101).contains(&taken.count()));
    // After a pause the burst, and not what the pause would add up to.
    let rested = later(100_000);
    let taken = (0..100).filter(|_| rates.take(client(1), rested).is_ok());
    assert_eq!(taken.count(), 5);
}

#[test]
fn a_clock_that_stands_still_or_goes_back_gives_nothing() {
    let mut rates = Rates::new(RATE);
    let begin = Instant::now() + Duration::from_secs(60);
    for _ in 0..5 {
        rates.take(client(1), begin).unwrap();
    }
    assert!(
        rates
            .take(client(1), begin - Duration::from_secs(30))
            .is_err()
    );
}

#[test]
fn many_clients_are_remembered_and_never_more() {
    let mut rates = Rates::new(RATE);
    let now = Instant::now();
    for number in 0..3 * CLIENTS_MAX as u32 {
        for _ in 0..2 {
            rates.take(client(number), now).unwrap();
        }
    }
    assert!(rates.buckets.len() <= CLIENTS_MAX);
    // Who rests is forgotten first: everybody, after a while.
    let later = now + Duration::from_secs(10);
    rates.take(client(u32::MAX), later).unwrap();
    assert_eq!(rates.buckets.len(), 1);
    let mut failures = Failures::default();
    for number in 0..3 * CLIENTS_MAX as u32 {
        failures.add(client(number), now);
    }
    assert_eq!(failures.clients.len(), CLIENTS_MAX);
}

#[test]
fn each_failure_waits_twice_as_long_as_the_one_before_and_a_minute_forgives() {
    let mut failures = Failures::default();
    let begin = Instant::now();
    let waits: Vec<u128> = (0..8)
        .map(|_| failures.add(client(1), begin).as_millis())
        .collect();
    assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 3200, 3200]);
    assert_eq!(failures.add(client(2), begin), DELAY_FIRST);
    let later = begin + FAILURE_AGE;
    assert_eq!(failures.add(client(1), later), DELAY_FIRST);
}

#[test]
fn addresses_of_one_ipv6_network_are_one_client() {
    let of = |text: &str| Client::of(text.parse().unwrap());
    assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
    assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
}

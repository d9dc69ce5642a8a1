#![allow(clippy::unwrap_used)]

use super::*;
use crate::service::{Endpoint, ServiceKey};
use crate::testing::{endpoint, key};

mod machine;

const ONE: &str = "20.20.20.1:80/tcp";
const TWO: &str = "20.20.20.2:80/tcp";

fn at(service: &str) -> ServiceKey {
    key(service)
}

fn backend() -> Endpoint {
    endpoint("10.0.1.1:80")
}

#[test]
fn what_is_said_of_all_services_holds_for_those_to_come() {
    let mut states = OperatorStates::default();
    states.set(None, backend(), OperatorState::Drained);
    assert_eq!(states.of(&at(ONE), &backend()), OperatorState::Drained);
    assert_eq!(states.of(&at(TWO), &backend()), OperatorState::Drained);
    assert!(states.names(&backend()));
}

#[test]
fn what_is_said_of_one_service_goes_before_what_is_said_of_all() {
    let mut states = OperatorStates::default();
    states.set(None, backend(), OperatorState::Drained);
    states.set(Some(at(ONE)), backend(), OperatorState::Enabled);
    states.set(Some(at(TWO)), backend(), OperatorState::Disabled);
    assert_eq!(states.of(&at(ONE), &backend()), OperatorState::Enabled);
    assert_eq!(states.of(&at(TWO), &backend()), OperatorState::Disabled);
}

#[test]
fn what_is_said_of_all_replaces_what_was_said_of_one() {
    let mut states = OperatorStates::default();
    states.set(Some(at(ONE)), backend(), OperatorState::Disabled);
    states.set(None, backend(), OperatorState::Enabled);
    assert!(states.is_empty(), "{states:?}");
}

#[test]
fn operators_words_survive_being_written_down() {
    let mut states = OperatorStates::default();
    states.set(None, backend(), OperatorState::Drained);
    states.set(Some(at(ONE)), backend(), OperatorState::Enabled);
    states.set(
        Some(at(TWO)),
        endpoint("10.0.1.2:80"),
        OperatorState::Disabled,
    );
    let mut again = OperatorStates::default();
    for (service, endpoint, state) in states.iter() {
        again.set(service, endpoint, state);
    }
    assert_eq!(again, states);
}

#[test]
fn an_interval_is_never_shorter_than_the_timeout() {
    let error = Timing::new(Some(500), Some(600), None, None).unwrap_err();
    assert_eq!(error.path(), "intervalMs");
    assert!(error.to_string().contains("500") && error.to_string().contains("600"));
    assert!(Timing::new(Some(600), Some(600), None, None).is_ok());
    // What is left out adapts.
    assert_eq!(
        Timing::new(Some(500), None, None, None)
            .unwrap()
            .timeout_ms(),
        500
    );
    // The default interval is 2000.
    assert!(Timing::new(None, Some(2001), None, None).is_err());
}

#[test]
fn payloads_are_read_as_they_are_shown() {
    for text in ["", "PING", "hex:00ff0a", "grüße"] {
        let payload = Payload::parse("send", text).unwrap();
        assert_eq!(payload.to_string(), text);
    }
    // What would be read as digits is shown as digits.
    let payload = Payload::parse("send", "hex:6865783a").unwrap();
    assert_eq!(payload.bytes(), b"hex:");
    assert_eq!(
        Payload::parse("send", &payload.to_string()).unwrap(),
        payload
    );
    for bad in ["hex:0", "hex:0g", "hex:+1"] {
        assert!(Payload::parse("send", bad).is_err(), "{bad}");
    }
    assert!(Payload::parse("send", &"x".repeat(1025)).is_err());
}

#[test]
fn statuses_are_ranges_of_three_digits() {
    for good in ["200", "200-299", "100-599"] {
        assert_eq!(good.parse::<StatusRange>().unwrap().to_string(), good);
    }
    for bad in [
        "",
        "99",
        "600",
        "0200",
        "300-200",
        "200-",
        "2xx",
        "+20",
        "200-299-300",
    ] {
        assert!(bad.parse::<StatusRange>().is_err(), "{bad}");
    }
    let statuses = Statuses::default();
    assert!(statuses.contain(200) && statuses.contain(399));
    assert!(!statuses.contain(199) && !statuses.contain(400));
    assert_eq!(Statuses::new(Vec::new()), None);
}

#[test]
fn text_that_would_change_a_request_is_no_part_of_one() {
    for bad in ["", "a b", "a\r\nX: 1", "\u{e9}", &"x".repeat(256)] {
        assert!(bad.parse::<HostHeader>().is_err(), "{bad:?}");
    }
    for bad in ["", "x", "/a b", "/\r\n", "/#x"] {
        assert!(bad.parse::<HttpPath>().is_err(), "{bad:?}");
    }
    for good in ["/", "/health?full=1", "/%20"] {
        assert!(good.parse::<HttpPath>().is_ok(), "{good}");
    }
    for good in ["backend.example.com", "a", "10.0.0.1", "2001:db8::1"] {
        assert!(good.parse::<ServerName>().is_ok(), "{good}");
    }
    for bad in ["", "-a", "a-", "a..b", "a b", "*.example.com"] {
        assert!(bad.parse::<ServerName>().is_err(), "{bad}");
    }
    assert!("relative.pem".parse::<CaFile>().is_err());
}

#[test]
fn who_is_asked_the_same_by_many_services_is_asked_once() {
    let check = std::sync::Arc::new(Check {
        probe: Probe::At {
            port: None,
            ask: Ask::Tcp,
        },
        timing: Timing::new(Some(100), None, None, None).unwrap(),
    });
    let mut demand = Demand::default();
    for service in [ONE, TWO] {
        let target = Target::new(&at(service), &backend(), &check).unwrap();
        demand.add(at(service), target);
    }
    assert_eq!(demand.per_second(), 10);
    assert!(!demand.is_too_much());
    for last in 1..=1000u16 {
        let [high, low] = last.to_be_bytes();
        let endpoint = endpoint(&format!("10.9.{high}.{low}:80"));
        demand.add(at(TWO), Target::new(&at(TWO), &endpoint, &check).unwrap());
    }
    assert_eq!(demand.per_second(), 10_010);
    assert!(demand.is_too_much());
    assert_eq!(demand.greediest(), Some(at(TWO)));
}

#[test]
fn a_check_finds_its_port_or_asks_nobody() {
    let check = |port: Option<u16>| {
        std::sync::Arc::new(Check {
            probe: Probe::At {
                port: port.and_then(std::num::NonZeroU16::new),
                ask: Ask::Tcp,
            },
            timing: Timing::default(),
        })
    };
    let port = |service: &str, backend: &str, own| {
        let target = Target::new(&at(service), &endpoint(backend), &check(own))?;
        target.port.map(std::num::NonZeroU16::get)
    };
    assert_eq!(port(ONE, "10.0.1.1:8080", Some(9000)), Some(9000));
    assert_eq!(port(ONE, "10.0.1.1:8080", None), Some(8080));
    assert_eq!(port(ONE, "10.0.1.1", None), Some(80));
    assert_eq!(port("20.20.20.1:80-90/tcp", "10.0.1.1", None), None);
    assert_eq!(
        port("20.20.20.1:80-90/tcp", "10.0.1.1", Some(9000)),
        Some(9000)
    );
}

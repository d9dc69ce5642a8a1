use super::*;

#[test]
fn a_duration_has_its_two_largest_units() {
    for (seconds, text) in [
        (0, "0s"),
        (59, "59s"),
        (60, "1m 0s"),
        (3599, "59m 59s"),
        (3600, "1h 0m"),
        (86399, "23h 59m"),
        (86400, "1d 0h"),
        (1_000_000, "11d 13h"),
    ] {
        assert_eq!(duration(seconds), text);
    }
}

#[test]
fn a_table_without_capacity_is_not_full() {
    let usage = |used, capacity| {
        usage(&TableUsage {
            name: "vips".into(),
            used,
            capacity,
        })
    };
    assert_eq!(usage(0, 0)[3], Cell::toned("0%", Tone::Plain));
    assert_eq!(usage(79, 100)[3], Cell::toned("79%", Tone::Plain));
    assert_eq!(usage(80, 100)[3], Cell::toned("80%", Tone::Warning));
    assert_eq!(usage(u64::MAX, u64::MAX)[3], Cell::toned("100%", Tone::Bad));
    assert_eq!(usage(100, 100)[3], Cell::toned("100%", Tone::Bad));
}

#[test]
fn services_that_are_not_as_meant_are_listed_with_why() {
    let text = r#"{ "key": "1.1.1.1:1/tcp", "source": "api", "generation": 1,
        "spec": { "vip": "1.1.1.1", "port": 1, "protocol": "tcp" }, "backends": [],
        "conditions": [{ "type": "Programmed", "status": "False", "reason": "NoInterface", "message": "nothing is attached" }],
        "traffic": { "packetsIn": 0, "packetsOut": 0, "bytesIn": 0, "bytesOut": 0, "connections": 0, "activeConnections": 0, "dropped": 0 } }"#;
    let service: ServiceStatus = lb_api::parse::json(text.as_bytes()).expect("it is a service");
    let page = super::text(&Wire::default(), &[], &[service], false, false);
    assert!(
        page.contains("Services: 1, 0 programmed; not as meant:\n  1.1.1.1:1/tcp (document api): nothing is attached\n"),
        "{page}"
    );
}

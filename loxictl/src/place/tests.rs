#![allow(clippy::unwrap_used)]

use super::*;

fn place(text: &str) -> Place {
    text.parse().unwrap()
}

#[test]
fn a_backend_is_written_with_its_service_or_without() {
    for (text, service, endpoint) in [
        ("31.0.0.1:8080", None, "31.0.0.1:8080"),
        ("31.0.0.1", None, "31.0.0.1"),
        ("web/31.0.0.1:8080", Some("web"), "31.0.0.1:8080"),
        (
            "20.0.0.1:80/tcp/31.0.0.1:8080",
            Some("20.0.0.1:80/tcp"),
            "31.0.0.1:8080",
        ),
        (
            "[2001:db8::1]:80-90/udp/2001:db8::2",
            Some("[2001:db8::1]:80-90/udp"),
            "2001:db8::2",
        ),
        ("[2001:db8::2]:80", None, "[2001:db8::2]:80"),
    ] {
        let parsed = place(text);
        assert_eq!(parsed.service.as_deref(), service, "{text}");
        assert_eq!(parsed.endpoint, endpoint.parse().unwrap(), "{text}");
    }
}

#[test]
fn what_is_no_backend_is_refused() {
    for text in [
        "",
        "/31.0.0.1:80",
        "web/",
        "web",
        "31.0.0.1:0",
        "31.0.0.1:80/tcp",
    ] {
        assert!(text.parse::<Place>().is_err(), "{text}");
    }
}

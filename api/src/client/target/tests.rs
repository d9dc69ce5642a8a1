#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn a_target_is_shown_as_it_is_written() {
    for text in [
        "unix:///run/loxid/loxid.sock",
        "http://127.0.0.1:11111",
        "http://localhost:80",
        "http://[::1]:11111",
        "https://edge1.example:8443",
        "https://[2001:db8::1]:8443",
    ] {
        assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
    }
    assert_eq!(
        "/run/x".parse::<Target>().unwrap(),
        Target::Unix("/run/x".into())
    );
    assert_eq!(
        "http://a:1/".parse::<Target>().unwrap().to_string(),
        "http://a:1"
    );
}

#[test]
fn what_is_no_target_is_refused() {
    for text in [
        "",
        "x",
        "unix://x",
        "ftp://a:1",
        "https://a",
        "https://a:1/v1",
        "http://a",
        "http://a:0",
        "http://a:x",
        "http://:1",
        "http://a:1/x",
        "http://[::1:1",
        "http://[x]:1",
        "http://::1:1",
        "http://u@a:1",
    ] {
        assert!(text.parse::<Target>().is_err(), "{text}");
    }
}

#[test]
fn what_may_be_a_password_is_not_repeated() {
    let error = "https://me:hush@edge1:8443".parse::<Target>().unwrap_err();
    let text = error.to_string();
    assert!(
        !text.contains("hush") && text.contains("edge1:8443"),
        "{text}"
    );
}

#[test]
fn only_loopback_is_private_in_the_clear() {
    for (text, private) in [
        ("/run/x", true),
        ("https://edge1:1", true),
        ("http://127.0.0.1:1", true),
        ("http://[::1]:1", true),
        ("http://localhost:1", true),
        ("http://10.0.0.1:1", false),
        ("http://localhost.example:1", false),
        ("http://[2001:db8::1]:1", false),
    ] {
        assert_eq!(
            text.parse::<Target>().unwrap().is_private(),
            private,
            "{text}"
        );
    }
}

#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn a_target_is_shown_as_it_is_written() {
    for text in [
        "unix:///run/loxid/loxid.sock",
        "http://127.0.0.1:11111",
        "http://localhost:80",
        "http://[::1]:11111",
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
        "https://a:1",
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

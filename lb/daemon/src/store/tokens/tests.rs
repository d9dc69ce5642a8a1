#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;

use lb_api::token::Secret;
use tempfile::TempDir;

use super::*;

fn secret(byte: u8) -> Secret {
    Secret::from_random([byte; 32])
}

fn tokens() -> Tokens {
    let token = |name: &str, byte, expires| {
        let hash = secret(byte).hash();
        Arc::new(Token::new(
            name.into(),
            Role::Operator.into(),
            hash,
            100,
            expires,
            0,
        ))
    };
    let tokens = Tokens::default()
        .with(token("ci", 1, None))
        .with(token("me", 2, Some(900)));
    tokens.check(secret(2).expose(), 700).unwrap();
    tokens
}

#[test]
fn tokens_outlive_a_restart_and_only_the_owner_reads_the_file() {
    let dir = TempDir::new().unwrap();
    assert!(read(dir.path()).unwrap().is_none());
    put(dir.path(), &tokens()).unwrap();
    let read = read(dir.path()).unwrap().unwrap();
    let ci = read.check(secret(1).expose(), 500).unwrap();
    assert_eq!(
        (ci.name.as_str(), ci.created, ci.expires),
        ("ci", 100, None)
    );
    let me = read.get("me").unwrap();
    assert_eq!(
        (me.role.to_string().as_str(), me.expires, me.used()),
        ("operator", Some(900), 700)
    );
    let mode = std::fs::metadata(path(dir.path()))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn no_secret_is_in_the_file() {
    let dir = TempDir::new().unwrap();
    put(dir.path(), &tokens()).unwrap();
    let text = std::fs::read_to_string(path(dir.path())).unwrap();
    assert!(text.contains("name: ci"));
    for byte in [1, 2] {
        let secret = secret(byte);
        assert!(!text.contains(&secret.expose()[6..]), "{text}");
    }
}

#[test]
fn a_damaged_file_has_no_token_at_all() {
    let dir = TempDir::new().unwrap();
    put(dir.path(), &tokens()).unwrap();
    let whole = std::fs::read(path(dir.path())).unwrap();
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        std::fs::write(path(dir.path()), &flipped).unwrap();
        assert!(read(dir.path()).is_err(), "byte {at}");
        std::fs::write(path(dir.path()), &whole[..at]).unwrap();
        assert!(read(dir.path()).is_err(), "{at} bytes");
    }
}

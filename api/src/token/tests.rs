#![allow(clippy::unwrap_used)]

use super::*;

fn secret(byte: u8) -> Secret {
    Secret::from_random([byte; 32])
}

fn token(name: &str, byte: u8, expires: Option<u64>) -> Arc<Token> {
    Arc::new(Token::new(
        name.into(),
        Role::Operator,
        secret(byte).hash(),
        100,
        expires,
        0,
    ))
}

#[test]
fn a_secret_is_256_bits_behind_a_prefix() {
    let secret = secret(0xa5);
    assert_eq!(secret.expose(), format!("loxid_{}", "a5".repeat(32)));
    assert_eq!(Secret::parse(secret.expose()), Some(secret));
    for text in [
        "",
        "loxid_",
        "loxid_a5",
        &"a5".repeat(35),
        &format!("loxid_{}", "A5".repeat(32)),
        &format!("loxid_{} ", "a5".repeat(32)),
    ] {
        assert_eq!(Secret::parse(text), None, "{text}");
    }
}

#[test]
fn neither_a_secret_nor_its_hash_is_ever_displayed() {
    let token = token("ci", 0xa5, None);
    let tokens = Tokens::default().with(token.clone());
    let text = format!("{:?} {tokens:?}", secret(0xa5));
    assert!(!text.contains("a5a5"), "{text}");
    assert!(!text.contains(&token.hash.to_hex()), "{text}");
}

#[test]
fn a_hash_is_read_as_it_is_written() {
    let hash = secret(1).hash();
    assert_eq!(Hash::parse(&hash.to_hex()).unwrap().to_hex(), hash.to_hex());
    for text in [
        "",
        "0",
        &"g".repeat(64),
        &"A".repeat(64),
        &"a".repeat(63),
        &"ä".repeat(32),
    ] {
        assert!(Hash::parse(text).is_none(), "{text}");
    }
}

#[test]
fn a_token_is_who_has_its_secret_until_it_expires_or_is_revoked() {
    let tokens = Tokens::default()
        .with(token("a", 1, None))
        .with(token("b", 2, Some(200)));
    let who = |tokens: &Tokens, byte, now| {
        let found = tokens.check(secret(byte).expose(), now);
        found.map(|token| token.name.clone())
    };
    assert_eq!(who(&tokens, 1, 1_000_000).unwrap(), "a");
    assert_eq!(who(&tokens, 2, 199).unwrap(), "b");
    let expired = Refusal::Expired { name: "b".into() };
    assert_eq!(who(&tokens, 2, 200), Err(expired));
    assert_eq!(who(&tokens, 3, 100), Err(Refusal::Unknown));
    assert_eq!(who(&tokens.without("a"), 1, 100), Err(Refusal::Unknown));
    assert_eq!(tokens.check("", 100).unwrap_err(), Refusal::Unknown);
}

#[test]
fn the_last_use_is_kept_and_never_goes_back() {
    let tokens = Tokens::default().with(token("a", 1, None));
    let used = || tokens.get("a").unwrap().used();
    assert_eq!(used(), 0);
    for (now, last) in [(500, 500), (400, 500), (600, 600)] {
        tokens.check(secret(1).expose(), now).unwrap();
        assert_eq!(used(), last);
    }
    assert!(tokens.check(secret(9).expose(), 700).is_err());
    assert_eq!(used(), 600);
}

#[test]
fn tokens_are_in_the_order_of_their_names_and_a_name_is_there_once() {
    let tokens = ["m", "z", "a", "m"].into_iter().enumerate();
    let tokens = tokens.fold(Tokens::default(), |tokens, (number, name)| {
        tokens.with(token(name, number as u8, None))
    });
    let names: Vec<&str> = tokens.iter().map(|token| token.name.as_str()).collect();
    assert_eq!(names, ["a", "m", "z"]);
    assert!(
        tokens.check(secret(0).expose(), 1).is_err(),
        "the first m was replaced"
    );
}

#[test]
fn a_name_is_a_word_that_log_lines_and_paths_can_have() {
    for name in ["a", "ci", "edge-1.prometheus", "0", "a_b", &"x".repeat(63)] {
        assert!(is_name(name), "{name}");
    }
    for name in [
        "",
        "-a",
        ".a",
        "..",
        "a/b",
        "A",
        "a b",
        "a\n",
        "ä",
        &"x".repeat(64),
    ] {
        assert!(!is_name(name), "{name}");
    }
}

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// The longest prefix decides; without one, an allow list denies.
fn naive(sources: &Sources, addr: IpAddr) -> bool {
    let longest = |list: &BTreeSet<Prefix>| {
        let within = list.iter().filter(|prefix| prefix.contains(addr));
        within.map(Prefix::len).max()
    };
    match (longest(&sources.allowed), longest(&sources.denied)) {
        (None, None) => !sources.allowed.is_empty(),
        (allowed, denied) => denied > allowed,
    }
}

fn list(texts: &[&str]) -> BTreeSet<Prefix> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn sources(allowed: &[&str], denied: &[&str]) -> Sources {
    Sources {
        allowed: list(allowed),
        denied: list(denied),
    }
}

/// Addresses of one family that are often near each other, and at the ends.
fn any_addr(v4: bool) -> impl Strategy<Value = IpAddr> {
    let number = prop_oneof![
        Just(0u128),
        Just(u128::MAX),
        (0u128..64),
        (0u128..64).prop_map(|n| u128::MAX - n),
        any::<u128>(),
    ];
    number.prop_map(move |n| match v4 {
        true => std::net::Ipv4Addr::from_bits(n as u32).into(),
        false => std::net::Ipv6Addr::from_bits(n).into(),
    })
}

fn any_sources(v4: bool) -> impl Strategy<Value = Sources> {
    let longest = if v4 { 32u8 } else { 128 };
    let length = prop_oneof![0..=longest, longest - 7..=longest, 0u8..4];
    vec((any_addr(v4), length, any::<bool>()), 0..20).prop_map(|prefixes| {
        let mut sources = Sources::default();
        for (addr, len, denied) in prefixes {
            let prefix = Prefix::covering(addr, len);
            if denied && !sources.allowed.contains(&prefix) {
                sources.denied.insert(prefix);
            } else if !sources.denied.contains(&prefix) {
                sources.allowed.insert(prefix);
            }
        }
        sources
    })
}

/// Each address where something could change, and those beside it.
fn interesting(sources: &Sources, v4: bool) -> Vec<IpAddr> {
    let prefixes = sources.allowed.iter().chain(&sources.denied);
    let numbers = prefixes.flat_map(|prefix| {
        let stretch = stretch(prefix, false);
        [stretch.first, stretch.last]
            .into_iter()
            .flat_map(|n| [n.saturating_sub(1), n, n.saturating_add(1)])
    });
    let addr = |n: u128| match v4 {
        true => std::net::Ipv4Addr::from_bits(n.min(u128::from(u32::MAX)) as u32).into(),
        false => std::net::Ipv6Addr::from_bits(n).into(),
    };
    numbers.map(addr).collect()
}

proptest! {
    #[test]
    fn boundaries_say_what_the_longest_prefix_says(
        (v4, sources, others) in any::<bool>().prop_flat_map(|v4| {
            (Just(v4), any_sources(v4), vec(any_addr(v4), 8))
        }),
    ) {
        let stretches = Stretches::of(&sources);
        for addr in interesting(&sources, v4).into_iter().chain(others) {
            prop_assert_eq!(stretches.denies(addr), naive(&sources, addr), "{}", addr);
        }
    }

    #[test]
    fn boundaries_are_as_few_as_can_be(
        (v4, sources) in any::<bool>().prop_flat_map(|v4| (Just(v4), any_sources(v4))),
    ) {
        let stretches = Stretches::of(&sources);
        let end = if v4 { u128::from(u32::MAX) } else { u128::MAX };
        prop_assert!(stretches.boundaries.iter().all(|at| (1..=end).contains(at)));
        prop_assert!(stretches.boundaries.windows(2).all(|pair| pair[0] < pair[1]));
    }
}

#[test]
fn without_prefixes_and_with_all_allowed_every_source_is_allowed() {
    for open in [
        sources(&[], &[]),
        sources(&["0.0.0.0/0"], &[]),
        sources(&["0.0.0.0/1", "128.0.0.0/1"], &[]),
        sources(&["::/0"], &[]),
    ] {
        assert!(Stretches::of(&open).is_open(), "{open:?}");
    }
}

#[test]
fn a_list_of_all_denied_denies_all() {
    let all = Stretches::of(&sources(&[], &["0.0.0.0/0"]));
    assert!(all.deny_first && all.boundaries.is_empty());
}

#[test]
fn an_exception_within_an_exception_stands() {
    let nested = sources(&["10.0.0.0/8", "10.1.2.0/24"], &["10.1.0.0/16"]);
    let stretches = Stretches::of(&nested);
    assert!(stretches.deny_first);
    let at = |text: &str| number(text.parse().unwrap());
    let expected = [
        at("10.0.0.0"),
        at("10.1.0.0"),
        at("10.1.2.0"),
        at("10.1.3.0"),
        at("10.2.0.0"),
        at("11.0.0.0"),
    ];
    assert_eq!(stretches.boundaries, expected);
}

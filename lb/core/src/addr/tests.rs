#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn any_addr() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| Ipv4Addr::from_bits(bits).into()),
        any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(bits).into()),
    ]
}

proptest! {
    #[test]
    fn a_mac_reads_what_it_shows(bytes: [u8; 6]) {
        prop_assert_eq!(Mac(bytes).to_string().parse(), Ok(Mac(bytes)));
    }

    #[test]
    fn a_prefix_reads_what_it_shows_and_holds_its_address(addr in any_addr(), len in 0u8..=128) {
        let prefix = Prefix::covering(addr, len);
        prop_assert_eq!(prefix.to_string().parse(), Ok(prefix));
        prop_assert_eq!(Prefix::new(prefix.addr(), prefix.len()), Ok(prefix));
        prop_assert!(prefix.contains(addr));
    }

    #[test]
    fn an_address_of_a_prefix_is_in_one_of_its_halves(addr in any_addr(), len in 0u8..32) {
        let (low, high) = Prefix::covering(addr, len).halves().unwrap();
        prop_assert!(low.contains(addr) ^ high.contains(addr));
        prop_assert!(low < high);
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in ".{0,40}") {
        let _ = text.parse::<Mac>();
        let _ = text.parse::<Prefix>();
    }
}

#[test]
fn what_is_not_a_mac_is_refused() {
    for text in [
        "",
        "02:00:00:00:00",
        "02:00:00:00:00:01:02",
        "2:0:0:0:0:1",
        "02-00-00-00-00-01",
        "+2:00:00:00:00:01",
    ] {
        assert!(text.parse::<Mac>().is_err(), "{text}");
    }
}

#[test]
fn host_bits_are_refused_with_the_prefix_that_was_meant() {
    let error = "10.0.1.7/24".parse::<Prefix>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "10.0.1.7/24 has bits set beyond its length: write 10.0.1.0/24"
    );
    assert!("10.0.0.0/33".parse::<Prefix>().is_err());
    assert!("10.0.0.0".parse::<Prefix>().is_err());
}

#[test]
fn a_prefix_holds_no_address_of_the_other_family() {
    let all = Prefix::covering(Ipv4Addr::UNSPECIFIED.into(), 0);
    assert!(all.contains("255.255.255.255".parse().unwrap()));
    assert!(!all.contains("::".parse().unwrap()));
}

#[test]
fn a_single_address_has_no_halves() {
    assert_eq!(
        Prefix::covering(Ipv4Addr::BROADCAST.into(), 32).halves(),
        None
    );
}

#[test]
fn only_reachable_unicast_addresses_are_served() {
    let check = |text: &str| check_unicast(text.parse().unwrap());
    for text in [
        "1.0.0.0",
        "20.20.20.1",
        "10.255.255.255",
        "223.255.255.255",
        "2001:db8::1",
        "fd00::1",
    ] {
        assert_eq!(check(text), Ok(()), "{text}");
    }
    let refused = [
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "0.0.0.0/8"),
        ("127.0.0.1", "loopback"),
        ("224.0.0.1", "multicast"),
        ("240.0.0.1", "240.0.0.0/4"),
        ("255.255.255.255", "broadcast"),
        ("::", "unspecified"),
        ("ff02::1", "multicast"),
        ("::1", "loopback"),
        ("fe80::1", "link-local"),
        ("::ffff:10.0.0.1", "give 10.0.0.1"),
    ];
    for (text, rule) in refused {
        let error = check(text).unwrap_err().to_string();
        assert!(error.contains(rule) && error.contains(text), "{error}");
    }
}

#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn routes_of_every_kind_are_seen_and_default_routes_are_not() {
    let routes = "default via 10.0.0.1 dev eth0\n\
                  10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.2\n\
                  198.18.0.4 dev eth1\n\
                  local 10.0.0.2 dev eth0 table local proto kernel\n\
                  broadcast 10.0.0.255 dev eth0 table local\n\
                  unreachable 198.18.1.0/24\n\
                  0.0.0.0/0 dev eth2\n";
    let shown: Vec<String> = prefixes(routes).iter().map(Prefix::to_string).collect();
    assert_eq!(
        shown,
        [
            "10.0.0.0/24",
            "198.18.0.4/32",
            "10.0.0.2/32",
            "10.0.0.255/32",
            "198.18.1.0/24"
        ]
    );
}

#[test]
fn routes_of_ipv6_are_seen_and_default_routes_are_not() {
    let routes = "2001:db8::/64 dev eth0 proto kernel metric 256 pref medium\n\
                  fe80::/64 dev eth0 proto kernel metric 256 pref medium\n\
                  default via fe80::1 dev eth0 metric 1024 pref medium\n\
                  local ::1 dev lo table local proto kernel metric 0 pref medium\n\
                  multicast ff00::/8 dev eth0 table local proto kernel metric 256 pref medium\n";
    let shown: Vec<String> = prefixes(routes).iter().map(Prefix::to_string).collect();
    assert_eq!(shown, ["2001:db8::/64", "fe80::/64", "::1/128", "ff00::/8"]);
}

#[test]
fn a_network_overlaps_what_it_is_in_and_what_is_in_it() {
    let network = parse("198.18.0.4/30").unwrap();
    for (prefix_text, overlaps) in [
        ("198.18.0.0/15", true),
        ("198.18.0.4/30", true),
        ("198.18.0.7/32", true),
        ("198.18.0.4/31", true),
        ("198.18.0.8/32", false),
        ("198.18.0.0/30", false),
        ("10.0.0.0/8", false),
        ("128.0.0.0/1", true),
    ] {
        assert_eq!(
            network.overlaps(prefix(prefix_text).unwrap()),
            overlaps,
            "{prefix_text}"
        );
    }
}

#[test]
fn a_network_has_four_addresses() {
    let network = parse("10.9.9.4/30").unwrap();
    assert_eq!(
        (network.box_end(), network.client_end()),
        ([10, 9, 9, 5].into(), [10, 9, 9, 6].into())
    );
    let network = parse("2001:db8::4/126").unwrap();
    assert_eq!(network.on_link(network.box_end()), "2001:db8::5/126");
    assert_eq!(network.client_end().to_string(), "2001:db8::6");
    for wrong in [
        "10.9.9.1/30",
        "10.9.9.0/29",
        "10.9.9.0",
        "2001:db8::/30",
        "2001:db8::1/126",
        "",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn every_candidate_is_in_the_pool() {
    for number in [0, 1, 32767, 32768, u32::MAX] {
        let pool: Prefix = "198.18.0.0/15".parse().unwrap();
        let network = candidate(true, number);
        assert!(pool.contains(network.client_end()), "{network:?}");
        let pool: Prefix = "2001:2::/48".parse().unwrap();
        let network = candidate(false, number);
        assert!(pool.contains(network.client_end()), "{network:?}");
    }
}

#![allow(clippy::unwrap_used)]

use super::*;

/// What a word is parsed to, or a part of the error.
type Row<T> = (&'static str, Result<T, &'static str>);

fn check<T: PartialEq + std::fmt::Debug>(parse: fn(&str) -> Result<T, String>, table: Vec<Row<T>>) {
    for (text, want) in table {
        match (parse(text), want) {
            (Ok(got), Ok(want)) => assert_eq!(got, want, "`{text}`"),
            (Err(got), Err(want)) => assert!(got.contains(want), "`{text}`: {got}"),
            (got, want) => panic!("`{text}`: got {got:?}, want {want:?}"),
        }
    }
}

fn pair(port: u16, backend: u16) -> PortPair {
    PortPair {
        port: port.try_into().unwrap(),
        backend: backend.try_into().unwrap(),
    }
}

fn weighted(addr: &str, weight: u32) -> WeightedAddress {
    WeightedAddress {
        addr: addr.parse().unwrap(),
        weight,
    }
}

#[test]
fn a_port_pair_is_listening_port_and_backend_port() {
    check(
        port_pair,
        vec![
            ("2020:8080", Ok(pair(2020, 8080))),
            ("53", Ok(pair(53, 53))),
            ("1:65535", Ok(pair(1, 65535))),
            ("65535:1", Ok(pair(65535, 1))),
            ("0:8080", Err("`0` is not a port: 1 to 65535")),
            ("2020:0", Err("`0` is not a port")),
            ("65536:1", Err("`65536` is not a port")),
            ("2020:65536", Err("`65536` is not a port")),
            ("-1:80", Err("is a range")),
            (
                "2020-2030:8080",
                Err("`2020-2030` is a range: name every port"),
            ),
            ("2020:8080-8090", Err("`8080-8090` is a range")),
            ("2020:8080:1", Err("`8080:1` is not a port")),
            ("", Err("`` is not a port")),
            (":8080", Err("`` is not a port")),
            ("2020:", Err("`` is not a port")),
            ("http:80", Err("`http` is not a port")),
        ],
    );
}

#[test]
fn an_endpoint_is_address_and_weight() {
    check(
        weighted_address,
        vec![
            ("31.31.31.1:1", Ok(weighted("31.31.31.1", 1))),
            ("31.31.31.1", Ok(weighted("31.31.31.1", 1))),
            ("31.31.31.1:0", Ok(weighted("31.31.31.1", 0))),
            ("31.31.31.1:1000", Ok(weighted("31.31.31.1", 1000))),
            ("[2001:db8::1]:5", Ok(weighted("2001:db8::1", 5))),
            ("2001:db8::1", Ok(weighted("2001:db8::1", 1))),
            (
                "31.31.31.1:1001",
                Err("`1001` in `31.31.31.1:1001` is not a weight: 0"),
            ),
            (
                "31.31.31.1:8080",
                Err("the backend's port goes after the colon of --tcp"),
            ),
            ("31.31.31.1:-1", Err("is not a weight")),
            ("31.31.31.1:", Err("is not a weight")),
            (
                "31.31.31:1",
                Err("`31.31.31` in `31.31.31:1` is not an address"),
            ),
            ("backend.example:1", Err("is not an address")),
            ("backend", Err("is not an address: ADDRESS:WEIGHT")),
            ("", Err("is not an address")),
        ],
    );
}

#[test]
fn every_selection_of_loxicmd_is_known_or_named_as_missing() {
    check(
        select,
        vec![
            ("rr", Ok(Select::Rr)),
            ("hash", Ok(Select::Hash)),
            ("maglev", Ok(Select::Hash)),
            ("priority", Err("say rr, and weights")),
            ("persist", Err("not supported")),
            ("lc", Err("not supported")),
            ("n2", Err("not supported")),
            ("n3", Err("not supported")),
            ("RR", Err("unknown selection `RR`")),
            ("", Err("unknown selection")),
        ],
    );
}

#[test]
fn every_mode_of_loxicmd_is_known_or_named_as_missing() {
    check(
        mode,
        vec![
            ("default", Ok(Mode::Default)),
            ("dnat", Ok(Mode::Default)),
            ("onearm", Ok(Mode::Onearm)),
            ("fullnat", Ok(Mode::Fullnat)),
            ("dsr", Err("not supported")),
            ("fullproxy", Err("not supported")),
            ("hostonearm", Err("not supported")),
            ("snat", Err("unknown mode `snat`")),
        ],
    );
}

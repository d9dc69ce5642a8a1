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

fn pair(text: &str, backend: Option<u16>) -> PortPair {
    PortPair {
        ports: ports(text).unwrap(),
        backend: backend.map(|port| port.try_into().unwrap()),
    }
}

fn word(addr: &str, number: Option<u32>, weight: Option<u32>, max: Option<u32>) -> EndpointWord {
    EndpointWord {
        addr: addr.parse().unwrap(),
        number,
        weight,
        max_connections: max,
    }
}

#[test]
fn a_port_pair_is_listening_ports_and_backend_port() {
    check(
        port_pair,
        vec![
            ("2020:8080", Ok(pair("2020", Some(8080)))),
            ("53", Ok(pair("53", Some(53)))),
            ("1:65535", Ok(pair("1", Some(65535)))),
            ("65535:1", Ok(pair("65535", Some(1)))),
            ("2020-2030", Ok(pair("2020-2030", None))),
            ("80-80", Ok(pair("80", Some(80)))),
            ("any", Ok(pair("*", None))),
            ("*", Ok(pair("any", None))),
            ("0:8080", Err("use 1 to 65535, or * for any port, or any")),
            ("2020:0", Err("`0` is not a port")),
            ("65536:1", Err("`65536` is not a port")),
            ("2020:65536", Err("`65536` is not a port")),
            ("-1:80", Err("is not a port, a range")),
            ("90-80", Err("write the lower port first")),
            ("2020-2030:8080", Err("get each client's own port")),
            ("any:8080", Err("leave it out")),
            ("2020:8080-8090", Err("`8080-8090` is not a port")),
            ("2020:8080:1", Err("`8080:1` is not a port")),
            ("", Err("`` is not a port")),
            (":8080", Err("`` is not a port")),
            ("2020:", Err("`` is not a port")),
            ("http:80", Err("`http` is not a port")),
        ],
    );
}

#[test]
fn an_endpoint_is_an_address_and_up_to_three_numbers() {
    check(
        endpoint,
        vec![
            ("31.31.31.1:1", Ok(word("31.31.31.1", Some(1), None, None))),
            ("31.31.31.1", Ok(word("31.31.31.1", None, None, None))),
            ("31.31.31.1=0", Ok(word("31.31.31.1", None, Some(0), None))),
            ("31.31.31.1/7", Ok(word("31.31.31.1", None, None, Some(7)))),
            (
                "31.31.31.1:8080=3/100",
                Ok(word("31.31.31.1", Some(8080), Some(3), Some(100))),
            ),
            (
                "[2001:db8::1]:5",
                Ok(word("2001:db8::1", Some(5), None, None)),
            ),
            ("[2001:db8::1]", Ok(word("2001:db8::1", None, None, None))),
            ("2001:db8::1", Ok(word("2001:db8::1", None, None, None))),
            (
                "2001:db8::1=2/9",
                Ok(word("2001:db8::1", None, Some(2), Some(9))),
            ),
            (
                "[2001:db8::1]:8080=2/9",
                Ok(word("2001:db8::1", Some(8080), Some(2), Some(9))),
            ),
            ("31.31.31.1:-1", Err("is not a number")),
            ("31.31.31.1:+1", Err("is not a number")),
            ("31.31.31.1:", Err("is not a number")),
            ("31.31.31.1=", Err("is not a weight")),
            ("31.31.31.1=x", Err("`x` in `31.31.31.1=x` is not a weight")),
            ("31.31.31.1/0", Err("at least one connection")),
            (
                "31.31.31.1/4294967296",
                Err("is not a number of connections"),
            ),
            ("31.31.31.1/5=2", Err("is not a number of connections")),
            (
                "31.31.31:1",
                Err("`31.31.31` in `31.31.31:1` is not an address"),
            ),
            ("[31.31.31.1]:1", Err("is not an address")),
            ("[2001:db8::1]5", Err("is not an address")),
            ("backend.example:1", Err("is not an address")),
            (
                "backend",
                Err("is not an address: ADDRESS[:WEIGHT] with --tcp"),
            ),
            ("", Err("is not an address")),
        ],
    );
}

#[test]
fn the_number_of_an_endpoint_is_loxicmds_weight_or_the_port() {
    let meant = |port: Option<u16>, weight| Endpoint {
        addr: [31, 31, 31, 1].into(),
        port: port.map(|port| port.try_into().unwrap()),
        weight,
        max_connections: None,
    };
    let service_port = Some(80.try_into().unwrap());
    for (text, with_tcp, with_port) in [
        ("31.31.31.1", meant(Some(80), 1), meant(None, 1)),
        ("31.31.31.1:0", meant(Some(80), 0), meant(None, 0)),
        ("31.31.31.1:5", meant(Some(80), 5), meant(Some(5), 1)),
        ("31.31.31.1=5", meant(Some(80), 5), meant(None, 5)),
        (
            "31.31.31.1:8080=5",
            meant(Some(8080), 5),
            meant(Some(8080), 5),
        ),
    ] {
        let word = endpoint(text).unwrap();
        assert_eq!(word.after_ports(service_port), Ok(with_tcp), "{text}");
        match word.number {
            Some(0) => assert!(word.with_own_port().unwrap_err().contains("1 to 65535")),
            _ => assert_eq!(word.with_own_port(), Ok(with_port), "{text}"),
        }
    }
    let error = endpoint("31.31.31.1:8080").unwrap().after_ports(None);
    assert!(error.unwrap_err().contains("port goes after the colon"));
}

#[test]
fn every_selection_of_loxicmd_is_known_or_named_as_missing() {
    use lb_api::wire::Select;
    check(
        select,
        vec![
            ("rr", Ok(Select::Rr)),
            ("hash", Ok(Select::Maglev)),
            ("maglev", Ok(Select::Maglev)),
            ("lc", Ok(Select::Lc)),
            ("priority", Err("say rr, and weights")),
            ("persist", Err("say --persist=SECONDS")),
            ("n2", Err("not supported")),
            ("n3", Err("not supported")),
            ("RR", Err("unknown selection `RR`")),
            ("", Err("unknown selection")),
        ],
    );
}

#[test]
fn every_mode_of_loxicmd_is_known_or_named_as_missing() {
    use lb_api::wire::Mode;
    check(
        mode,
        vec![
            ("default", Ok(Mode::Dnat)),
            ("dnat", Ok(Mode::Dnat)),
            ("onearm", Ok(Mode::Onearm)),
            ("fullnat", Ok(Mode::Fullnat)),
            ("dsr", Ok(Mode::Dsr)),
            ("ipip", Ok(Mode::Ipip)),
            ("gue", Ok(Mode::Gue)),
            ("fullproxy", Err("not supported")),
            ("hostonearm", Err("not supported")),
            ("snat", Err("unknown mode `snat`")),
        ],
    );
}

#[test]
fn a_check_is_one_word() {
    let said =
        |text: &str| crate::words::check(text).map(|check| (check.kind, check.port, check.path));
    let kind = |kind: &str| kind.to_owned();
    assert_eq!(said("tcp"), Ok((kind("tcp"), None, None)));
    assert_eq!(said("udp:53"), Ok((kind("udp"), Some(53), None)));
    let path = Some("/health?full=1".to_owned());
    assert_eq!(
        said("http:8081/health?full=1"),
        Ok((kind("http"), Some(8081), path))
    );
    assert_eq!(
        said("http/"),
        Ok((kind("http"), None, Some("/".to_owned())))
    );
    for bad in [
        "", "none", "sctp", "tcp/x", "ping:80", "http:0", "http:x", "https",
    ] {
        assert!(crate::words::check(bad).is_err(), "{bad}");
    }
}

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::testing::{any_service, endpoint, key};

proptest! {
    #[test]
    fn keys_and_endpoints_read_what_they_show(service in any_service()) {
        prop_assert_eq!(service.key.to_string().parse(), Ok(service.key));
        for endpoint in service.backends.keys() {
            prop_assert_eq!(endpoint.to_string().parse(), Ok(*endpoint));
        }
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in ".{0,40}") {
        let _ = text.parse::<Endpoint>();
        let _ = text.parse::<ServiceKey>();
    }

    #[test]
    fn a_refused_table_size_comes_with_one_that_is_accepted(value: u64, small in 0u64..70_000) {
        for value in [value, small] {
            if let Err(ValueError::MaglevSize { nearest, .. }) = MaglevSize::new(value) {
                prop_assert!(MaglevSize::new(nearest.into()).is_ok());
            }
        }
    }
}

#[test]
fn a_service_shows_as_vip_port_and_protocol() {
    assert_eq!(
        key("20.20.20.1:2020/tcp").to_string(),
        "20.20.20.1:2020/tcp"
    );
    assert_eq!(
        key("[2001:db8::1]:53/udp").to_string(),
        "[2001:db8::1]:53/udp"
    );
}

#[test]
fn what_is_no_key_or_endpoint_is_refused_and_port_0_by_name() {
    for text in [
        "",
        "20.20.20.1",
        "20.20.20.1:80",
        "20.20.20.1/tcp",
        "x:80/tcp",
        "20.20.20.1:65536/tcp",
    ] {
        assert!(text.parse::<ServiceKey>().is_err(), "{text}");
    }
    let unknown = "20.20.20.1:80/sctp".parse::<ServiceKey>().unwrap_err();
    assert_eq!(
        unknown,
        ValueError::Protocol {
            value: "sctp".to_owned()
        }
    );
    let zero = "20.20.20.1:0/tcp".parse::<ServiceKey>().unwrap_err();
    assert!(zero.to_string().contains("use 1 to 65535"), "{zero}");
    assert!("10.0.0.1:0".parse::<Endpoint>().is_err());
}

#[test]
fn values_keep_to_their_ranges() {
    for good in [251, 16381, 65537] {
        assert_eq!(MaglevSize::new(good).unwrap().get(), good as u32);
    }
    for (bad, nearest) in [
        (0, 251),
        (250, 251),
        (16384, 16381),
        (65536, 65537),
        (70000, 65537),
    ] {
        assert_eq!(
            MaglevSize::new(bad),
            Err(ValueError::MaglevSize {
                value: bad,
                nearest
            })
        );
    }
    assert!(Weight::new(0).is_ok() && Weight::new(1000).is_ok() && Weight::new(1001).is_err());
    assert!(IdleTimeout::new(1).is_ok() && IdleTimeout::new(28800).is_ok());
    assert!(IdleTimeout::new(0).is_err() && IdleTimeout::new(28801).is_err());
    assert!(MaglevSize::new(u64::MAX).is_err() && Weight::new(65536).is_err());
}

#[test]
fn words_of_a_policy_read_what_they_show() {
    for mode in [Mode::Dnat, Mode::Fullnat, Mode::Onearm] {
        assert_eq!(mode.to_string().parse(), Ok(mode));
    }
    for fate in [NoBackend::Reject, NoBackend::Drop, NoBackend::Pass] {
        assert_eq!(fate.to_string().parse(), Ok(fate));
    }
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        assert_eq!(protocol.to_string().parse(), Ok(protocol));
        assert_eq!(Protocol::from_number(protocol.number()), Some(protocol));
    }
    assert!("l2dsr".parse::<Mode>().is_err());
    assert_eq!(Protocol::from_number(132), None);
}

fn refused(vip: &str, name: Option<&str>, backends: &[&str]) -> Vec<(String, String)> {
    let backends = backends
        .iter()
        .map(|text| (endpoint(text), Weight::ONE))
        .collect();
    let name = name.map(str::to_owned);
    let errors = Service::new(key(vip), name, Policy::default(), backends).unwrap_err();
    errors
        .iter()
        .map(|error| (error.path(), error.to_string()))
        .collect()
}

#[test]
fn each_rule_of_a_service_is_kept_and_says_which_field_breaks_it() {
    let vip = "20.20.20.1:80/tcp";
    let cases = [
        (
            refused("224.0.0.1:80/tcp", None, &[]),
            "vip",
            "cannot be served",
        ),
        (refused(vip, Some(""), &[]), "name", "0 bytes"),
        (refused(vip, Some("a b"), &[]), "name", "`a b`"),
        (
            refused(vip, None, &["10.0.0.1:1", "127.0.0.1:1"]),
            "backends[1].address",
            "127.0.0.1:1",
        ),
        (
            refused(vip, None, &["[2001:db8::1]:1"]),
            "backends[0].address",
            "never mix",
        ),
        (
            refused(vip, None, &["10.0.0.9:1", "10.0.0.1:1", "10.0.0.9:1"]),
            "backends[2]",
            "backends[0]",
        ),
        (
            refused(vip, None, &["20.20.20.1:80"]),
            "backends[0]",
            "circle",
        ),
    ];
    for (errors, path, part) in cases {
        let [(found, text)] = errors.as_slice() else {
            panic!("{errors:?}")
        };
        assert_eq!(found, path);
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let errors = refused("0.0.0.0:80/tcp", Some(""), &["127.0.0.1:1", "224.0.0.1:1"]);
    assert_eq!(errors.len(), 4, "{errors:?}");
}

#[test]
fn an_ipv6_service_is_refused_as_not_supported() {
    let errors = Service::new(key("[2001:db8::1]:80/tcp"), None, Policy::default(), vec![]);
    let errors = errors.unwrap_err();
    let [ServiceError::Vip(error)] = errors.as_slice() else {
        panic!("{errors:?}")
    };
    assert!(error.to_string().contains("not supported yet"));
}

#[test]
fn another_port_of_the_vip_may_be_a_backend() {
    let backends = vec![(endpoint("20.20.20.1:8080"), Weight::ONE)];
    assert!(Service::new(key("20.20.20.1:80/tcp"), None, Policy::default(), backends).is_ok());
}

#[test]
fn too_many_backends_are_refused() {
    let backends = (1..=MAX_BACKENDS_PER_SERVICE as u16 + 1)
        .map(|port| (endpoint(&format!("10.0.0.1:{port}")), Weight::ONE))
        .collect();
    let errors = Service::new(key("20.20.20.1:80/tcp"), None, Policy::default(), backends);
    assert_eq!(
        errors.unwrap_err(),
        [ServiceError::TooManyBackends { count: 4097 }]
    );
}

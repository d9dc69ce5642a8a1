#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::testing::{any_service, endpoint, key, prefixes};

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
    for text in [
        "[2001:db8::1]:53/udp",
        "20.20.20.1:80-90/tcp",
        "[2001:db8::1]:*/tcp",
        "20.20.20.1/icmp",
        "2001:db8::1/icmp",
    ] {
        assert_eq!(key(text).to_string(), text);
    }
    assert_eq!(key("[2001:db8::1]/icmp"), key("2001:db8::1/icmp"));
    assert_eq!(endpoint("31.31.31.1").to_string(), "31.31.31.1");
    assert_eq!(endpoint("[2001:db8::1]").to_string(), "2001:db8::1");
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
        "20.20.20.1:90-80/tcp",
        "20.20.20.1:80-/tcp",
        "20.20.20.1:+80/tcp",
        "20.20.20.1:80/icmp",
        "2001:db8::1:80/tcp",
        "[20.20.20.1]:80/tcp",
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
    for (good, bad) in [(1, 0), (86400, 86401)] {
        assert!(Persist::new(good).is_ok());
        assert_eq!(Persist::new(bad), Err(ValueError::Persist { value: bad }));
    }
    for (good, bad) in [(536, 535), (65495, 65496)] {
        assert!(MssClamp::new(good).is_ok());
        assert_eq!(MssClamp::new(bad), Err(ValueError::MssClamp { value: bad }));
    }
    assert!(MaglevSize::new(u64::MAX).is_err() && Weight::new(65536).is_err());
}

#[test]
fn words_of_a_policy_read_what_they_show() {
    let gue = Mode::Gue {
        port: Mode::GUE_PORT,
    };
    for mode in [
        Mode::Dnat,
        Mode::Fullnat,
        Mode::Onearm,
        Mode::Dsr,
        Mode::Ipip,
        gue,
    ] {
        assert_eq!(mode.to_string().parse(), Ok(mode));
    }
    for fate in [NoBackend::Reject, NoBackend::Drop, NoBackend::Pass] {
        assert_eq!(fate.to_string().parse(), Ok(fate));
    }
    for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Icmp] {
        assert_eq!(protocol.to_string().parse(), Ok(protocol));
        assert_eq!(Protocol::from_number(protocol.number()), Some(protocol));
    }
    assert!("l2dsr".parse::<Mode>().is_err());
    assert_eq!(Protocol::from_number(132), None);
}

/// Paths and texts of errors.
type Told = Vec<(String, String)>;

fn told(errors: Result<Service, Vec<ServiceError>>) -> Told {
    let errors = errors.unwrap_err();
    let told = errors.iter().map(|error| (error.path(), error.to_string()));
    told.collect()
}

fn shares(backends: &[&str]) -> Vec<(Endpoint, Share)> {
    let share = |text: &&str| (endpoint(text), Share::default());
    backends.iter().map(share).collect()
}

fn refused(vip: &str, name: Option<&str>, backends: &[&str]) -> Told {
    let name = name.map(str::to_owned);
    told(Service::new(
        key(vip),
        name,
        Policy::default(),
        shares(backends),
    ))
}

fn refused_policy(vip: &str, backends: &[&str], change: impl FnOnce(&mut Policy)) -> Told {
    let mut policy = Policy::default();
    change(&mut policy);
    told(Service::new(key(vip), None, policy, shares(backends)))
}

fn mode(word: &'static str) -> impl FnOnce(&mut Policy) {
    move |policy| policy.mode = word.parse().unwrap()
}

fn expect(cases: Vec<(Told, &str, &[&str])>) {
    for (errors, path, parts) in cases {
        let [(found, text)] = errors.as_slice() else {
            panic!("{path}: {errors:?}")
        };
        assert_eq!(found, path, "{text}");
        for part in parts {
            assert!(text.contains(part), "`{part}` in: {text}");
        }
    }
}

#[test]
fn each_rule_of_a_service_is_kept_and_says_which_field_breaks_it() {
    let vip = "20.20.20.1:80/tcp";
    expect(vec![
        (
            refused("224.0.0.1:80/tcp", None, &[]),
            "vip",
            &["cannot be served"],
        ),
        (
            refused("[fe80::1]:80/tcp", None, &[]),
            "vip",
            &["cannot be served"],
        ),
        (refused(vip, Some(""), &[]), "name", &["0 bytes"]),
        (refused(vip, Some("a b"), &[]), "name", &["`a b`"]),
        (
            refused(vip, None, &["10.0.0.1:1", "127.0.0.1:1"]),
            "backends[1].address",
            &["127.0.0.1:1"],
        ),
        (
            refused(vip, None, &["[2001:db8::1]:1"]),
            "backends[0].address",
            &["[2001:db8::1]:1", "20.20.20.1", "dnat", "ipip or gue"],
        ),
        (
            refused(vip, None, &["10.0.0.9:1", "10.0.0.1:1", "10.0.0.9:1"]),
            "backends[2]",
            &["backends[0]"],
        ),
        (
            refused(vip, None, &["10.0.0.9", "10.0.0.9:80"]),
            "backends[1]",
            &["backends[0]"],
        ),
        (
            refused(vip, None, &["20.20.20.1:80"]),
            "backends[0]",
            &["circle"],
        ),
        (
            refused(vip, None, &["20.20.20.1"]),
            "backends[0]",
            &["circle"],
        ),
    ]);
}

#[test]
fn each_rule_of_ports_is_kept() {
    let with_ports = |ports, protocol| {
        let key = ServiceKey {
            ports,
            protocol,
            ..key("20.20.20.1:80/tcp")
        };
        told(Service::new(key, None, Policy::default(), vec![]))
    };
    let port = |number| NonZeroU16::new(number).unwrap();
    let reversed = Ports::Range {
        first: port(90),
        last: port(80),
    };
    expect(vec![
        (
            with_ports(reversed, Protocol::Tcp),
            "portMax",
            &["80", "90"],
        ),
        (
            with_ports(Ports::None, Protocol::Udp),
            "port",
            &["udp", "0 for any port"],
        ),
        (
            with_ports(Ports::Any, Protocol::Icmp),
            "port",
            &["*", "icmp", "leave"],
        ),
        (
            refused("20.20.20.1/icmp", None, &["10.0.0.1"]),
            "backends",
            &["icmp", "leave backends out"],
        ),
        (
            refused("20.20.20.1:80-90/tcp", None, &["10.0.0.1:80"]),
            "backends[0].port",
            &["10.0.0.1:80", "80-90", "leave"],
        ),
        (
            refused("20.20.20.1:*/tcp", None, &["10.0.0.1", "10.0.0.2:80"]),
            "backends[1].port",
            &["10.0.0.2:80", "leave"],
        ),
    ]);
}

#[test]
fn each_rule_of_a_mode_is_kept() {
    let vip = "20.20.20.1:80/tcp";
    for word in ["dsr", "ipip", "gue"] {
        expect(vec![(
            refused_policy(vip, &["10.0.0.2", "10.0.0.1:8080"], mode(word)),
            "backends[1].port",
            &[
                "10.0.0.1:8080",
                vip,
                word,
                "leave",
                "dnat, fullnat or onearm",
            ],
        )]);
        let backends = shares(&["10.0.0.1:80", "10.0.0.2"]);
        let mut policy = Policy::default();
        mode(word)(&mut policy);
        assert!(Service::new(key(vip), None, policy, backends).is_ok());
    }
    for word in ["ipip", "gue"] {
        let mut policy = Policy::default();
        mode(word)(&mut policy);
        let backends = shares(&["10.0.0.1", "2001:db8::1"]);
        assert!(Service::new(key(vip), None, policy, backends).is_ok());
    }
    expect(vec![
        (
            refused_policy(vip, &["2001:db8::1"], mode("dsr")),
            "backends[0].address",
            &["2001:db8::1", "dsr", "ipip or gue"],
        ),
        (
            refused_policy(vip, &[], |policy| {
                policy.mode = Mode::Ipip;
                policy.mss_clamp = Some(MssClamp::new(1400).unwrap());
            }),
            "mssClamp",
            &["1400", "ipip", "advmss"],
        ),
        (
            refused_policy(vip, &[], |policy| {
                policy.selection = Selection::RoundRobin;
                policy.persist = Some(Persist::new(60).unwrap());
            }),
            "persist",
            &["60", "maglev"],
        ),
    ]);
}

#[test]
fn each_rule_of_sources_is_kept() {
    let vip = "20.20.20.1:80/tcp";
    let sources = |allowed: &'static [&str], denied: &'static [&str]| {
        refused_policy(vip, &[], move |policy| {
            policy.sources = Sources {
                allowed: prefixes(allowed),
                denied: prefixes(denied),
            };
        })
    };
    expect(vec![
        (
            sources(&["2001:db8::/32"], &[]),
            "allowedSources",
            &["2001:db8::/32", "20.20.20.1"],
        ),
        (
            sources(&[], &["::/0"]),
            "deniedSources",
            &["::/0", "20.20.20.1"],
        ),
        (
            sources(&["10.0.0.0/8"], &["10.0.0.0/8", "10.1.0.0/16"]),
            "deniedSources",
            &["10.0.0.0/8", "remove it from one"],
        ),
    ]);
}

#[test]
fn counted_backends_are_at_most_256() {
    let many = |count: u16, max_connections| -> Vec<(Endpoint, Share)> {
        let share = Share {
            max_connections,
            ..Share::default()
        };
        let at = |port| (endpoint(&format!("10.0.0.1:{port}")), share);
        (1..=count).map(at).collect()
    };
    let new = |selection, backends| {
        let policy = Policy {
            selection,
            ..Policy::default()
        };
        Service::new(key("20.20.20.1:80/tcp"), None, policy, backends)
    };
    let (least, maglev) = (Selection::LeastConnections, Policy::default().selection);
    let limit = NonZeroU32::new(10);
    assert!(new(least, many(256, None)).is_ok());
    assert!(new(maglev, many(256, limit)).is_ok());
    assert!(new(maglev, many(257, None)).is_ok());
    for refused in [new(least, many(257, None)), new(maglev, many(257, limit))] {
        expect(vec![(told(refused), "backends", &["257", "256", "split"])]);
    }
}

#[test]
fn numbers_make_ports_or_an_error_that_says_which_field() {
    let port = |number| NonZeroU16::new(number).unwrap();
    let (tcp, icmp) = (Protocol::Tcp, Protocol::Icmp);
    let range = Ports::Range {
        first: port(80),
        last: port(90),
    };
    assert_eq!(Ports::new(tcp, Some(80), None), Ok(Ports::One(port(80))));
    assert_eq!(
        Ports::new(tcp, Some(80), Some(80)),
        Ok(Ports::One(port(80)))
    );
    assert_eq!(Ports::new(tcp, Some(80), Some(90)), Ok(range));
    assert_eq!(Ports::new(tcp, Some(0), None), Ok(Ports::Any));
    assert_eq!(Ports::new(icmp, None, None), Ok(Ports::None));
    for (protocol, first, last, path) in [
        (tcp, None, None, "port"),
        (tcp, Some(65536), None, "port"),
        (tcp, Some(80), Some(65536), "portMax"),
        (tcp, Some(80), Some(0), "portMax"),
        (tcp, Some(90), Some(80), "portMax"),
        (tcp, Some(0), Some(80), "portMax"),
        (icmp, Some(80), None, "port"),
        (icmp, None, Some(80), "port"),
    ] {
        assert_eq!(Ports::new(protocol, first, last).unwrap_err().path(), path);
    }
}

#[test]
fn a_tunnels_port_is_gues_and_no_other_modes() {
    let gue: Mode = "gue".parse().unwrap();
    let port = NonZeroU16::new(6081).unwrap();
    assert_eq!(gue.with_tunnel_port(None), Ok(gue));
    assert_eq!(gue.with_tunnel_port(Some(6081)), Ok(Mode::Gue { port }));
    for value in [0, 65536] {
        let refused = gue.with_tunnel_port(Some(value)).unwrap_err();
        assert_eq!(refused, ValueError::TunnelPort { value });
    }
    let refused = Mode::Ipip.with_tunnel_port(Some(6080)).unwrap_err();
    assert!(refused.to_string().contains("use mode gue"), "{refused}");
}

#[test]
fn an_any_port_service_goes_beside_others() {
    let overlaps = |a: &str, b: &str| {
        let (a, b) = (key(a), key(b));
        assert_eq!(a.overlaps(&b), b.overlaps(&a));
        a.overlaps(&b)
    };
    assert!(overlaps("20.20.20.1:80-90/tcp", "20.20.20.1:90/tcp"));
    assert!(overlaps("20.20.20.1:*/tcp", "20.20.20.1:*/tcp"));
    assert!(!overlaps("20.20.20.1:80-90/tcp", "20.20.20.1:91-99/tcp"));
    assert!(!overlaps("20.20.20.1:80-90/tcp", "20.20.20.1:*/tcp"));
    assert!(!overlaps("20.20.20.1:80/tcp", "20.20.20.1:80/udp"));
    assert!(!overlaps("20.20.20.1:80/tcp", "20.20.20.2:80/tcp"));
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let errors = refused("0.0.0.0:80/tcp", Some(""), &["127.0.0.1:1", "224.0.0.1:1"]);
    assert_eq!(errors.len(), 4, "{errors:?}");
}

#[test]
fn another_port_of_the_vip_may_be_a_backend() {
    let backends = vec![(endpoint("20.20.20.1:8080"), Share::default())];
    assert!(Service::new(key("20.20.20.1:80/tcp"), None, Policy::default(), backends).is_ok());
}

#[test]
fn too_many_backends_are_refused() {
    let backends = (1..=MAX_BACKENDS_PER_SERVICE as u16 + 1)
        .map(|port| (endpoint(&format!("10.0.0.1:{port}")), Share::default()))
        .collect();
    let errors = Service::new(key("20.20.20.1:80/tcp"), None, Policy::default(), backends);
    assert_eq!(
        errors.unwrap_err(),
        [ServiceError::TooManyBackends { count: 4097 }]
    );
}

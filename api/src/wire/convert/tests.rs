#![allow(clippy::unwrap_used)]

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::parse;

mod check;

fn modes() -> impl Strategy<Value = core::Mode> {
    let port = |port| core::Mode::Gue {
        port: NonZeroU16::new(port).unwrap(),
    };
    prop::sample::select(vec![
        core::Mode::Dnat,
        core::Mode::Fullnat,
        core::Mode::Onearm,
        core::Mode::Dsr,
        core::Mode::Ipip,
        port(6080),
        port(1),
        port(65535),
    ])
}

/// With the affinity that goes with it.
fn selections() -> impl Strategy<Value = (Selection, Option<Persist>)> {
    let persist = prop::option::of(1..=86400_u64);
    let selections = prop::sample::select(vec![
        Selection::RoundRobin,
        Selection::LeastConnections,
        Selection::Maglev(MaglevSize::DEFAULT),
        Selection::Maglev(MaglevSize::new(65537).unwrap()),
    ]);
    (selections, persist).prop_map(|(selection, persist)| {
        let persist = persist.filter(|_| matches!(selection, Selection::Maglev(_)));
        (
            selection,
            persist.map(|seconds| Persist::new(seconds).unwrap()),
        )
    })
}

fn announces() -> impl Strategy<Value = core::Announce> {
    let names = prop::collection::btree_set("[a-z]{1,10}[0-9.]{0,5}", 0..4);
    let l2 = (names, any::<bool>()).prop_map(|(names, healthy)| core::Announce::L2 {
        interfaces: names
            .iter()
            .map(|name| core::InterfaceName::new(name).unwrap())
            .collect(),
        when: match healthy {
            true => core::AnnounceWhen::Healthy,
            false => core::AnnounceWhen::Always,
        },
    });
    prop_oneof![3 => l2, 1 => Just(core::Announce::None)]
}

/// Two lists without a prefix in common.
fn sources(ipv4: bool) -> impl Strategy<Value = Sources> {
    let prefix = move |(number, len): (u32, u8)| match ipv4 {
        true => Prefix::covering(Ipv4Addr::from_bits(number).into(), len.min(32)),
        false => {
            let bits = u128::from(number) << 96 | u128::from(number);
            Prefix::covering(Ipv6Addr::from_bits(bits).into(), len)
        }
    };
    let list = prop::collection::vec((any::<u32>(), 0..=128_u8), 0..4);
    (list.clone(), list).prop_map(move |(allowed, denied)| {
        let allowed: BTreeSet<Prefix> = allowed.into_iter().map(prefix).collect();
        let mut denied: BTreeSet<Prefix> = denied.into_iter().map(prefix).collect();
        denied.retain(|prefix| !allowed.contains(prefix));
        Sources { allowed, denied }
    })
}

fn policy(ipv4: bool) -> impl Strategy<Value = Policy> {
    let no_backend = prop::sample::select(vec![
        core::NoBackend::Reject,
        core::NoBackend::Drop,
        core::NoBackend::Pass,
    ]);
    let idle = prop::option::of(1..=28800_u64);
    let clamp = prop::option::of(536..=65495_u64);
    let announce = announces();
    let rest = (
        no_backend,
        idle,
        any::<bool>(),
        clamp,
        sources(ipv4),
        announce,
    );
    (modes(), selections(), rest).prop_map(|(mode, (selection, persist), rest)| {
        let (no_backend, idle, last_hop, clamp, sources, announce) = rest;
        Policy {
            mode,
            selection,
            persist,
            no_backend,
            idle: idle.map(|idle| IdleTimeout::new(idle).unwrap()),
            last_hop,
            mss_clamp: clamp
                .filter(|_| mode.is_two_sided())
                .map(|bytes| MssClamp::new(bytes).unwrap()),
            sources,
            announce,
            ..Policy::default()
        }
    })
}

fn ports() -> impl Strategy<Value = Ports> {
    let port = |port| NonZeroU16::new(port).unwrap();
    prop_oneof![
        4 => (1..=u16::MAX).prop_map(move |one| Ports::One(port(one))),
        2 => (1..u16::MAX, 1..=u16::MAX).prop_map(move |(a, b)| Ports::between(port(a.min(b)), port(a.max(b)))),
        1 => Just(Ports::Any),
    ]
}

/// A service whose VIP is unique by its number.
fn service(number: u8) -> impl Strategy<Value = core::Service> {
    any::<bool>().prop_flat_map(move |ipv4| service_of(ipv4, number))
}

fn service_of(ipv4: bool, number: u8) -> impl Strategy<Value = core::Service> {
    let share = (0..=1000_u64, prop::option::of(1..=u32::MAX));
    let backends =
        prop::collection::btree_map(1..=250_u8, (any::<bool>(), 1..=u16::MAX, share), 0..5);
    let protocols = prop::sample::select(vec![
        core::Protocol::Tcp,
        core::Protocol::Udp,
        core::Protocol::Icmp,
    ]);
    let key = (protocols, ports(), prop::option::of("[a-z#:'0-9é-]{1,20}"));
    (key, policy(ipv4), backends).prop_map(move |((protocol, ports, name), policy, backends)| {
        let (vip, network): (IpAddr, [u16; 2]) = match ipv4 {
            true => ([20, 20, 20, number].into(), [0, 0]),
            false => (
                [0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(number)].into(),
                [0x2001, 0xdb8],
            ),
        };
        let address = |last: u8| -> IpAddr {
            match ipv4 {
                true => [31, 31, 31, last].into(),
                false => [network[0], network[1], 1, 0, 0, 0, 0, u16::from(last)].into(),
            }
        };
        let is_icmp = protocol == core::Protocol::Icmp;
        let mut policy = policy.clone();
        if protocol != core::Protocol::Tcp {
            policy.mss_clamp = None;
        }
        let ports = if is_icmp { Ports::None } else { ports };
        let backend_port = |wanted: bool, other: u16| match ports {
            Ports::One(own) if wanted && !policy.mode.is_two_sided() => Some(own),
            Ports::One(_) if wanted => NonZeroU16::new(other),
            _ => None,
        };
        let backends = backends.into_iter().filter(|_| !is_icmp).map(
            |(last, (with_port, port, (weight, max)))| {
                let endpoint = Endpoint {
                    addr: address(last),
                    port: backend_port(with_port, port),
                };
                let share = core::Share {
                    weight: core::Weight::new(weight).unwrap(),
                    max_connections: max.and_then(NonZeroU32::new),
                };
                (endpoint, share)
            },
        );
        let key = ServiceKey {
            vip,
            ports,
            protocol,
        };
        let name = name.map(|name| format!("{name}-{number}"));
        let backends = backends.collect();
        core::Service::new(key, name, policy, backends).unwrap()
    })
}

fn document() -> impl Strategy<Value = intent::Document> {
    (service(1), service(2), service(3), 0..=3_usize).prop_map(|(a, b, c, count)| {
        intent::Document::new(vec![a, b, c].into_iter().take(count).collect()).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_document_comes_back_from_the_wire_as_it_went(document in document()) {
        let wire = Document::from(&document);
        prop_assert_eq!(&intent::Document::try_from(&wire).unwrap(), &document);
        let json: Document = parse::json(parse::to_json(&wire).as_bytes()).unwrap();
        prop_assert_eq!(&json, &wire);
        let yaml: Document = parse::yaml(parse::to_yaml(&wire).as_bytes()).unwrap();
        prop_assert_eq!(&yaml, &wire);
    }

    #[test]
    fn what_is_normal_on_the_wire_stays_as_it_is(document in document()) {
        let wire = Document::from(&document);
        let again = Document::from(&intent::Document::try_from(&wire).unwrap());
        prop_assert_eq!(again, wire);
    }
}

#[test]
fn defaults_are_those_of_the_core() {
    let wire: Service = parse::json(br#"{"vip":"20.20.20.1","port":80,"protocol":"tcp"}"#).unwrap();
    let service = core::Service::try_from(&wire).unwrap();
    assert_eq!(service.policy, Policy::default());
    assert!(service.backends.is_empty());
    let backend: Backend = parse::json(br#"{"address":"1.2.3.4","port":1}"#).unwrap();
    assert_eq!(backend.weight, i64::from(core::Weight::default().get()));
    assert_eq!(backend.max_connections, None);
    let wire: Service =
        parse::json(br#"{"vip":"20.20.20.1","port":80,"protocol":"tcp","mode":"gue"}"#).unwrap();
    let service = core::Service::try_from(&wire).unwrap();
    let port = core::Mode::GUE_PORT;
    assert_eq!(service.policy.mode, core::Mode::Gue { port });
}

#[test]
fn the_example_has_every_field_and_is_valid() {
    let example = include_str!("../../../../packaging/examples/document.yaml");
    let wire: Document = parse::yaml(example.as_bytes()).unwrap();
    assert_eq!(intent::Document::try_from(&wire).unwrap().len(), 3);
    let description = parse::to_json(&crate::server::openapi());
    let description: serde_json::Value = parse::json(description.as_bytes()).unwrap();
    for kind in ["Service", "Backend", "Check"] {
        let fields = &description["components"]["schemas"][kind]["properties"];
        for field in fields.as_object().unwrap().keys() {
            assert!(example.contains(&format!("{field}: ")), "{kind}.{field}");
        }
    }
    let readme = include_str!("../../../../README.md");
    let (_, fields) = example.split_once('\n').unwrap();
    assert!(readme.contains(fields), "README.md has another document");
}

#[test]
fn a_range_of_one_port_is_that_port() {
    let wire: Service =
        parse::json(br#"{"vip":"20.20.20.1","port":80,"portMax":80,"protocol":"tcp"}"#).unwrap();
    let service = core::Service::try_from(&wire).unwrap();
    assert_eq!(service.key.to_string(), "20.20.20.1:80/tcp");
    assert_eq!(Service::from(&service).port_max, None);
}

#[test]
fn hash_is_another_word_for_maglev() {
    let parse = |word| parse::yaml::<Select>(word).unwrap();
    assert_eq!(
        (parse(b"hash"), parse(b"maglev")),
        (Select::Maglev, Select::Maglev)
    );
}

#[test]
fn a_problem_says_where_what_the_rule_and_what_to_do() {
    let text = r#"{"services":[{"vip":"20.20.20.1","port":1,"protocol":"tcp"},
        {"vip":"20.20.20.1","port":2,"protocol":"tcp"},
        {"vip":"20.20.20.1","port":3,"protocol":"tcp","backends":[{"address":"1.2.3.4","port":1,"weight":1001}]}]}"#;
    let wire: Document = parse::json(text.as_bytes()).unwrap();
    let invalid = intent::Document::try_from(&wire).unwrap_err();
    assert_eq!(
        invalid.to_string(),
        "services[2].backends[0].weight: 1001 is out of range: 0 to 1000; \
        0 drains; else scale all weights of the service"
    );
}

#[test]
fn names_of_interfaces_are_those_that_the_kernel_gives() {
    for good in ["eth0", "a", "enp0s31f6.100", "fifteen-chars-0", "ü"] {
        assert!(interface_name("name", good).is_ok(), "{good}");
    }
    for bad in [
        "",
        ".",
        "..",
        "a/b",
        "a b",
        "a:b",
        "a\n",
        "sixteen-chars-00",
    ] {
        assert!(interface_name("name", bad).is_err(), "{bad}");
    }
}

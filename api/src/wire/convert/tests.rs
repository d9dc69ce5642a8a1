#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::parse;

/// A service whose VIP is unique by its number.
fn service(number: u8) -> impl Strategy<Value = core::Service> {
    let policy = (
        prop::sample::select(vec![
            core::Mode::Dnat,
            core::Mode::Fullnat,
            core::Mode::Onearm,
        ]),
        prop::sample::select(vec![
            Selection::RoundRobin,
            Selection::Maglev(MaglevSize::DEFAULT),
            Selection::Maglev(MaglevSize::new(65537).unwrap()),
        ]),
        prop::sample::select(vec![
            core::NoBackend::Reject,
            core::NoBackend::Drop,
            core::NoBackend::Pass,
        ]),
        prop::option::of(1..=28800_u64),
        any::<bool>(),
    );
    let backends = prop::collection::btree_map((1..=250_u8, 1..=u16::MAX), 0..=1000_u64, 0..5);
    let key = (
        any::<bool>(),
        1..=u16::MAX,
        prop::option::of("[a-z#:'0-9é-]{1,20}"),
    );
    (key, policy, backends).prop_map(move |((tcp, port, name), policy, backends)| {
        let (mode, selection, no_backend, idle, last_hop) = policy;
        let endpoint = |(last, port): (u8, u16)| Endpoint {
            addr: [31, 31, 31, last].into(),
            port: NonZeroU16::new(port).unwrap(),
        };
        let protocol = if tcp {
            core::Protocol::Tcp
        } else {
            core::Protocol::Udp
        };
        let key = ServiceKey {
            vip: [20, 20, 20, number].into(),
            port: NonZeroU16::new(port).unwrap(),
            protocol,
        };
        let policy = Policy {
            mode,
            selection,
            no_backend,
            idle: idle.map(|idle| IdleTimeout::new(idle).unwrap()),
            last_hop,
        };
        let backends = backends
            .into_iter()
            .map(|(at, weight)| (endpoint(at), core::Weight::new(weight).unwrap()));
        let name = name.map(|name| format!("{name}-{number}"));
        core::Service::new(key, name, policy, backends.collect()).unwrap()
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

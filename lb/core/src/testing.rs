//! Small worlds for tests: few addresses, so that services meet, and everything that can go wrong.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::net::IpAddr;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::addr::Mac;
use crate::facts::{Facts, Link, Route};
use crate::intent::{Document, Intent, Source};
use crate::plane::Limits;
use crate::service::*;
use crate::tables::InterfaceSlot;

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub fn endpoint(text: &str) -> Endpoint {
    text.parse().unwrap()
}

pub fn key(text: &str) -> ServiceKey {
    text.parse().unwrap()
}

pub fn mac(last: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, last])
}

/// A dnat service with a Maglev table of 251 slots, and backends of weight 1.
pub fn service(at: &str, backends: &[&str]) -> Service {
    let policy = Policy {
        selection: Selection::Maglev(MaglevSize::new(251).unwrap()),
        ..Policy::default()
    };
    let backends = backends
        .iter()
        .map(|text| (endpoint(text), Weight::ONE))
        .collect();
    Service::new(key(at), None, policy, backends).unwrap()
}

pub fn intent(services: &[Service]) -> Intent {
    let document = Document::new(services.to_vec()).unwrap();
    Intent {
        documents: BTreeMap::from([(Source::Api, document)]),
    }
}

pub fn limits() -> Limits {
    Limits {
        services: 64,
        backends: 256,
        hops: 16,
        vips: 64,
        slot_words: 4096,
        members: 1024,
        route_nodes: 64,
        connections: 1024,
    }
}

pub fn route(prefix: &str, ifindex: u32, gateway: Option<&str>) -> Route {
    Route {
        prefix: prefix.parse().unwrap(),
        ifindex,
        gateway: gateway.map(ip),
    }
}

fn link(slot: u8, attached: bool, addresses: &[(&str, u8)]) -> (InterfaceSlot, Link) {
    let link = Link {
        name: format!("eth{slot}"),
        ifindex: 10 + u32::from(slot),
        mac: mac(slot),
        mtu: 1500,
        attached,
        addresses: addresses
            .iter()
            .map(|(addr, len)| (ip(addr), *len))
            .collect(),
    };
    (InterfaceSlot(slot), link)
}

/// Clients on eth0 (10.0.0.0/24, default gateway 10.0.0.254), backends on eth1 (10.0.1.0/24) and
/// behind 10.0.1.254 (172.16.0.0/12), and management on eth2 (192.168.0.0/24), not attached.
pub fn facts() -> Facts {
    let neighbours = ["10.0.1.1", "10.0.1.2", "10.0.1.3", "10.0.1.4", "10.0.1.254"];
    let mut facts = Facts {
        links: BTreeMap::from([
            link(0, true, &[("10.0.0.1", 24)]),
            link(1, true, &[("10.0.1.9", 24)]),
            link(2, false, &[("192.168.0.9", 24)]),
        ]),
        own: ["10.0.0.1", "10.0.1.9", "192.168.0.9"]
            .into_iter()
            .map(ip)
            .collect(),
        routes: [
            route("0.0.0.0/0", 10, Some("10.0.0.254")),
            route("10.0.0.0/24", 10, None),
            route("10.0.1.0/24", 11, None),
            route("172.16.0.0/12", 11, Some("10.0.1.254")),
            route("192.168.0.0/24", 12, None),
        ]
        .into(),
        neighbours: neighbours
            .into_iter()
            .zip(50..)
            .map(|(a, m)| ((11, ip(a)), mac(m)))
            .collect(),
    };
    facts.neighbours.insert((10, ip("10.0.0.254")), mac(99));
    facts
}

/// `facts` with links detached, routes and neighbours gone, and MACs changed.
pub fn any_facts() -> impl Strategy<Value = Facts> {
    let whole = facts();
    let routes: Vec<Route> = whole.routes.iter().cloned().collect();
    let neighbours: Vec<_> = whole.neighbours.clone().into_iter().collect();
    let attached = vec(prop::bool::weighted(0.8), whole.links.len());
    (
        attached,
        subsequence(routes, 2..=whole.routes.len()),
        subsequence(neighbours, 0..=whole.neighbours.len()),
        select(vec![0, 100]),
    )
        .prop_map(move |(attached, routes, neighbours, shift)| {
            let mut facts = whole.clone();
            for (link, attached) in facts.links.values_mut().zip(attached) {
                link.attached = attached;
            }
            facts.routes = routes.into_iter().collect();
            let shifted = |mac: Mac| Mac([2, 0, 0, 0, shift, mac.0[5]]);
            facts.neighbours = neighbours
                .into_iter()
                .map(|(n, mac)| (n, shifted(mac)))
                .collect();
            facts
        })
}

fn any_key() -> impl Strategy<Value = ServiceKey> {
    select(vec![
        "20.20.20.1:80/tcp",
        "20.20.20.1:80/udp",
        "20.20.20.1:81/tcp",
        "20.20.20.2:80/tcp",
        "10.0.0.100:80/tcp",
        "10.0.0.1:80/tcp",
    ])
    .prop_map(key)
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let sizes = [
        Selection::Maglev(MaglevSize::new(251).unwrap()),
        Selection::RoundRobin,
    ];
    (
        select(vec![Mode::Dnat, Mode::Fullnat, Mode::Onearm]),
        select(sizes.to_vec()),
        select(vec![NoBackend::Reject, NoBackend::Drop, NoBackend::Pass]),
        any::<bool>(),
    )
        .prop_map(|(mode, selection, no_backend, last_hop)| Policy {
            mode,
            selection,
            no_backend,
            last_hop,
            idle: None,
        })
}

fn any_backends() -> impl Strategy<Value = BTreeMap<Endpoint, Weight>> {
    let addrs = [
        "10.0.1.1",
        "10.0.1.2",
        "10.0.1.3",
        "172.16.0.1",
        "8.8.8.8",
        "10.0.1.9",
        "192.168.0.1",
    ];
    let endpoints: Vec<Endpoint> = addrs
        .iter()
        .flat_map(|a| [8080, 8081].map(|p| endpoint(&format!("{a}:{p}"))))
        .collect();
    let weight = select(vec![0, 1, 1, 1, 2, 5]).prop_map(|weight| Weight::new(weight).unwrap());
    btree_map(select(endpoints), weight, 0..5)
}

pub fn any_service() -> impl Strategy<Value = Service> {
    (any_key(), any_policy(), any_backends()).prop_map(|(key, policy, backends)| Service {
        key,
        name: None,
        policy,
        backends,
    })
}

/// Services with different keys, in any order.
pub fn any_services() -> impl Strategy<Value = Vec<Service>> {
    btree_map(any_key(), any_service(), 0..6)
        .prop_map(|services| {
            services
                .into_iter()
                .map(|(key, service)| Service { key, ..service })
                .collect::<Vec<_>>()
        })
        .prop_shuffle()
}

pub fn any_intent() -> impl Strategy<Value = Intent> {
    let sources = ["file", "api", "kube/a", "lab"].map(|text| text.parse::<Source>().unwrap());
    btree_map(select(sources.to_vec()), any_services(), 0..3).prop_map(|documents| Intent {
        documents: documents
            .into_iter()
            .map(|(source, services)| (source, Document::new(services).unwrap()))
            .collect(),
    })
}

/// Ample, or so tight that something does not fit.
pub fn any_limits() -> impl Strategy<Value = Limits> {
    let tight = (
        1u32..6,
        1u32..10,
        0u32..3,
        3u32..8,
        60u32..400,
        4u32..20,
        0u32..8,
    )
        .prop_map(
            |(services, backends, hops, vips, slot_words, members, route_nodes)| Limits {
                services,
                backends,
                hops,
                vips,
                slot_words,
                members,
                route_nodes,
                connections: 16,
            },
        );
    prop_oneof![Just(limits()), tight]
}

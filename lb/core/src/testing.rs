//! Small worlds for tests: few addresses, so that services meet, and everything that can go wrong.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::addr::{Mac, Prefix};
use crate::facts::{Facts, Link, Route};
use crate::health::{Checks, Standing, Standings};
use crate::intent::{Document, Intent, Source};
use crate::plane::Limits;
use crate::service::*;
use crate::tables::InterfaceSlot;
use crate::vlan::{Vlan, VlanId, VlanProtocol};

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
        .map(|text| (endpoint(text), Share::default()))
        .collect();
    Service::new(key(at), None, policy, backends).unwrap()
}

/// A service with its policy changed, which must still be valid.
pub fn with_policy(service: Service, change: impl FnOnce(&mut Policy)) -> Service {
    let mut service = service;
    change(&mut service.policy);
    assert_eq!(service.check(), []);
    service
}

/// A service in another mode.
pub fn in_mode(at: &str, mode: &str, backends: &[&str]) -> Service {
    let mut service = service(at, &[]);
    service.policy.mode = mode.parse().unwrap();
    service.backends = backends
        .iter()
        .map(|text| (endpoint(text), Share::default()))
        .collect();
    assert_eq!(service.check(), []);
    service
}

pub fn prefixes(texts: &[&str]) -> BTreeSet<Prefix> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
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
        sources: 256,
        route_nodes: 128,
        connections: 1024,
        connections6: 1024,
        affinities: 64,
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
        device: 10 + u32::from(slot),
        vlan: None,
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
        standings: Arc::default(),
    };
    facts.neighbours.insert((10, ip("10.0.0.254")), mac(99));
    facts
}

/// `facts`, and the same in IPv6: clients on eth0 (2001:db8:a::/64, default gateway fe80::1),
/// backends on eth1 (2001:db8:b::/64) and behind fe80::2 there (2001:db8:c::/48), both links with
/// a link-local address; and VLAN 100 on eth1 (10.0.3.0/24).
pub fn dual_facts() -> Facts {
    let mut facts = facts();
    for (slot, addr) in [(0, "2001:db8:a::1"), (1, "2001:db8:b::9")] {
        let link = facts.links.get_mut(&InterfaceSlot(slot)).unwrap();
        link.addresses.insert((ip("fe80::9"), 64));
        link.addresses.insert((ip(addr), 64));
        facts.own.insert(ip(addr));
    }
    let (slot, mut tagged) = link(3, true, &[("10.0.3.9", 24)]);
    tagged.device = 11;
    tagged.vlan = Some(Vlan {
        outer: None,
        inner: VlanId::new(100).unwrap(),
        protocol: VlanProtocol::Dot1Q,
    });
    facts.links.insert(slot, tagged);
    facts.own.extend([ip("fe80::9"), ip("10.0.3.9")]);
    facts.routes.extend([
        route("::/0", 10, Some("fe80::1")),
        route("fe80::/64", 10, None),
        route("fe80::/64", 11, None),
        route("2001:db8:a::/64", 10, None),
        route("2001:db8:b::/64", 11, None),
        route("2001:db8:c::/48", 11, Some("fe80::2")),
        route("10.0.3.0/24", 13, None),
    ]);
    facts.neighbours.extend([
        ((10, ip("fe80::1")), mac(98)),
        ((11, ip("fe80::2")), mac(64)),
        ((11, ip("2001:db8:b::1")), mac(60)),
        ((11, ip("2001:db8:b::2")), mac(61)),
        ((13, ip("10.0.3.1")), mac(70)),
    ]);
    facts
}

/// `dual_facts` with links detached, routes and neighbours gone, and MACs changed.
pub fn any_facts() -> impl Strategy<Value = Facts> {
    let whole = dual_facts();
    let routes: Vec<Route> = whole.routes.iter().cloned().collect();
    let neighbours: Vec<_> = whole.neighbours.clone().into_iter().collect();
    let attached = vec(prop::bool::weighted(0.8), whole.links.len());
    (
        attached,
        subsequence(routes, 2..=whole.routes.len()),
        subsequence(neighbours, 0..=whole.neighbours.len()),
        select(vec![0, 100]),
        any_standings(),
    )
        .prop_map(move |(attached, routes, neighbours, shift, standings)| {
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
            facts.standings = Arc::new(standings);
            facts
        })
}

/// Some of the backends that `any_services` has stand aside.
fn any_standings() -> impl Strategy<Value = Standings> {
    let standing = select(vec![
        Standing::Drained,
        Standing::Disabled,
        Standing::Down("L4 timeout".to_owned()),
    ]);
    let backend = (any_key(), select(backend_endpoints()));
    vec((backend, standing), 0..40).prop_map(Standings::from_iter)
}

fn any_key() -> impl Strategy<Value = ServiceKey> {
    select(vec![
        "20.20.20.1:80/tcp",
        "20.20.20.1:80/udp",
        "20.20.20.1:81/tcp",
        "20.20.20.1:79-90/tcp",
        "20.20.20.1:85-95/tcp",
        "20.20.20.1:*/tcp",
        "20.20.20.1/icmp",
        "20.20.20.2:80/tcp",
        "10.0.0.100:80/tcp",
        "10.0.0.1:80/tcp",
        "[2001:db8:f::1]:80/tcp",
        "[2001:db8:f::1]:*/udp",
        "[2001:db8:f::1]:80-81/tcp",
        "[2001:db8:a::1]:80/tcp",
        "2001:db8:a::64/icmp",
    ])
    .prop_map(key)
}

/// Lists of few prefixes of both families, which cover each other.
fn any_sources() -> impl Strategy<Value = Sources> {
    let texts = [
        "0.0.0.0/0",
        "10.0.0.0/8",
        "10.1.0.0/16",
        "10.1.2.3/32",
        "::/0",
        "2001:db8::/32",
        "2001:db8:d::/48",
    ];
    let list = prefixes(&texts).into_iter().collect::<Vec<_>>();
    let allowed = subsequence(list.clone(), 0..=2);
    (allowed, subsequence(list, 0..=2)).prop_map(|(allowed, denied)| {
        let allowed: BTreeSet<Prefix> = allowed.into_iter().collect();
        let denied = denied
            .into_iter()
            .filter(|p| !allowed.contains(p))
            .collect();
        Sources { allowed, denied }
    })
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let selections = [
        Selection::Maglev(MaglevSize::new(251).unwrap()),
        Selection::RoundRobin,
        Selection::LeastConnections,
    ];
    let modes = ["dnat", "fullnat", "onearm", "dsr", "ipip", "gue"];
    (
        select(modes.map(|mode| mode.parse().unwrap()).to_vec()),
        select(selections.to_vec()),
        select(vec![NoBackend::Reject, NoBackend::Drop, NoBackend::Pass]),
        any::<bool>(),
        any::<(bool, bool)>(),
        any_sources(),
        any_announce(),
    )
        .prop_map(
            |(mode, selection, no_backend, last_hop, (persists, clamps), sources, announce)| {
                Policy {
                    mode,
                    selection,
                    persist: persists.then(|| Persist::new(600).unwrap()),
                    no_backend,
                    last_hop,
                    idle: None,
                    mss_clamp: clamps.then(|| MssClamp::new(1400).unwrap()),
                    sources,
                    checks: Checks::default(),
                    announce,
                }
            },
        )
}

/// Everywhere, on some interfaces (one of which is not there), or not at all.
fn any_announce() -> impl Strategy<Value = Announce> {
    let names = ["eth0", "eth1", "eth9"].map(|name| InterfaceName::new(name).unwrap());
    let when = select(vec![AnnounceWhen::Always, AnnounceWhen::Healthy]);
    let l2 = (subsequence(names.to_vec(), 0..=2), when).prop_map(|(interfaces, when)| {
        let interfaces = interfaces.into_iter().collect();
        Announce::L2 { interfaces, when }
    });
    prop_oneof![4 => l2, 1 => Just(Announce::None)]
}

fn backend_endpoints() -> Vec<Endpoint> {
    let addrs = [
        "10.0.1.1",
        "10.0.1.2",
        "10.0.1.3",
        "10.0.3.1",
        "172.16.0.1",
        "8.8.8.8",
        "10.0.1.9",
        "192.168.0.1",
        "2001:db8:b::1",
        "2001:db8:b::2",
        "2001:db8:b::3",
        "2001:db8:c::1",
        "2001:db8:b::9",
        "2606:4700::1",
    ];
    addrs
        .iter()
        .flat_map(|addr| {
            [None, Some(8080), Some(8081)].map(|port| Endpoint {
                addr: ip(addr),
                port: port.and_then(std::num::NonZeroU16::new),
            })
        })
        .collect()
}

fn any_backends() -> impl Strategy<Value = BTreeMap<Endpoint, Share>> {
    let weight = select(vec![0, 1, 1, 1, 2, 5]).prop_map(|weight| Weight::new(weight).unwrap());
    let limit = select(vec![None, None, NonZeroU32::new(1), NonZeroU32::new(100)]);
    let share = (weight, limit).prop_map(|(weight, max_connections)| Share {
        weight,
        max_connections,
    });
    btree_map(select(backend_endpoints()), share, 0..6)
}

/// Parts that fit together: what the key and the mode do not allow is left out.
fn fitted(key: ServiceKey, policy: Policy, backends: BTreeMap<Endpoint, Share>) -> Service {
    let mut policy = policy;
    let v4 = key.vip.is_ipv4();
    if !matches!(policy.selection, Selection::Maglev(_)) {
        policy.persist = None;
    }
    if !policy.mode.is_two_sided() || key.protocol != Protocol::Tcp {
        policy.mss_clamp = None;
    }
    policy.sources.allowed.retain(|p| p.addr().is_ipv4() == v4);
    policy.sources.denied.retain(|p| p.addr().is_ipv4() == v4);
    let fits = |endpoint: &Endpoint| {
        key.protocol != Protocol::Icmp
            && (policy.mode.is_tunnel() || endpoint.addr.is_ipv4() == v4)
            && endpoint.addr != key.vip
    };
    let port = |endpoint: &Endpoint| match key.ports {
        Ports::One(own) => match policy.mode.is_two_sided() {
            true => endpoint.port,
            false => endpoint.port.map(|_| own),
        },
        _ => None,
    };
    let mut backends: BTreeMap<Endpoint, Share> = backends
        .into_iter()
        .filter(|(endpoint, _)| fits(endpoint))
        .map(|(endpoint, share)| {
            let port = port(&endpoint);
            (Endpoint { port, ..endpoint }, share)
        })
        .collect();
    let doubles: Vec<Endpoint> = backends
        .keys()
        .filter(|e| e.port.is_some() && Some(e.port) == key.ports.bounds().map(|b| Some(b.0)))
        .map(|e| Endpoint { port: None, ..*e })
        .collect();
    backends.retain(|endpoint, _| !doubles.contains(endpoint));
    let service = Service {
        key,
        name: None,
        policy,
        backends,
    };
    assert_eq!(service.check(), [], "{service:?}");
    service
}

pub fn any_service() -> impl Strategy<Value = Service> {
    (any_key(), any_policy(), any_backends())
        .prop_map(|(key, policy, backends)| fitted(key, policy, backends))
}

/// Services that do not overlap, in any order.
pub fn any_services() -> impl Strategy<Value = Vec<Service>> {
    vec(any_service(), 0..6).prop_map(|services| {
        let mut apart: Vec<Service> = Vec::new();
        for service in services {
            if !apart.iter().any(|other| other.key.overlaps(&service.key)) {
                apart.push(service);
            }
        }
        apart
    })
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
        3u32..12,
        60u32..400,
        4u32..20,
        0u32..30,
        0u32..6,
    )
        .prop_map(
            |(services, backends, hops, vips, slot_words, members, route_nodes, sources)| Limits {
                services,
                backends,
                hops,
                vips,
                slot_words,
                members,
                sources,
                route_nodes,
                connections: 16,
                connections6: 16,
                affinities: 16,
            },
        );
    prop_oneof![Just(limits()), tight]
}

#![allow(clippy::unwrap_used)]

use super::*;
use crate::testing::{facts, ip, mac, route};

fn out(facts: &Facts, addr: &str) -> (Neighbour, Option<Hop>, Option<IpAddr>) {
    match Paths::new(facts).find(ip(addr)) {
        Path::Out {
            neighbour,
            hop,
            source,
            ..
        } => (neighbour, hop, source),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_longest_prefix_leads_on_link_or_by_its_gateway() {
    let facts = facts();
    let hop = |interface, last| {
        Some(Hop {
            interface: InterfaceSlot(interface),
            mac: mac(last),
        })
    };
    assert_eq!(
        out(&facts, "10.0.1.2"),
        ((11, ip("10.0.1.2")), hop(1, 51), Some(ip("10.0.1.9")))
    );
    assert_eq!(out(&facts, "172.16.9.9").0, (11, ip("10.0.1.254")));
    assert_eq!(
        out(&facts, "8.8.8.8"),
        ((10, ip("10.0.0.254")), hop(0, 99), Some(ip("10.0.0.1")))
    );
    assert_eq!(out(&facts, "10.0.1.77").1, None, "not resolved");
}

#[test]
fn a_detached_link_is_no_way_out_and_is_named() {
    let facts = facts();
    let path = Paths::new(&facts).find(ip("192.168.0.5"));
    assert_eq!(
        path,
        Path::NotAttached {
            ifindex: 12,
            link: Some("eth2".to_owned())
        }
    );
}

#[test]
fn of_equal_routes_one_out_of_an_attached_link_is_taken() {
    let mut facts = facts();
    facts.routes.insert(route("172.20.0.0/16", 9, None));
    facts.routes.insert(route("172.20.0.0/16", 11, None));
    facts.routes.insert(route("172.20.0.0/16", 12, None));
    assert_eq!(out(&facts, "172.20.0.1").0, (11, ip("172.20.0.1")));
}

#[test]
fn the_source_is_on_the_destinations_subnet_else_on_the_gateways_else_any() {
    let mut facts = facts();
    let link = facts.links.get_mut(&InterfaceSlot(1)).unwrap();
    link.addresses = [
        (ip("10.0.1.9"), 24),
        (ip("172.16.0.9"), 24),
        (ip("1.1.1.1"), 32),
    ]
    .into();
    assert_eq!(out(&facts, "172.16.0.1").2, Some(ip("172.16.0.9")));
    assert_eq!(out(&facts, "172.17.0.1").2, Some(ip("10.0.1.9")));
    let link = facts.links.get_mut(&InterfaceSlot(1)).unwrap();
    link.addresses = [(ip("1.1.1.1"), 32)].into();
    assert_eq!(out(&facts, "172.17.0.1").2, Some(ip("1.1.1.1")));
}

#[test]
fn an_own_address_is_no_destination() {
    assert_eq!(
        Paths::new(&facts()).find(ip("192.168.0.9")),
        Path::OwnAddress
    );
}

#[test]
fn a_link_local_address_is_no_source_and_a_link_local_gateway_is_a_neighbour() {
    let mut facts = crate::testing::dual_facts();
    let (neighbour, _, source) = out(&facts, "2001:db8:c::7");
    assert_eq!(neighbour, (11, ip("fe80::2")));
    assert_eq!(source, Some(ip("2001:db8:b::9")));
    let link = facts.links.get_mut(&InterfaceSlot(1)).unwrap();
    link.addresses.remove(&(ip("2001:db8:b::9"), 64));
    assert_eq!(out(&facts, "2001:db8:c::7").2, None);
}

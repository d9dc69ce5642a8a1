//! Groups in which IPv6 VIPs are looked for.

use lb_api::{parse, wire};
use lb_core::addr::{Mac, Prefix};
use lb_core::facts::Route;
use lb_core::intent::Document;

use super::*;

const GROUP: Mac = Mac([0x33, 0x33, 0xff, 0, 0, 0x80]);

fn services(yaml: &str) -> Document {
    let wire: wire::Document = parse::yaml(yaml.as_bytes()).unwrap();
    Document::try_from(&wire).unwrap()
}

/// `eth0` is in 2001:db8::/64 also, where the VIP of a service is.
fn with_ipv6() -> World {
    let mut world = World::new();
    let addr: IpAddr = "2001:db8::1".parse().unwrap();
    let link = world.facts.links.get_mut("eth0").unwrap();
    link.addresses.insert((addr, 64));
    world.facts.own.insert(addr);
    world.facts.routes.insert(Route {
        prefix: Prefix::covering(addr, 64),
        ifindex: 2,
        gateway: None,
    });
    let document = services("services: [{vip: '2001:db8::80', port: 80, protocol: tcp}]");
    world.intent.documents = [(Source::Api, document)].into();
    world.pass(Depth::ReadBack);
    world
}

fn joined(world: &mut World, name: &str) -> Vec<Mac> {
    world.plane().joined(name).unwrap().into_iter().collect()
}

#[test]
fn a_vips_group_is_joined_where_it_is_answered_for_and_left_with_it() {
    let mut world = with_ipv6();
    assert_eq!(joined(&mut world, "eth0"), [GROUP]);
    assert_eq!(joined(&mut world, "eth1"), []);
    world.intent.documents.clear();
    world.pass(Depth::Known);
    assert_eq!(joined(&mut world, "eth0"), []);
}

#[test]
fn what_a_predecessor_joined_and_nobody_needs_is_left_and_the_boxs_own_groups_stay() {
    let mut world = with_ipv6();
    let (stale, own) = (
        Mac([0x33, 0x33, 0xff, 1, 2, 3]),
        Mac([0x33, 0x33, 0, 0, 0, 1]),
    );
    world.plane().join("eth0", stale).unwrap();
    world.plane().join("eth0", own).unwrap();
    world.pass(Depth::Known);
    assert_eq!(joined(&mut world, "eth0"), [own, GROUP, stale]);
    world.pass(Depth::ReadBack);
    assert_eq!(joined(&mut world, "eth0"), [own, GROUP]);
}

#[test]
fn a_group_that_somebody_left_is_joined_again_and_counted() {
    let mut world = with_ipv6();
    world.plane().leave("eth0", GROUP).unwrap();
    world.pass(Depth::ReadBack);
    assert_eq!(joined(&mut world, "eth0"), [GROUP]);
    assert_eq!(world.corrections("group"), 1);
}

#[test]
fn groups_are_left_with_the_interface() {
    let mut world = with_ipv6();
    world.wanted.remove("eth0");
    world.reconciler.detach("eth0").unwrap();
    world.pass(Depth::Known);
    assert_eq!(joined(&mut world, "eth0"), []);
}

#[test]
fn the_group_of_a_vip_in_a_vlan_of_the_configuration_is_joined_on_its_device() {
    let mut world = World::new();
    let addr: IpAddr = "2001:db8::1".parse().unwrap();
    let tags = lb_core::vlan::Vlan {
        outer: None,
        inner: lb_core::vlan::VlanId::new(9).unwrap(),
        protocol: Default::default(),
    };
    world.vlans = vec![config::Vlan {
        device: "eth1".into(),
        tags,
        addresses: [(addr, 64)].into(),
        mtu: None,
        neighbours: BTreeMap::new(),
    }];
    let document = services("services: [{vip: '2001:db8::80', protocol: icmp}]");
    world.intent.documents = [(Source::Api, document)].into();
    world.pass(Depth::ReadBack);
    assert_eq!(joined(&mut world, "eth1"), [GROUP]);
}

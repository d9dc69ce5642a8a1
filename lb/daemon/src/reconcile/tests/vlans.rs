//! VLANs on devices: of the kernel, and of the configuration.

use lb_core::addr::Mac;
use lb_core::tables::InterfaceRow;
use lb_core::vlan::{Vlan, VlanId, VlanProtocol};
use lb_plane::netlink::RawVlan;

use super::*;

fn tags(id: u64) -> Vlan {
    Vlan {
        outer: None,
        inner: VlanId::new(id).unwrap(),
        protocol: VlanProtocol::Dot1Q,
    }
}

/// A link of the kernel's on another, with an address in 10.9.0.0/24 and a neighbour there.
fn put_vlan(world: &mut World, name: &str, below: u32, id: u64) {
    put_link(&mut world.facts, name, 7, "10.9.0.1");
    let link = world.facts.links.get_mut(name).unwrap();
    link.kind = Some("vlan".into());
    link.vlan = Some(RawVlan {
        below,
        id: VlanId::new(id).unwrap(),
        protocol: VlanProtocol::Dot1Q,
    });
    let neighbour = (7, [10, 9, 0, 2].into());
    world
        .facts
        .neighbours
        .insert(neighbour, Mac([2, 0, 0, 0, 9, 2]));
}

/// The same made by the configuration.
fn made(device: &str, id: u64) -> config::Vlan {
    config::Vlan {
        device: device.into(),
        tags: tags(id),
        addresses: [([10, 9, 0, 1].into(), 24)].into(),
        mtu: Some(1400),
        neighbours: [([10, 9, 0, 2].into(), Mac([2, 0, 0, 0, 9, 2]))].into(),
    }
}

/// One service, whose backend is in the VLAN.
fn behind_a_vlan() -> World {
    let mut world = World::new();
    let documents = [(Source::Api, document(&[80], &["10.9.0.2"]))];
    world.intent.documents = documents.into();
    world
}

fn row(world: &mut World, name: &str) -> Option<InterfaceRow> {
    let slot = world.slot(name)?;
    world.plane().twin.tables.interfaces.get(&slot).cloned()
}

#[test]
fn a_vlan_link_on_an_attached_device_is_an_interface_of_its_own() {
    let mut world = behind_a_vlan();
    put_vlan(&mut world, "backends", 3, 100);
    world.pass(Depth::ReadBack);
    assert!(world.is_programmed());
    let row = row(&mut world, "backends").unwrap();
    assert_eq!((row.ifindex, row.vlan), (3, Some(tags(100))));
    assert_eq!(row.mac, Mac([2, 0, 0, 0, 0, 7]), "its own");
    let attached = &world.plane().attached;
    assert_eq!(attached.len(), 2, "the program is on devices only");
    let neighbours = &world.reconciler.outcome.neighbours;
    assert!(neighbours.contains(&(7, [10, 9, 0, 2].into())));
}

#[test]
fn a_vlan_of_the_configuration_needs_no_link() {
    let mut world = behind_a_vlan();
    world.vlans = vec![made("eth1", 100)];
    world.pass(Depth::ReadBack);
    assert!(world.is_programmed());
    let row = row(&mut world, "eth1.100").unwrap();
    assert_eq!((row.ifindex, row.vlan, row.mtu), (3, Some(tags(100)), 1400));
    assert_eq!(row.mac, Mac([2, 0, 0, 0, 0, 3]), "the device's");
    assert_eq!(
        world.reconciler.outcome.neighbours,
        [].into(),
        "the kernel cannot resolve a neighbour on a link that it doesn't have"
    );
    world.vlans.clear();
    world.pass(Depth::Known);
    assert!(!world.is_programmed());
}

#[test]
fn a_vip_that_is_the_address_of_a_vlan_of_the_configuration_is_answered_for() {
    let mut world = World::new();
    world.vlans = vec![config::Vlan {
        addresses: [([10, 1, 0, 80].into(), 24)].into(),
        neighbours: BTreeMap::new(),
        ..made("eth1", 100)
    }];
    world.announced();
    let slot = world.slot("eth1.100").unwrap();
    let vips = &world.plane().twin.tables.image.vips;
    let row = &vips[&IpAddr::from([10, 1, 0, 80])];
    assert!(row.echo && row.arp >> slot.0 & 1 == 1);
}

#[test]
fn the_kernels_link_goes_before_the_configurations_vlan_of_the_same_tags() {
    let mut world = behind_a_vlan();
    world.vlans = vec![made("eth1", 100)];
    put_vlan(&mut world, "backends", 3, 100);
    world.pass(Depth::ReadBack);
    assert!(world.is_programmed());
    let shown = &world.reconciler.outcome.interfaces;
    assert!(shown.contains_key("backends") && !shown.contains_key("eth1.100"));
}

#[test]
fn a_vlan_on_a_device_without_the_program_is_no_interface() {
    let mut world = behind_a_vlan();
    world.wanted.remove("eth1");
    put_vlan(&mut world, "backends", 3, 100);
    world.vlans = vec![made("eth1", 200)];
    world.pass(Depth::ReadBack);
    let rows = world.plane().twin.tables.interfaces.values();
    let rows: Vec<_> = rows.map(|row| (row.ifindex, row.vlan)).collect();
    assert_eq!(rows, [(2, None)]);
}

#[test]
fn vlans_keep_their_slots_over_a_restart_and_devices_have_the_first_ones() {
    let mut world = behind_a_vlan();
    world.vlans = vec![made("eth0", 5), made("eth1", 100)];
    world.pass(Depth::ReadBack);
    let names = ["eth0", "eth1", "eth0.5", "eth1.100"];
    let slots = names.map(|name| world.slot(name).unwrap().0);
    assert_eq!(slots, [0, 1, 2, 3]);
    world.vlans.remove(0);
    world.pass(Depth::Known);
    let mut plane = Boxed::new();
    plane.twin.tables = world.plane().twin.tables.clone();
    plane.facts = world.facts.clone();
    plane.attached = world.plane().attached.clone();
    world.reconciler = Reconciler::new(plane);
    world.pass(Depth::ReadBack);
    assert_eq!(world.slot("eth1.100"), Some(InterfaceSlot(3)));
    assert_eq!(world.plane().twin.done, [], "a restart writes nothing");
}

#[test]
fn what_has_no_slot_left_says_so() {
    let mut world = World::new();
    world.vlans = (1..=63).map(|id| made("eth0", id)).collect();
    world.pass(Depth::ReadBack);
    let without: Vec<_> = world
        .reconciler
        .outcome
        .interfaces
        .values()
        .filter(|state| state.slot.is_none())
        .collect();
    assert_eq!(without.len(), 1);
    assert!(without[0].message.contains("64 interfaces"));
    assert!(world.slot("eth1").is_some());
}

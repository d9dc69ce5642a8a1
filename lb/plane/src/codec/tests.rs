//! Whatever tables are put through a plan into regions are read back from their bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;
use std::sync::Arc;

use lb_bpf::abi;
use lb_bpf::region::Region;
use lb_core::addr::{Mac, Prefix};
use lb_core::plan::plan;
use lb_core::plane::{Limits, Op, Plane};
use lb_core::service::{Endpoint, Mode, NoBackend, Protocol, ServiceKey};
use lb_core::tables::*;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

use super::route;
use crate::{RegionPlane, for_memory};

const LIMITS: Limits = Limits {
    services: 64,
    backends: 64,
    hops: 32,
    vips: 64,
    slot_words: 4096,
    members: 4096,
    route_nodes: 512,
    connections: 1024,
};

fn plane() -> RegionPlane {
    RegionPlane::in_memory(&for_memory(&LIMITS, 2).expect("sizes that are allowed"))
}

fn apply_all(plane: &mut RegionPlane, ops: &[Op]) {
    for op in ops {
        plane.apply(op).expect("the tables are within the limits");
    }
}

fn addr() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        4 => any::<u32>().prop_filter("0 is no address", |bits| *bits != 0)
            .prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))),
        1 => (any::<u128>(), 1u32..).prop_map(|(high, low)| {
            IpAddr::V6(Ipv6Addr::from_bits(high << 32 | u128::from(low)))
        }),
    ]
}

fn protocol() -> impl Strategy<Value = Protocol> {
    prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp)]
}

fn mac() -> impl Strategy<Value = Mac> {
    any::<[u8; 6]>().prop_map(Mac)
}

fn hop() -> impl Strategy<Value = Hop> {
    (0u8..64, mac()).prop_map(|(slot, mac)| Hop {
        interface: InterfaceSlot(slot),
        mac,
    })
}

fn interface() -> impl Strategy<Value = InterfaceRow> {
    (1u32.., mac(), any::<u32>(), proptest::option::of(1u32..)).prop_map(
        |(ifindex, mac, mtu, address)| InterfaceRow {
            ifindex,
            mac,
            mtu,
            address4: address.map(Ipv4Addr::from_bits),
        },
    )
}

fn backend() -> impl Strategy<Value = BackendRow> {
    let source = proptest::option::of(1u32..);
    (
        addr(),
        1u16..,
        protocol(),
        proptest::option::of(hop()),
        source,
    )
        .prop_map(|(addr, port, protocol, hop, source)| {
            let endpoint = Endpoint {
                addr,
                port: NonZeroU16::new(port).expect("from 1"),
            };
            let source = source.map(|bits| match addr {
                IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(bits)),
                IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(bits.into())),
            });
            BackendRow {
                key: BackendKey { endpoint, protocol },
                hop,
                source,
            }
        })
}

fn prefix() -> impl Strategy<Value = Prefix> {
    (addr(), 0u8..=128).prop_map(|(addr, len)| Prefix::covering(addr, len))
}

#[derive(Clone, Debug)]
struct Draft {
    mode: Mode,
    no_backend: NoBackend,
    flags: [bool; 3],
    idle: u32,
    slots: usize,
}

fn draft() -> impl Strategy<Value = Draft> {
    let mode = prop_oneof![Just(Mode::Dnat), Just(Mode::Fullnat), Just(Mode::Onearm)];
    let no_backend = prop_oneof![
        Just(NoBackend::Reject),
        Just(NoBackend::Drop),
        Just(NoBackend::Pass)
    ];
    (
        mode,
        no_backend,
        any::<[bool; 3]>(),
        1u32..28_800,
        0usize..40,
    )
        .prop_map(|(mode, no_backend, flags, idle, slots)| Draft {
            mode,
            no_backend,
            flags,
            idle,
            slots,
        })
}

/// Tables whose runs lie from `base` on.
fn tables(base: u32) -> impl Strategy<Value = Tables> {
    let live = (
        btree_map(0u8..64, interface(), 0..8),
        btree_map(0u32..32, hop(), 0..8),
        btree_map(0u32..64, backend(), 1..12),
    );
    let image = (
        btree_map(addr(), (any::<u64>(), any::<bool>()), 0..12),
        btree_set(addr(), 0..12),
        btree_map((0usize..12, 1u16.., protocol()), draft(), 0..24),
        btree_map(prefix(), proptest::option::of(0usize..8), 0..60),
    );
    (live, image).prop_map(move |(live, (vips, local, drafts, routes))| {
        let mut tables = Tables {
            interfaces: live
                .0
                .into_iter()
                .map(|(slot, row)| (InterfaceSlot(slot), row))
                .collect(),
            hops: live
                .1
                .into_iter()
                .map(|(id, hop)| (HopId(id), Some(hop)))
                .collect(),
            backends: live
                .2
                .into_iter()
                .map(|(id, row)| (BackendId(id), row))
                .collect(),
            ..Tables::default()
        };
        let hops: Vec<HopId> = tables.hops.keys().copied().collect();
        tables.image.routes = routes
            .into_iter()
            .map(|(prefix, hop)| match hop.and_then(|hop| hops.get(hop)) {
                Some(id) => (prefix, RouteRow::Via(*id)),
                None => (prefix, RouteRow::OnLink),
            })
            .collect();
        tables.image.local = local
            .into_iter()
            .filter(|addr| !vips.contains_key(addr))
            .collect();
        tables.image.repliers = tables.backends.values().map(|row| row.key).collect();
        let addrs: Vec<IpAddr> = vips.keys().copied().collect();
        tables.image.vips = vips
            .into_iter()
            .map(|(addr, (arp, echo))| (addr, VipRow { arp, echo }))
            .collect();
        for (number, ((vip, port, protocol), draft)) in (0u32..).zip(drafts) {
            let Some(vip) = addrs.get(vip) else { continue };
            let port = NonZeroU16::new(port).expect("from 1");
            let key = ServiceKey {
                vip: *vip,
                port,
                protocol,
            };
            add_service(&mut tables, base, number, key, &draft);
        }
        tables
    })
}

fn add_service(tables: &mut Tables, base: u32, number: u32, key: ServiceKey, draft: &Draft) {
    let run = base + number * 64;
    let members: Arc<[BackendId]> = tables.backends.keys().copied().collect();
    let slots: Arc<[u16]> = (0..draft.slots)
        .map(|slot| (slot % members.len()) as u16)
        .collect();
    let used = !slots.is_empty();
    let row = ServiceRow {
        key,
        mode: draft.mode,
        round_robin: draft.flags[0],
        pick_up: draft.flags[1],
        no_backend: draft.no_backend,
        last_hop: draft.flags[2],
        idle: draft.idle,
        slots: used.then_some(SlotRange {
            first_word: run,
            count: slots.len() as u32,
        }),
        members: used.then_some(MemberRange {
            first: run,
            count: members.len() as u32,
        }),
    };
    if used {
        tables.slots.insert(run, slots);
        tables.members.insert(run, members);
    }
    tables.image.services.insert(ServiceId(number as u16), row);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn what_is_planned_is_read_back(first in tables(0), second in tables(2048)) {
        let mut plane = plane();
        for want in [&first, &second, &first] {
            let have = plane.read().expect("memory can be read");
            apply_all(&mut plane, &plan(&have, want));
            let have = plane.read().expect("memory can be read");
            prop_assert_eq!(&have, want);
            prop_assert_eq!(plan(&have, want), vec![]);
        }
    }

    #[test]
    fn a_trie_leads_where_the_longest_prefix_says(
        routes in btree_map(prefix(), proptest::option::of(0u32..9), 0..80),
        near in vec((any::<proptest::sample::Index>(), any::<u128>()), 0..40),
    ) {
        let routes: BTreeMap<Prefix, RouteRow> = routes
            .into_iter()
            .map(|(prefix, hop)| (prefix, hop.map_or(RouteRow::OnLink, |id| RouteRow::Via(HopId(id)))))
            .collect();
        let made = route::encode(&routes, 1 << 20).expect("there is room");
        let prefixes: Vec<Prefix> = routes.keys().copied().collect();
        for (index, noise) in near {
            if prefixes.is_empty() { break; }
            let addr = within(index.get(&prefixes), noise);
            prop_assert_eq!(walk(&made, addr), expected(&routes, addr), "{}", addr);
        }
    }

    #[test]
    fn any_changed_word_of_a_bank_is_published_again(
        want in tables(0), region in 0usize..6, at in any::<proptest::sample::Index>(), bit in 0u32..64,
    ) {
        let mut plane = plane();
        apply_all(&mut plane, &plan(&Tables::default(), &want));
        prop_assume!(want.image != Image::default());
        let region = [
            Region::Vips, Region::Ports, Region::Services, Region::Filter, Region::Banks, Region::Routes,
        ][region];
        let regions = plane.regions().clone();
        let control: abi::lb_control = regions.read(Region::Control, 0);
        let each = regions.len(region) / 2;
        let mut index = control.active * each + at.index(each as usize) as u32;
        if region == Region::Routes {
            // Nodes beyond those in use are nobody's.
            let header: abi::lb_bank = regions.read(Region::Banks, control.active);
            prop_assume!(header.route_count != 0);
            index = control.active * each;
        }
        let word = regions.load_u64(region, index, 0);
        regions.store_u64(region, index, 0, word ^ 1 << bit);
        let have = plane.read().expect("memory can be read");
        let ops = plan(&have, &want);
        prop_assert!(ops.iter().any(|op| matches!(op, Op::Publish(_))), "{:?}", ops);
        apply_all(&mut plane, &ops);
        prop_assert_eq!(plane.read().expect("memory can be read"), want);
    }
}

fn within(prefix: &Prefix, noise: u128) -> IpAddr {
    let keep = |bits: u32| {
        if bits == 0 {
            0
        } else {
            u128::MAX << (128 - bits)
        }
    };
    match prefix.addr() {
        IpAddr::V4(addr) => {
            let mask = (keep(prefix.len().into()) >> 96) as u32;
            IpAddr::V4(Ipv4Addr::from_bits(addr.to_bits() | (noise as u32 & !mask)))
        }
        IpAddr::V6(addr) => {
            let mask = keep(prefix.len().into());
            IpAddr::V6(Ipv6Addr::from_bits(addr.to_bits() | (noise & !mask)))
        }
    }
}

/// As lb_route_find4() walks.
fn walk(made: &route::Routes, addr: IpAddr) -> u32 {
    let (mut value, octets) = match addr {
        IpAddr::V4(addr) => (made.root4, addr.octets().to_vec()),
        IpAddr::V6(addr) => (made.root6, addr.octets().to_vec()),
    };
    for octet in octets {
        if value & abi::LB_ROUTE_KIND == abi::LB_ROUTE_NODE {
            value = made.nodes[(value & !abi::LB_ROUTE_KIND) as usize][usize::from(octet)];
        }
    }
    value
}

fn expected(routes: &BTreeMap<Prefix, RouteRow>, addr: IpAddr) -> u32 {
    let longest = if addr.is_ipv4() { 32 } else { 128 };
    let found = (0..=longest)
        .rev()
        .find_map(|len| routes.get(&Prefix::covering(addr, len)));
    match found {
        None => 0,
        Some(RouteRow::OnLink) => abi::LB_ROUTE_ONLINK,
        Some(RouteRow::Via(id)) => abi::LB_ROUTE_HOP | id.0,
    }
}

#[test]
fn indexes_hold_half_of_their_places_at_every_limit() {
    let image = Image {
        vips: (1..=LIMITS.vips)
            .map(|n| {
                (
                    IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + n)),
                    VipRow { arp: 0, echo: true },
                )
            })
            .collect(),
        ..Image::default()
    };
    plane()
        .apply(&Op::Publish(Arc::new(image)))
        .expect("as many VIPs as the limit says");
}

#[test]
fn more_services_than_there_is_room_for_are_refused_with_the_numbers() {
    let local: BTreeSet<IpAddr> = (1..=1000)
        .map(|n| IpAddr::V4(Ipv4Addr::from_bits(n)))
        .collect();
    let error = plane().apply(&Op::Publish(Arc::new(Image {
        local,
        ..Image::default()
    })));
    let text = error.expect_err("there are 128 places").to_string();
    assert!(
        text.contains("1000 are needed") && text.contains("128"),
        "{text}"
    );
}

#[test]
fn the_route_generation_moves_with_the_routes_only() {
    let mut plane = plane();
    let generations = |plane: &RegionPlane| {
        let control: abi::lb_control = plane.regions().read(Region::Control, 0);
        (control.generation, control.route_generation)
    };
    let mut image = Image::default();
    image
        .routes
        .insert("0.0.0.0/0".parse().expect("a prefix"), RouteRow::OnLink);
    plane
        .apply(&Op::Publish(Arc::new(image.clone())))
        .expect("it fits");
    assert_eq!(generations(&plane), (1, 1));
    image.local.insert("10.0.0.1".parse().expect("an address"));
    plane.apply(&Op::Publish(Arc::new(image))).expect("it fits");
    assert_eq!(generations(&plane), (2, 1));
}

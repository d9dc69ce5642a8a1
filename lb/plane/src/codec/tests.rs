//! Whatever tables are put through a plan into regions are read back from their bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;

use lb_bpf::abi;
use lb_bpf::region::Region;
use lb_core::addr::{Mac, Prefix};
use lb_core::plan::plan;
use lb_core::plane::{Limits, Op, Plane};
use lb_core::service::{Endpoint, Mode, NoBackend, Ports, Protocol, ServiceKey};
use lb_core::tables::*;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

use super::{port, route};
use crate::{RegionPlane, for_memory};

const LIMITS: Limits = Limits {
    services: 64,
    backends: 64,
    hops: 32,
    vips: 64,
    slot_words: 4096,
    members: 4096,
    sources: 4096,
    route_nodes: 512,
    connections: 1024,
    connections6: 1024,
    affinities: 64,
};

fn plane() -> RegionPlane {
    RegionPlane::in_memory(&for_memory(&LIMITS, 2).expect("sizes that are allowed"))
}

fn apply_all(plane: &mut RegionPlane, ops: &[Op]) {
    for op in ops {
        plane.apply(op).expect("the tables are within the limits");
    }
}

/// Of both families, some of them with the same words.
fn addr() -> impl Strategy<Value = IpAddr> {
    let v4 = any::<u32>().prop_filter("0 is no address", |bits| *bits != 0);
    prop_oneof![
        4 => v4.prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))),
        2 => (1u128..).prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))),
        1 => (1u32..8).prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))),
        1 => (1u128..8).prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits << 96))),
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

fn vlan() -> impl Strategy<Value = Vlan> {
    let id = || (1u64..=4094).prop_map(|id| VlanId::new(id).expect("from 1 to 4094"));
    let protocol = prop_oneof![Just(VlanProtocol::Dot1Q), Just(VlanProtocol::Dot1Ad)];
    (proptest::option::of(id()), id(), protocol).prop_map(|(outer, inner, protocol)| Vlan {
        outer,
        inner,
        protocol,
    })
}

fn interface() -> impl Strategy<Value = InterfaceRow> {
    use proptest::option::of;
    let addresses = (of(1u32..), of(1u128..));
    (1u32.., mac(), any::<u32>(), addresses, of(vlan())).prop_map(
        |(ifindex, mac, mtu, (address4, address6), vlan)| InterfaceRow {
            ifindex,
            mac,
            mtu,
            address4: address4.map(Ipv4Addr::from_bits),
            address6: address6.map(Ipv6Addr::from_bits),
            vlan,
        },
    )
}

fn backend() -> impl Strategy<Value = BackendRow> {
    use proptest::option::of;
    (addr(), of(1u16..), protocol(), of(hop()), of(1u32..)).prop_map(
        |(addr, port, protocol, hop, source)| {
            let endpoint = Endpoint {
                addr,
                port: port.and_then(NonZeroU16::new),
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
        },
    )
}

fn ports() -> impl Strategy<Value = Ports> {
    let port = |number: u16| NonZeroU16::new(number).expect("not 0");
    prop_oneof![
        (1u16..).prop_map(move |one| Ports::One(port(one))),
        (1u16..60_000, 1u16..40).prop_map(move |(first, more)| Ports::Range {
            first: port(first),
            last: port(first + more),
        }),
        Just(Ports::Any),
    ]
}

/// What tells services of a VIP apart.
fn listening() -> impl Strategy<Value = (Ports, Protocol)> {
    prop_oneof![
        9 => (ports(), protocol()),
        1 => Just((Ports::None, Protocol::Icmp)),
    ]
}

fn prefix() -> impl Strategy<Value = Prefix> {
    (addr(), 0u8..=128).prop_map(|(addr, len)| Prefix::covering(addr, len))
}

#[derive(Clone, Debug)]
struct Draft {
    mode: Mode,
    selection: SelectionKind,
    no_backend: NoBackend,
    flags: [bool; 3],
    seconds: [u32; 2],
    mss: u16,
    slots: usize,
    limit: u32,
    boundaries: Option<BTreeSet<u128>>,
}

fn mode() -> impl Strategy<Value = Mode> {
    let port = |number| NonZeroU16::new(number).expect("not 0");
    prop_oneof![
        Just(Mode::Dnat),
        Just(Mode::Fullnat),
        Just(Mode::Onearm),
        Just(Mode::Dsr),
        Just(Mode::Ipip),
        (1u16..).prop_map(move |number| Mode::Gue { port: port(number) }),
    ]
}

fn draft() -> impl Strategy<Value = Draft> {
    let no_backend = prop_oneof![
        Just(NoBackend::Reject),
        Just(NoBackend::Drop),
        Just(NoBackend::Pass)
    ];
    let selection = prop_oneof![
        Just(SelectionKind::Maglev),
        Just(SelectionKind::RoundRobin),
        Just(SelectionKind::Least)
    ];
    let numbers = (1u32..28_800, 0u32..86_400, any::<u16>(), 0u32..3);
    (
        (mode(), selection, no_backend),
        any::<[bool; 3]>(),
        numbers,
        0usize..40,
        proptest::option::of(btree_set(any::<u128>(), 0..20)),
    )
        .prop_map(|(kinds, flags, numbers, slots, boundaries)| Draft {
            mode: kinds.0,
            selection: kinds.1,
            no_backend: kinds.2,
            flags,
            seconds: [numbers.0, numbers.1],
            mss: numbers.2,
            slots,
            limit: numbers.3,
            boundaries,
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
        btree_map((0usize..12, listening()), draft(), 0..16),
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
        for (number, ((vip, (ports, protocol)), draft)) in (0u32..).zip(drafts) {
            let Some(vip) = addrs.get(vip) else { continue };
            let key = ServiceKey {
                vip: *vip,
                ports,
                protocol,
            };
            add_service(&mut tables, base, number, key, &draft);
        }
        tables
    })
}

fn add_service(tables: &mut Tables, base: u32, number: u32, key: ServiceKey, draft: &Draft) {
    let run = base + number * 64;
    let members: Arc<[MemberRow]> = (0u32..)
        .zip(tables.backends.keys())
        .map(|(place, id)| MemberRow {
            backend: *id,
            weight: (place * 7) as u16,
            limit: NonZeroU32::new(draft.limit * place),
        })
        .collect();
    let slots: Arc<[u16]> = (0..draft.slots)
        .map(|slot| (slot % members.len()) as u16)
        .collect();
    let used = !slots.is_empty();
    let slotted = used && draft.selection != SelectionKind::Least;
    let boundaries: Option<Arc<[u128]>> = draft
        .boundaries
        .as_ref()
        .map(|boundaries| boundaries.iter().copied().collect());
    let row = ServiceRow {
        key,
        mode: draft.mode,
        selection: draft.selection,
        pick_up: draft.flags[1],
        no_backend: draft.no_backend,
        last_hop: draft.flags[2],
        idle: draft.seconds[0],
        persist: draft.seconds[1],
        mss: draft.mss,
        slots: slotted.then_some(SlotRange {
            first_word: run,
            count: slots.len() as u32,
        }),
        members: used.then_some(MemberRange {
            first: run,
            count: members.len() as u32,
        }),
        sources: boundaries.as_ref().map(|boundaries| SourceRange {
            first: if boundaries.is_empty() { 0 } else { run },
            count: boundaries.len() as u32,
            deny_first: draft.flags[0],
        }),
    };
    if slotted {
        tables.slots.insert(run, slots);
    }
    if used {
        tables.members.insert(run, members);
    }
    if let Some(boundaries) = boundaries.filter(|boundaries| !boundaries.is_empty()) {
        tables.sources.insert(run, boundaries);
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
        let bank = control.active & abi::LB_ACTIVE_BANK;
        let mut index = bank * each + at.index(each as usize) as u32;
        if region == Region::Routes {
            // Nodes beyond those in use are nobody's.
            let header: abi::lb_bank = regions.read(Region::Banks, bank);
            prop_assume!(header.route_count != 0);
            index = bank * each;
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

proptest! {
    #[test]
    fn blocks_are_aligned_and_cover_a_range_exactly(first in 1u16.., more in any::<u16>()) {
        let last = first.saturating_add(more);
        let port = |number| NonZeroU16::new(number).expect("not 0");
        let blocks = port::blocks(Ports::between(port(first), port(last)));
        let mut next = u32::from(first);
        for block in &blocks {
            prop_assert_eq!(u32::from(block.first), next);
            prop_assert_eq!(next % (1 << block.log2), 0);
            next += 1 << block.log2;
        }
        prop_assert_eq!(next, u32::from(last) + 1);
        // Fewer would do only if two neighbours were one block.
        for pair in blocks.windows(2) {
            let merged = pair[0].log2 == pair[1].log2
                && pair[0].first.is_multiple_of(1 << (pair[0].log2 + 1));
            prop_assert!(!merged, "{:?}", pair);
        }
        prop_assert!(blocks.len() <= 30);
        prop_assert_eq!(blocks.len() as u32, Ports::between(port(first), port(last)).blocks());
    }
}

#[test]
fn any_port_is_one_block_and_icmp_has_none() {
    assert_eq!(port::blocks(Ports::Any), [port::ANY]);
    assert_eq!(port::blocks(Ports::None), []);
}

/// An image with one service at a VIP, and a backend that replies.
fn image_of(vip: &str, ports: Ports, protocol: Protocol, replier: Option<u16>) -> Image {
    let vip: IpAddr = vip.parse().expect("an address");
    let row = ServiceRow {
        key: ServiceKey {
            vip,
            ports,
            protocol,
        },
        mode: Mode::Dnat,
        selection: SelectionKind::Maglev,
        pick_up: false,
        no_backend: NoBackend::Reject,
        last_hop: false,
        idle: 60,
        persist: 0,
        mss: 0,
        slots: None,
        members: None,
        sources: None,
    };
    let endpoint = Endpoint {
        addr: "10.1.0.1".parse().expect("an address"),
        port: replier.and_then(NonZeroU16::new),
    };
    Image {
        vips: BTreeMap::from([(vip, VipRow { arp: 0, echo: true })]),
        services: BTreeMap::from([(ServiceId(0), row)]),
        repliers: BTreeSet::from([BackendKey { endpoint, protocol }]),
        ..Image::default()
    }
}

#[test]
fn packets_ask_for_port_0s_bit_while_something_has_more_than_one_port() {
    let port = |number| NonZeroU16::new(number).expect("not 0");
    let one = Ports::One(port(80));
    let range = Ports::Range {
        first: port(80),
        last: port(90),
    };
    for (ports, protocol, replier, wild) in [
        (one, Protocol::Tcp, Some(8080), 0),
        (range, Protocol::Tcp, Some(8080), abi::LB_ACTIVE_WILD),
        (Ports::Any, Protocol::Udp, Some(8080), abi::LB_ACTIVE_WILD),
        (one, Protocol::Tcp, None, abi::LB_ACTIVE_WILD),
        (Ports::None, Protocol::Icmp, Some(8080), 0),
    ] {
        let mut plane = plane();
        let image = image_of("10.0.0.1", ports, protocol, replier);
        plane.apply(&Op::Publish(Arc::new(image))).expect("it fits");
        let control: abi::lb_control = plane.regions().read(Region::Control, 0);
        assert_eq!(
            control.active & abi::LB_ACTIVE_WILD,
            wild,
            "{ports:?} {replier:?}"
        );
        assert_eq!(control.active & abi::LB_ACTIVE_BANK, 1);
    }
}

#[test]
fn an_image_whose_word_says_otherwise_is_published_again() {
    let image = Image {
        repliers: BTreeSet::new(),
        ..image_of("10.0.0.1", Ports::Any, Protocol::Tcp, None)
    };
    let mut plane = plane();
    let publish = Op::Publish(Arc::new(image.clone()));
    plane.apply(&publish).expect("it fits");
    for bit in [1, 2, 31] {
        assert_eq!(plane.read().expect("memory can be read").image, image);
        let word = plane.regions().load_u64(Region::Control, 0, 0);
        plane
            .regions()
            .store_u64(Region::Control, 0, 0, word ^ 1 << bit);
        let found = plane.read().expect("memory can be read").image;
        assert_ne!(found, image, "bit {bit}");
        plane.apply(&publish).expect("it fits");
    }
}

#[test]
fn an_icmp_service_has_a_row_and_no_port() {
    let image = image_of("2001:db8::1", Ports::None, Protocol::Icmp, None);
    let mut plane = plane();
    plane
        .apply(&Op::Publish(Arc::new(image.clone())))
        .expect("it fits");
    let regions = plane.regions();
    let used = (0..regions.len(Region::Ports))
        .flat_map(|line| regions.read::<abi::lb_port_line>(Region::Ports, line).port)
        .filter(|record| record.key != 0);
    assert_eq!(used.count(), 0);
    let found = plane.read().expect("memory can be read").image;
    assert_eq!(found.services, image.services);
    assert_eq!(found.vips, image.vips);
}

#[test]
fn addresses_of_both_families_with_the_same_words_are_two() {
    let mut image = Image::default();
    for addr in ["1.2.3.4", "102:304::", "::", "5.6.7.8", "506:708::"] {
        image.local.insert(addr.parse().expect("an address"));
    }
    let mut plane = plane();
    plane
        .apply(&Op::Publish(Arc::new(image.clone())))
        .expect("it fits");
    assert_eq!(plane.read().expect("memory can be read").image, image);
}

#[test]
fn a_limit_of_a_member_is_the_services_to_know() {
    let limited = |limit| {
        let mut plane = plane();
        let members = [0, limit].map(|limit| MemberRow {
            backend: BackendId(3),
            weight: 1,
            limit: NonZeroU32::new(limit),
        });
        let (first, count) = (8, members.len() as u32);
        plane
            .apply(&Op::PutMembers {
                first,
                members: Arc::new(members),
            })
            .expect("it fits");
        let port = NonZeroU16::new(80).expect("not 0");
        let mut image = image_of("10.0.0.1", Ports::One(port), Protocol::Tcp, None);
        if let Some(row) = image.services.get_mut(&ServiceId(0)) {
            row.selection = SelectionKind::Least;
            row.members = Some(MemberRange { first, count });
        }
        plane.apply(&Op::Publish(Arc::new(image))).expect("it fits");
        let row: abi::lb_service = plane.regions().read(Region::Services, LIMITS.services);
        assert_eq!(row.slot_count, 1);
        row.flags & abi::LB_SERVICE_LIMITED != 0
    };
    assert!(limited(100));
    assert!(!limited(0));
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

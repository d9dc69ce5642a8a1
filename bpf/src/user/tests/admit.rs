//! First packets: which service, may they, which backend.

use super::world::{CLIENT, SERVICE, TICK, World, address, member, number, service};
use crate::abi;
use crate::region::Region;
use crate::user::Family;

const FAMILIES: [Family; 2] = [Family::Ipv4, Family::Ipv6];

fn split(boundary: u128) -> abi::lb_boundary {
    abi::lb_boundary {
        high: (boundary >> 64) as u64,
        low: boundary as u64,
    }
}

/// Every number of boundaries that the arena holds; sources at, before and behind each.
#[test]
fn a_source_is_judged_by_how_many_boundaries_it_has_reached() {
    for family in FAMILIES {
        let mut world = World::new(family, service(0, 1), &[member(0, 1, 0)]);
        let place = |index: u32| CLIENT + 10 * index;
        for index in 0..40 {
            let boundary = split(number(address(family, place(index))));
            world.regions().write(Region::Sources, 3 + index, &boundary);
        }
        for (count, deny_first) in (0..=40).flat_map(|count| [(count, false), (count, true)]) {
            let flags = abi::LB_SERVICE_SOURCES
                | if deny_first {
                    abi::LB_SERVICE_DENY_FIRST
                } else {
                    0
                };
            let row = abi::lb_service {
                source_first: 3,
                source_count: count,
                ..service(flags, 1)
            };
            world.put_service(SERVICE, row);
            for index in 0..=40 {
                for source in [place(index) - 1, place(index), place(index) + 1] {
                    let reached = (0..count).filter(|&b| place(b) <= source).count();
                    let denied = deny_first ^ (reached % 2 == 1);
                    let expected = if denied { "source_denied" } else { "forwarded" };
                    let got = world.send(address(family, source), 80);
                    assert_eq!(got, expected, "{count} boundaries, source {source:#x}");
                }
            }
        }
    }
}

/// In IPv6 boundaries differ in their upper half, too.
#[test]
fn a_source_is_compared_as_a_number_of_128_bits() {
    let mut world = World::new(Family::Ipv6, service(0, 1), &[member(0, 1, 0)]);
    let from = 0x2001_0db8_0000_0001_u128 << 64 | u128::from(u64::MAX - 1);
    let to = 0x2001_0db8_8000_0000_u128 << 64 | 5;
    world.regions().write(Region::Sources, 0, &split(from));
    world.regions().write(Region::Sources, 1, &split(to));
    let row = abi::lb_service {
        source_count: 2,
        ..service(abi::LB_SERVICE_SOURCES | abi::LB_SERVICE_DENY_FIRST, 1)
    };
    world.put_service(SERVICE, row);
    for (source, allowed) in [
        (from - 1, false),
        (from, true),
        (from + 1, true),
        (from + 2, true),
        (from | 1 << 94, true),
        (to - 1, true),
        (to - 5, true),
        (to - 6, true),
        (to, false),
        (to + (1 << 64), false),
        (to | 1 << 95, false),
    ] {
        let words = [96, 64, 32, 0].map(|shift| ((source >> shift) as u32).to_be());
        let expected = if allowed {
            "forwarded"
        } else {
            "source_denied"
        };
        assert_eq!(world.send(words, 80), expected, "{source:#x}");
    }
}

#[test]
fn a_port_leads_to_the_smallest_block_that_has_it() {
    for family in FAMILIES {
        let mut world = World::new(family, service(0, 1), &[member(0, 1, 0)]);
        for (id, block, first) in [(2, 0, 85), (3, 3, 80), (4, 15, 0x8000)] {
            world.serve(id, block, first);
            world.put_service(id, service(0, 1));
        }
        for (port, id) in [
            (1, SERVICE),
            (79, SERVICE),
            (80, 3),
            (84, 3),
            (85, 2),
            (86, 3),
            (87, 3),
            (88, SERVICE),
            (0x7fff, SERVICE),
            (0x8000, 4),
            (0xffff, 4),
        ] {
            assert_eq!(world.send(address(family, CLIENT), port), "forwarded");
            assert_eq!(world.newest().entry.service, id, "port {port}");
        }
    }
}

/// The member of which a model of the rule says the same.
fn least(members: &[abi::lb_member], loads: &[u64]) -> Option<u32> {
    members
        .iter()
        .filter(|member| member.weight > 0)
        .filter(|member| member.limit == 0 || loads[member.backend as usize] < member.limit.into())
        .min_by(|a, b| {
            let [left, right] =
                [(a, b), (b, a)].map(|(a, b)| loads[a.backend as usize] * u64::from(b.weight));
            left.cmp(&right)
        })
        .map(|member| member.backend)
}

#[test]
fn least_connections_are_strict_weighted_and_first_of_equals() {
    let members = [
        member(0, 2, 0),
        member(1, 0, 0),
        member(2, 3, 5),
        member(3, 1, 2),
    ];
    for family in FAMILIES {
        let row = service(abi::LB_SERVICE_LEAST | abi::LB_SERVICE_LIMITED, 4);
        let mut world = World::new(family, row, &members);
        let mut loads = [0; 4];
        for number in 0..60 {
            let expected = least(&members, &loads).unwrap();
            assert_eq!(
                world.connect(CLIENT + number),
                Ok(expected),
                "after {loads:?}"
            );
            loads[expected as usize] += 1;
            if number % 5 == 4 {
                world.close_newest();
                loads[expected as usize] -= 1;
            }
            assert_eq!([0, 1, 2, 3].map(|id| world.load(id)), loads);
        }
    }
}

#[test]
fn least_connections_of_full_backends_and_of_none_with_a_weight_have_reasons_of_their_own() {
    let row = service(abi::LB_SERVICE_LEAST | abi::LB_SERVICE_LIMITED, 2);
    let mut world = World::new(Family::Ipv4, row, &[member(0, 1, 1), member(1, 0, 0)]);
    assert_eq!(world.connect(CLIENT), Ok(0));
    assert_eq!(world.connect(CLIENT), Err("backends_full"));
    world.put_members(&[member(0, 0, 1), member(1, 0, 0)]);
    assert_eq!(world.connect(CLIENT), Err("no_backend"));
}

#[test]
fn a_full_backend_hands_over_to_the_next_that_takes_connections() {
    for family in FAMILIES {
        for selection in [abi::LB_SERVICE_ROUND_ROBIN, 0] {
            let members = [
                member(0, 1, 2),
                member(1, 0, 0),
                member(2, 1, 3),
                member(3, 1, 1),
            ];
            let row = service(selection | abi::LB_SERVICE_LIMITED, 4);
            let mut world = World::new(family, row, &members);
            for number in 0..6 {
                assert!(
                    world.connect(CLIENT + number).is_ok(),
                    "connection {number}"
                );
            }
            assert_eq!([0, 1, 2, 3].map(|id| world.load(id)), [2, 0, 3, 1]);
            assert_eq!(world.connect(CLIENT), Err("backends_full"));
            assert_eq!([0, 1, 2, 3].map(|id| world.load(id)), [2, 0, 3, 1]);
        }
    }
}

#[test]
fn a_refused_packet_counts_in_no_load() {
    for family in FAMILIES {
        let mut world = World::new(family, service(0, 1), &[member(0, 1, 0)]);
        let mut backend: abi::lb_backend = world.regions().read(Region::Backends, 0);
        backend.hop = 0;
        world.regions().write(Region::Backends, 0, &backend);
        assert_eq!(world.connect(CLIENT), Err("next_hop_unresolved"));
        assert_eq!(world.load(0), 0);
    }
}

/// Sixteen members, so that a choice is the same again by affinity only.
fn persistent(family: Family, persist: u32) -> World {
    let row = abi::lb_service {
        persist,
        ..service(0, 8)
    };
    let members: Vec<_> = (0..8).map(|id| member(id, 1, 0)).collect();
    World::new(family, row, &members)
}

/// Leads every slot to the member behind its own.
fn turn_slots(world: &World) {
    for word in 0..2 {
        let slots = (0..4).fold(0, |slots, slot| {
            slots | ((word * 4 + slot + 1) % 8) << (slot * 16)
        });
        world
            .regions()
            .store_u64(Region::Slots, word as u32, 0, slots);
    }
}

#[test]
fn a_client_keeps_its_backend_while_the_table_changes() {
    for family in FAMILIES {
        let mut world = persistent(family, 60);
        let before = world.connect(CLIENT).unwrap();
        assert_eq!(world.connect(CLIENT), Ok(before), "its ports do not matter");
        turn_slots(&world);
        assert_eq!(world.connect(CLIENT), Ok(before));
        assert_ne!(
            world.newest().entry.flags & abi::LB_CONN_AFFINE as u8,
            0,
            "its packets keep the affinity"
        );
    }
}

#[test]
fn an_affinity_ends_after_the_seconds_without_connections_and_not_before() {
    for family in FAMILIES {
        for persist in [1, 60, 86_400] {
            let ticks = |seconds: u64| seconds * 1_000_000_000 / TICK;
            let mut world = persistent(family, persist);
            let before = world.connect(CLIENT).unwrap();
            // It may have been seen at the end of its tick.
            let mut now = 1000 + ticks(persist.into()) + 1;
            turn_slots(&world);
            world.at_tick(now);
            assert_eq!(world.connect(CLIENT), Ok(before), "within {persist} s");
            now += ticks(persist.into()) + 2;
            world.at_tick(now);
            assert_ne!(world.connect(CLIENT), Ok(before), "after {persist} s");
        }
    }
}

/// However long, and whichever of its packets are noted.
#[test]
fn a_client_whose_packets_go_on_keeps_its_backend() {
    for family in FAMILIES {
        for length in 20..26 {
            let mut world = persistent(family, 1);
            let before = world.connect(CLIENT).unwrap();
            turn_slots(&world);
            for tick in 1000..1000 + length {
                world.at_tick(tick);
                assert_eq!(world.send_again(CLIENT), "forwarded");
            }
            world.at_tick(1000 + length);
            assert_eq!(world.connect(CLIENT), Ok(before), "{length} ticks");
        }
    }
}

#[test]
fn an_affinity_follows_its_backend_to_another_place_and_ends_with_its_weight() {
    for family in FAMILIES {
        let mut world = persistent(family, 60);
        let before = world.connect(CLIENT).unwrap();
        let moved: Vec<_> = (0..8).rev().map(|id| member(id, 1, 0)).collect();
        world.put_members(&moved);
        turn_slots(&world);
        assert_eq!(world.connect(CLIENT), Ok(before), "found at another place");
        let drained: Vec<_> = (0..8)
            .map(|id| member(id, u16::from(id != before), 0))
            .collect();
        world.put_members(&drained);
        let after = world.connect(CLIENT).unwrap();
        assert_ne!(after, before);
        let all: Vec<_> = (0..8).map(|id| member(id, 1, 0)).collect();
        world.put_members(&all);
        assert_eq!(world.connect(CLIENT), Ok(after), "the newer choice is kept");
    }
}

#[test]
fn a_live_affinity_that_makes_room_is_counted() {
    let mut world = persistent(Family::Ipv4, 60);
    let rows = world.regions().config().affinity_lines * abi::LB_AFFINITIES_PER_LINE;
    let evicted = |world: &World| {
        let cpu: abi::lb_cpu = world.regions().read(Region::Cpus, 0);
        cpu.conn_event[abi::lb_conn_event::LB_CONN_AFFINITY_EVICTED as usize]
    };
    for number in 0..rows * 4 {
        world.connect(CLIENT + number).unwrap();
    }
    let clients = u64::from(rows * 4);
    assert!(evicted(&world) >= clients - u64::from(rows));
    let before = evicted(&world);
    world.at_tick(3000);
    for number in 0..rows {
        world.connect(CLIENT + 10_000 + number).unwrap();
    }
    assert!(
        evicted(&world) < before + u64::from(rows),
        "expired ones are not live"
    );
}

#[test]
fn a_backend_without_a_port_gets_the_one_that_was_asked_for() {
    for family in FAMILIES {
        let mut world = World::new(family, service(0, 1), &[member(0, 1, 0)]);
        let mut backend: abi::lb_backend = world.regions().read(Region::Backends, 0);
        backend.port = 0;
        world.regions().write(Region::Backends, 0, &backend);
        assert_eq!(world.send(address(family, CLIENT), 4711), "forwarded");
        assert_eq!(world.newest().entry.backend_port, 4711_u16.to_be());
    }
}

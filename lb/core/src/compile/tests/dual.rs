//! Both families, modes of direct return, sources and members.

use std::num::NonZeroU32;

use super::*;
use crate::sources::Stretches;

const A6: &str = "[2001:db8:f::1]:80/tcp";
const ONE6: &str = "[2001:db8:b::1]:80";

fn run(services: &[Service]) -> Compiled {
    World::default().advance(&intent(services), &dual_facts(), &limits())
}

fn with_mtu(mtus: &[(u8, u32)]) -> Facts {
    let mut facts = dual_facts();
    for (slot, mtu) in mtus {
        facts.links.get_mut(&InterfaceSlot(*slot)).unwrap().mtu = *mtu;
    }
    facts
}

#[test]
fn an_ipv6_service_is_programmed_with_next_hops_that_may_be_link_local() {
    let compiled = run(&[service(A6, &[ONE6, "[2001:db8:c::1]:80"])]);

    assert!(compiled.status(A6).programmed.status);
    assert_eq!(compiled.backend(ONE6).unwrap().1.hop.unwrap().mac, mac(60));
    let behind = compiled.backend("[2001:db8:c::1]:80").unwrap().1;
    assert_eq!(behind.hop.unwrap().mac, mac(64), "by fe80::2");
    assert_eq!(behind.source, Some(ip("2001:db8:b::9")), "not link-local");
    for neighbour in [
        (11, ip("2001:db8:b::1")),
        (11, ip("fe80::2")),
        (10, ip("fe80::1")),
    ] {
        assert!(compiled.neighbours.contains(&neighbour), "{neighbour:?}");
    }
    let local = &compiled.tables.image.local;
    assert!(local.contains(&ip("2001:db8:a::1")) && local.contains(&ip("10.0.0.1")));
}

#[test]
fn a_vip_is_answered_for_on_the_links_of_its_subnet_whatever_its_family() {
    let at = [
        "[2001:db8:a::64]:80/tcp",
        "10.0.3.100:80/tcp",
        "2001:db8:a::65/icmp",
    ];
    let compiled = run(&at.map(|at| service(at, &[])));
    let vip = |addr| compiled.tables.image.vips[&ip(addr)].clone();
    assert_eq!(vip("2001:db8:a::64"), VipRow { arp: 1, echo: true });
    assert_eq!(vip("10.0.3.100"), VipRow { arp: 8, echo: true }, "VLAN 100");
    assert_eq!(vip("2001:db8:a::65"), VipRow { arp: 1, echo: true });
}

#[test]
fn replies_to_ipv6_follow_routes_and_those_to_link_local_go_back_as_they_came() {
    let routes = run(&[]).tables.image.routes;
    let find = |addr| crate::routes::find(&routes, ip(addr));
    assert_eq!(find("2001:db8:a::7"), Some(RouteRow::OnLink));
    assert!(matches!(find("2606:4700::1"), Some(RouteRow::Via(_))));
    assert_ne!(find("2606:4700::1"), find("2001:db8:c::1"));
    assert_eq!(find("10.0.0.7"), Some(RouteRow::OnLink));
    let mut facts = dual_facts();
    facts.routes.retain(|route| route.prefix.len() > 0);
    let compiled = World::default().compile(&intent(&[]), &facts, &limits());
    let routes = &compiled.tables.image.routes;
    assert_eq!(crate::routes::find(routes, ip("fe80::77")), None);
}

#[test]
fn an_interface_says_its_global_address_its_device_and_its_tags() {
    let interfaces = run(&[]).tables.interfaces;
    let row = &interfaces[&InterfaceSlot(1)];
    assert_eq!(row.address6, Some("2001:db8:b::9".parse().unwrap()));
    assert_eq!((row.ifindex, row.vlan), (11, None));
    let tagged = &interfaces[&InterfaceSlot(3)];
    assert_eq!((tagged.ifindex, tagged.address6), (11, None));
    assert_eq!(tagged.vlan.unwrap().to_string(), "100");

    let mut facts = dual_facts();
    let link = facts.links.get_mut(&InterfaceSlot(1)).unwrap();
    link.addresses.remove(&(ip("2001:db8:b::9"), 64));
    let compiled = World::default().compile(&intent(&[]), &facts, &limits());
    let row = &compiled.tables.interfaces[&InterfaceSlot(1)];
    assert_eq!(row.address6, Some("fe80::9".parse().unwrap()));
}

#[test]
fn direct_return_by_mac_needs_a_backend_on_a_connected_link() {
    let behind = "172.16.0.1";
    let compiled = run(&[
        in_mode(A, "dsr", &["10.0.1.1", behind]),
        in_mode(B, "dsr", &[behind]),
    ]);

    assert_eq!(compiled.state(A, "10.0.1.1"), BackendState::Ready);
    assert_eq!(compiled.state(A, behind), BackendState::NotConnected);
    let message = &compiled.status(A).backends[&endpoint(behind)].message;
    for part in [behind, "10.0.1.254", "eth1", "ipip or gue"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(compiled.shared(A), ["10.0.1.1".to_owned()].into());
    assert_eq!(compiled.reason(B), ProgrammedReason::NoUsableBackend);
    assert_eq!(compiled.row(B).members, None);
}

#[test]
fn a_tunnel_crosses_families_and_has_a_source_of_its_backends() {
    let compiled = run(&[
        in_mode(A, "ipip", &["2001:db8:c::1", "172.16.0.1"]),
        in_mode(A6, "gue", &["10.0.1.1"]),
    ]);
    assert!(compiled.status(A).programmed.status);
    assert!(compiled.status(A6).programmed.status);
    let source = |at| compiled.backend(at).unwrap().1.source;
    assert_eq!(source("2001:db8:c::1"), Some(ip("2001:db8:b::9")));
    assert_eq!(source("172.16.0.1"), Some(ip("10.0.1.9")));
    assert_eq!(compiled.shared(A).len(), 2);
}

#[test]
fn a_tunnel_needs_a_source_and_a_way() {
    let mut facts = dual_facts();
    facts.routes.retain(|route| route.prefix.len() > 0);
    let link = facts.links.get_mut(&InterfaceSlot(1)).unwrap();
    link.addresses
        .retain(|(addr, _)| addr.is_ipv4() || is_link_local(*addr));
    let services = [in_mode(
        A,
        "ipip",
        &["2001:db8:c::1", "198.51.100.1", "10.0.1.1"],
    )];
    let compiled = World::default().compile(&intent(&services), &facts, &limits());

    assert_eq!(compiled.state(A, "2001:db8:c::1"), BackendState::NoSource);
    let message = &compiled.status(A).backends[&endpoint("2001:db8:c::1")].message;
    assert!(message.contains("eth1 has no IPv6 address"), "{message}");
    assert_eq!(compiled.state(A, "198.51.100.1"), BackendState::NoRoute);
    assert_eq!(compiled.shared(A), ["10.0.1.1".to_owned()].into());
}

#[test]
fn a_way_too_narrow_for_a_tunnel_says_by_how_much_and_what_to_do() {
    let cases = [
        ("ipip", "10.0.1.1", 20, 1480),
        ("ipip", "2001:db8:b::1", 40, 1460),
        ("gue", "10.0.1.1", 28, 1472),
        ("gue", "2001:db8:b::1", 48, 1452),
    ];
    for (mode, backend, missing, left) in cases {
        let services = [in_mode(A, mode, &[backend])];
        let compiled = run(&services);
        let status = compiled.status(A);
        let backend_message = &status.backends[&endpoint(backend)].message;
        assert!(status.programmed.status, "small packets are forwarded");
        for message in [&status.programmed.message, backend_message] {
            for part in [
                format!("is {missing} bytes too small"),
                format!("MTU {left};"),
                format!("raise the MTU of eth1 to {}", 1500 + missing),
            ] {
                assert!(message.contains(&part), "`{part}` in: {message}");
            }
        }
        let wide = with_mtu(&[(1, 1500 + missing)]);
        let compiled = World::default().compile(&intent(&services), &wide, &limits());
        let message = &compiled.status(A).programmed.message;
        assert_eq!(message, "1 of 1 backends are ready");
    }
}

#[test]
fn the_largest_link_beside_the_tunnels_counts_and_without_one_its_own() {
    let services = [in_mode(A, "ipip", &["10.0.1.1"])];
    let message = |facts: &Facts| {
        let compiled = World::default().compile(&intent(&services), facts, &limits());
        compiled.status(A).programmed.message.clone()
    };
    let jumbo = with_mtu(&[(0, 9000), (1, 9000), (3, 1500)]);
    assert!(message(&jumbo).contains("raise the MTU of eth1 to 9020"));
    let mut alone = with_mtu(&[(1, 9000)]);
    alone.links.retain(|slot, _| slot.0 == 1);
    assert!(message(&alone).contains("raise the MTU of eth1 to 9020"));
}

#[test]
fn only_two_sided_services_backends_are_repliers() {
    let compiled = run(&[
        service(A, &[ONE]),
        in_mode(B, "dsr", &[TWO]),
        in_mode(C, "ipip", &[ONE, "10.0.1.3"]),
        service("20.20.20.1:*/udp", &["10.0.1.1"]),
    ]);
    let repliers: Vec<String> = compiled
        .tables
        .image
        .repliers
        .iter()
        .map(|key| format!("{} {}", key.endpoint, key.protocol))
        .collect();
    assert_eq!(repliers, ["10.0.1.1 udp", "10.0.1.1:80 tcp"]);
}

#[test]
fn a_backend_whose_service_becomes_one_sided_is_a_replier_while_connections_lead_to_it() {
    let mut world = World::default();
    let before = world.run(&[service(A, &[ONE])]);
    let (id, row) = before.backend(ONE).unwrap();
    world.live.insert(id, 1);
    let after = [in_mode(A, "dsr", &[ONE])];
    for _ in 0..3 {
        assert!(world.run(&after).tables.image.repliers.contains(&row.key));
    }
    world.live.clear();
    assert!(world.run(&after).tables.image.repliers.is_empty());
}

#[test]
fn members_have_weights_and_limits_and_weight_0_where_they_cannot_be_reached() {
    let mut service = in_mode(A, "dnat", &[ONE, TWO, "8.8.8.8:80"]);
    let share = Share {
        weight: Weight::new(7).unwrap(),
        max_connections: NonZeroU32::new(100),
    };
    service.backends.insert(endpoint(TWO), share);
    let mut facts = dual_facts();
    facts.routes.retain(|route| route.prefix.len() > 0);
    let compiled = World::default().compile(&intent(&[service]), &facts, &limits());

    let run = compiled.row(A).members.unwrap();
    let members: Vec<_> = compiled.tables.members[&run.first]
        .iter()
        .map(|member| {
            let endpoint = compiled.tables.backends[&member.backend].key.endpoint;
            (
                endpoint.to_string(),
                member.weight,
                member.limit.map(NonZeroU32::get),
            )
        })
        .collect();
    let expected = [
        ("8.8.8.8:80".to_owned(), 0, None),
        (ONE.to_owned(), 1, None),
        (TWO.to_owned(), 7, Some(100)),
    ];
    assert_eq!(members, expected, "in the order of endpoints");
}

#[test]
fn least_connections_needs_no_slots_and_has_members_only_if_one_is_usable() {
    let least = |at, backends: &[&str]| {
        with_policy(service(at, backends), |policy| {
            policy.selection = Selection::LeastConnections;
        })
    };
    let compiled = run(&[least(A, &[ONE]), least(B, &["10.0.1.9:80"])]);
    let row = compiled.row(A);
    assert_eq!((row.selection, row.slots), (SelectionKind::Least, None));
    assert!(row.members.is_some());
    assert!(compiled.tables.slots.is_empty());
    assert_eq!(compiled.row(B).members, None);
}

#[test]
fn a_flow_may_be_picked_up_where_any_appliance_would_do_the_same() {
    let pick_up = |service: Service| run(&[service]).row(A).pick_up;
    for (mode, expected) in [
        ("dnat", true),
        ("fullnat", false),
        ("onearm", false),
        ("dsr", true),
        ("ipip", true),
        ("gue", true),
    ] {
        let service = in_mode(A, mode, &[ONE]);
        assert_eq!(pick_up(service.clone()), expected, "{mode}");
        for selection in [Selection::RoundRobin, Selection::LeastConnections] {
            let other = with_policy(service.clone(), |policy| policy.selection = selection);
            assert!(!pick_up(other), "{mode} {selection:?}");
        }
    }
    let persistent = with_policy(service(A, &[ONE]), |policy| {
        policy.persist = Some(Persist::new(60).unwrap());
    });
    assert!(pick_up(persistent));
}

#[test]
fn options_of_a_policy_are_in_the_row() {
    let service = with_policy(service(A6, &[ONE6]), |policy| {
        policy.persist = Some(Persist::new(600).unwrap());
        policy.mss_clamp = Some(MssClamp::new(1400).unwrap());
        policy.sources.denied = prefixes(&["::/0"]);
    });
    let compiled = run(&[service]);
    let row = compiled.row(A6);
    assert_eq!((row.persist, row.mss), (600, 1400));
    let all_denied = SourceRange {
        first: 0,
        count: 0,
        deny_first: true,
    };
    assert_eq!(row.sources, Some(all_denied));
}

#[test]
fn sources_are_boundaries_in_their_arena_and_stay_where_they_are() {
    let sourced = |at, allowed: &[&str]| {
        with_policy(service(at, &[ONE]), |policy| {
            policy.sources.allowed = prefixes(allowed);
        })
    };
    let mut world = World::default();
    let (first, second) = (sourced(A, &["10.0.0.0/8"]), sourced(B, &["10.2.0.0/16"]));
    let before = world.run(&[first.clone(), second.clone()]);
    let range = before.row(A).sources.unwrap();
    assert_eq!((range.count, range.deny_first), (2, true));
    let boundaries = Stretches::of(&first.policy.sources).boundaries;
    assert_eq!(before.tables.sources[&range.first][..], boundaries);

    let after = world.run(&[sourced(A, &["10.0.0.0/9"]), second]);
    assert_eq!(after.row(B).sources, before.row(B).sources);
    assert_ne!(after.row(A).sources.unwrap().first, range.first);
    let open = world.run(&[sourced(A, &["0.0.0.0/0"])]);
    assert_eq!(open.row(A).sources, None, "every source is allowed");
}

#[test]
fn without_room_for_boundaries_a_service_has_a_condition() {
    let limits = tight(|limits| limits.sources = 1);
    let service = with_policy(service(A, &[ONE]), |policy| {
        policy.sources.allowed = prefixes(&["10.0.0.0/8"]);
    });
    let compiled = World::default().compile(&intent(&[service]), &facts(), &limits);
    assert_eq!(compiled.reason(A), ProgrammedReason::LimitExceeded);
    let message = &compiled.status(A).programmed.message;
    assert!(message.contains("limits.sources"), "{message}");
    assert!(compiled.tables.slots.is_empty(), "nothing is half there");
}

#[test]
fn a_range_that_lost_a_port_to_another_document_names_both() {
    let document = |services: &[Service]| Document::new(services.to_vec()).unwrap();
    let range = "20.20.20.1:80-90/tcp";
    let documents = [
        (
            Source::File,
            document(&[service("20.20.20.1:85/tcp", &[ONE])]),
        ),
        (Source::Api, document(&[service(range, &["10.0.1.2"])])),
    ];
    let intent = Intent {
        documents: documents.into(),
    };
    let compiled = World::default().compile(&intent, &facts(), &limits());
    assert_eq!(compiled.reason(range), ProgrammedReason::Conflict);
    let message = &compiled.status(range).programmed.message;
    assert!(
        message.contains(range) && message.contains("20.20.20.1:85/tcp"),
        "{message}"
    );
}

#[test]
fn an_icmp_service_answers_pings_and_has_no_backends() {
    let compiled = run(&[service("20.20.20.9/icmp", &[])]);
    let status = compiled.status("20.20.20.9/icmp");
    assert!(status.programmed.status);
    assert_eq!(
        status.programmed.message,
        "pings to 20.20.20.9 are answered"
    );
}

#[test]
fn own_addresses_beyond_the_room_are_left_out_and_a_notice_says_so() {
    let own = u32::try_from(dual_facts().own.len()).unwrap();
    let limits = tight(|limits| limits.vips = own - 1);
    let compiled = World::default().compile(&intent(&[]), &dual_facts(), &limits);
    assert_eq!(compiled.tables.image.local.len() as u32, own - 1);
    let limits: Vec<Limit> = compiled.notices.iter().map(|n| n.limit).collect();
    assert_eq!(limits, [Limit::Vips]);
}

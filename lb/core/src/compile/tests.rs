#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::intent::Document;
use crate::plan::plan;
use crate::service::*;
use crate::status::{BackendState, Limit};
use crate::testing::*;
use crate::twin::{apply, dangling};

/// A plane as the last compile left it.
#[derive(Clone, Default)]
struct World {
    tables: Tables,
    live: BTreeMap<BackendId, u64>,
    retiring: BTreeSet<ServiceId>,
    assignments: Assignments,
}

impl World {
    fn compile(&self, intent: &Intent, facts: &Facts, limits: &Limits) -> Compiled {
        let previous = Previous {
            tables: &self.tables,
            live: &self.live,
            retiring: &self.retiring,
            assignments: &self.assignments,
        };
        compile(intent, facts, &previous, limits)
    }

    fn advance(&mut self, intent: &Intent, facts: &Facts, limits: &Limits) -> Compiled {
        let compiled = self.compile(intent, facts, limits);
        self.tables = compiled.tables.clone();
        self.assignments = compiled.assignments.clone();
        compiled
    }

    fn run(&mut self, services: &[Service]) -> Compiled {
        self.advance(&intent(services), &facts(), &limits())
    }
}

impl Compiled {
    fn id(&self, at: &str) -> ServiceId {
        *self
            .tables
            .image
            .services
            .iter()
            .find(|(_, row)| row.key == key(at))
            .unwrap()
            .0
    }

    fn row(&self, at: &str) -> &ServiceRow {
        &self.tables.image.services[&self.id(at)]
    }

    fn backend(&self, at: &str) -> Option<(BackendId, &BackendRow)> {
        let found = self
            .tables
            .backends
            .iter()
            .find(|(_, row)| row.key.endpoint == endpoint(at));
        found.map(|(id, row)| (*id, row))
    }

    fn status(&self, at: &str) -> &ServiceStatus {
        &self.conditions[&(Source::Api, key(at))]
    }

    fn reason(&self, at: &str) -> ProgrammedReason {
        self.status(at).programmed.reason
    }

    fn state(&self, at: &str, backend: &str) -> BackendState {
        self.status(at).backends[&endpoint(backend)].state
    }

    /// Which backends' addresses have slots.
    fn shared(&self, at: &str) -> BTreeSet<String> {
        let row = self.row(at);
        let Some((slots, members)) = row.slots.zip(row.members) else {
            return BTreeSet::new();
        };
        let members = &self.tables.members[&members.first];
        self.tables.slots[&slots.first_word]
            .iter()
            .map(|slot| &self.tables.backends[&members[usize::from(*slot)].backend])
            .map(|row| row.key.endpoint.addr.to_string())
            .collect()
    }
}

const A: &str = "20.20.20.1:80/tcp";
const B: &str = "20.20.20.2:80/tcp";
const C: &str = "20.20.20.3:80/tcp";
const ONE: &str = "10.0.1.1:80";
const TWO: &str = "10.0.1.2:80";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_order_of_configuration_does_not_matter(
        (services, shuffled) in any_services().prop_flat_map(|s| (Just(s.clone()), Just(s).prop_shuffle())),
        facts in any_facts(),
        limits in any_limits(),
    ) {
        let world = World::default();
        prop_assert_eq!(
            world.compile(&intent(&services), &facts, &limits),
            world.compile(&intent(&shuffled), &facts, &limits)
        );
    }

    #[test]
    fn other_services_come_and_go_and_ids_and_places_stay(
        service in any_service(),
        others in any_services(),
        later in any_services(),
        facts in any_facts(),
    ) {
        let around = |others: &[Service]| {
            let others = others.iter().filter(|other| !other.key.overlaps(&service.key)).cloned();
            intent(&others.chain([service.clone()]).collect::<Vec<_>>())
        };
        let find = |tables: &Tables| {
            let services = &tables.image.services;
            let found = services.iter().find(|(_, row)| row.key == service.key);
            let (id, row) = found.unwrap();
            let members = row.members.map(|run| tables.members[&run.first].clone());
            let counted = row.sources.filter(|run| run.count > 0);
            let sources = counted.map(|run| tables.sources[&run.first].clone());
            (*id, row.clone(), members, sources)
        };
        let mut world = World::default();
        let first = find(&world.advance(&around(&others), &facts, &limits()).tables);
        for others in [&later, &others, &later] {
            world.advance(&around(others), &facts, &limits());
            prop_assert_eq!(&find(&world.tables), &first);
        }
    }

    #[test]
    fn whatever_is_wanted_there_is_an_answer_and_no_dangling_reference(
        intent in any_intent(),
        facts in any_facts(),
        limits in any_limits(),
    ) {
        let compiled = World::default().compile(&intent, &facts, &limits);
        prop_assert_eq!(dangling(&compiled.tables), Vec::<String>::new());
        let wanted: usize = intent.documents.values().map(Document::len).sum();
        prop_assert_eq!(compiled.conditions.len(), wanted);
        for status in compiled.conditions.values() {
            prop_assert!(!status.programmed.message.is_empty());
            let reason = status.programmed.reason;
            prop_assert_eq!(status.programmed.status, reason == ProgrammedReason::Programmed);
        }
    }

    #[test]
    fn a_second_compile_changes_nothing_but_forgets_what_is_retired(
        before in any_intent(),
        intent in any_intent(),
        facts in any_facts(),
    ) {
        let mut world = World::default();
        world.advance(&before, &facts, &limits());
        let changed = world.advance(&intent, &facts, &limits());
        let settled = world.advance(&intent, &facts, &limits());
        prop_assert!(settled.retired.is_empty());
        prop_assert_eq!(&settled.conditions, &changed.conditions);
        prop_assert_eq!(&settled.tables.slots, &changed.tables.slots);
        prop_assert_eq!(world.advance(&intent, &facts, &limits()), settled);
    }

    #[test]
    fn a_restart_without_assignments_changes_no_row_that_is_resolved(
        intent in any_intent(),
        facts in any_facts(),
    ) {
        let mut world = World::default();
        world.advance(&intent, &facts, &limits());
        world.advance(&intent, &facts, &limits());
        let resolved = world.tables.hops.values().all(Option::is_some);
        world.assignments = Assignments::default();
        let restarted = world.compile(&intent, &facts, &limits());
        if resolved {
            prop_assert_eq!(plan(&world.tables, &restarted.tables), []);
        }
    }
}

#[test]
fn a_service_is_programmed_with_ready_backends() {
    let compiled = World::default().run(&[service(A, &[ONE, "172.16.0.1:80"])]);

    assert!(compiled.status(A).programmed.status);
    assert_eq!(compiled.state(A, ONE), BackendState::Ready);
    let hop = |m| {
        Some(Hop {
            interface: InterfaceSlot(1),
            mac: mac(m),
        })
    };
    assert_eq!(compiled.backend(ONE).unwrap().1.hop, hop(50));
    assert_eq!(
        compiled.backend("172.16.0.1:80").unwrap().1.hop,
        hop(54),
        "by its gateway"
    );
    assert_eq!(compiled.shared(A).len(), 2);
    assert!(compiled.neighbours.contains(&(11, ip("10.0.1.254"))));
}

#[test]
fn only_attached_links_have_rows() {
    let compiled = World::default().run(&[]);
    let slots: Vec<InterfaceSlot> = compiled.tables.interfaces.keys().copied().collect();
    assert_eq!(slots, [InterfaceSlot(0), InterfaceSlot(1)]);
    assert_eq!(
        compiled.tables.interfaces[&slots[1]].address4,
        Some([10, 0, 1, 9].into())
    );
}

#[test]
fn without_an_attached_link_a_service_is_not_programmed() {
    let mut facts = facts();
    facts
        .links
        .values_mut()
        .for_each(|link| link.attached = false);
    let compiled = World::default().compile(&intent(&[service(A, &[ONE])]), &facts, &limits());
    assert_eq!(compiled.reason(A), ProgrammedReason::NoAttachedInterface);
}

#[test]
fn each_way_to_miss_a_backend_has_its_state_and_only_an_unresolved_one_keeps_its_share() {
    let cases = [
        ("10.0.1.77:80", BackendState::Unresolved),
        ("192.168.0.1:80", BackendState::NotAttached),
        ("10.0.1.9:80", BackendState::OwnAddress),
        ("198.51.100.1:80", BackendState::NoRoute),
    ];
    let mut facts = facts();
    facts.routes.retain(|route| route.prefix.len() > 0);
    for (backend, state) in cases {
        let services = [service(A, &[ONE, backend]), service(B, &[backend])];
        let compiled = World::default().compile(&intent(&services), &facts, &limits());

        assert_eq!(compiled.state(A, backend), state);
        assert_eq!(compiled.backend(backend).unwrap().1.hop, None);
        assert!(
            compiled.status(A).programmed.status,
            "the other backend is ready"
        );
        let (reason, share) = match state {
            BackendState::Unresolved => (ProgrammedReason::NextHopUnresolved, 2),
            _ => (ProgrammedReason::NoUsableBackend, 1),
        };
        assert_eq!(compiled.shared(A).len(), share, "{backend}");
        assert_eq!(compiled.reason(B), reason, "{backend}");
    }
}

#[test]
fn a_neighbour_that_flaps_moves_no_slot() {
    let mut world = World::default();
    let intent = intent(&[service(A, &[ONE, TWO])]);
    let before = world.advance(&intent, &facts(), &limits());
    let mut without = facts();
    without.neighbours.remove(&(11, ip("10.0.1.1")));
    let after = world.advance(&intent, &without, &limits());

    assert_eq!(after.tables.slots, before.tables.slots);
    assert_eq!(after.tables.image, before.tables.image);
    assert_eq!(after.backend(ONE).unwrap().1.hop, None);
}

#[test]
fn a_service_without_backends_or_with_drained_ones_is_programmed_without_slots() {
    let mut drained = service(B, &[ONE]);
    drained.backends.insert(endpoint(ONE), Weight::DRAIN.into());
    let compiled = World::default().run(&[service(A, &[]), drained]);
    for at in [A, B] {
        assert!(compiled.status(at).programmed.status);
        assert_eq!(compiled.row(at).slots, None);
        assert_eq!(compiled.row(at).members, None);
    }
    assert_eq!(compiled.state(B, ONE), BackendState::Drained);
    assert!(compiled.backend(ONE).is_some(), "its connections go on");
}

#[test]
fn onearm_takes_the_address_on_the_backends_subnet_and_needs_one() {
    let onearm = with_policy(service(A, &[ONE]), |policy| policy.mode = Mode::Onearm);
    let compiled = World::default().run(std::slice::from_ref(&onearm));
    assert_eq!(
        compiled.backend(ONE).unwrap().1.source,
        Some(ip("10.0.1.9"))
    );

    let mut facts = facts();
    facts
        .links
        .get_mut(&InterfaceSlot(1))
        .unwrap()
        .addresses
        .clear();
    let compiled = World::default().compile(&intent(&[onearm]), &facts, &limits());
    assert_eq!(compiled.state(A, ONE), BackendState::NoSource);
    assert_eq!(compiled.reason(A), ProgrammedReason::NoUsableBackend);
}

#[test]
fn arp_and_pings_are_answered_for_vips_that_the_box_does_not_own() {
    let at = ["20.20.20.1:80/tcp", "10.0.0.100:80/tcp", "10.0.0.1:80/tcp"];
    let compiled = World::default().run(&at.map(|at| service(at, &[])));
    let vip = |addr| compiled.tables.image.vips[&ip(addr)].clone();
    assert_eq!(vip("20.20.20.1"), VipRow { arp: 0, echo: true }, "routed");
    assert_eq!(
        vip("10.0.0.100"),
        VipRow { arp: 1, echo: true },
        "in the subnet of eth0"
    );
    assert_eq!(
        vip("10.0.0.1"),
        VipRow {
            arp: 0,
            echo: false
        },
        "the box's own"
    );
    assert!(compiled.tables.image.local.contains(&ip("10.0.1.9")));
    assert!(
        !compiled.tables.image.local.contains(&ip("10.0.0.1")),
        "it is a VIP"
    );
}

#[test]
fn replies_follow_routes_of_attached_links_and_others_are_holes() {
    let compiled = World::default().run(&[]);
    let routes = &compiled.tables.image.routes;
    let find = |addr| crate::routes::find(routes, ip(addr));
    assert_eq!(find("10.0.0.7"), Some(RouteRow::OnLink));
    assert_eq!(find("192.168.0.7"), None, "eth2 is not attached");
    let Some(RouteRow::Via(id)) = find("8.8.8.8") else {
        panic!("no default route")
    };
    assert_eq!(compiled.tables.hops[&id].unwrap().mac, mac(99));
    assert_ne!(find("8.8.8.8"), find("172.16.0.1"));
}

#[test]
fn a_gateway_keeps_its_hop_when_another_comes_and_no_gateway_takes_anothers_at_once() {
    let mut world = World::default();
    let first = world.run(&[]);
    let Some(RouteRow::Via(id)) = crate::routes::find(&first.tables.image.routes, ip("8.8.8.8"))
    else {
        panic!("no default route")
    };
    let mut facts = facts();
    facts.routes.retain(|route| route.prefix.len() > 0);
    facts
        .routes
        .insert(route("0.0.0.0/0", 10, Some("10.0.0.253")));
    let second = world.advance(&intent(&[]), &facts, &limits());
    assert!(!second.tables.hops.contains_key(&id));
    let kept: BTreeSet<HopId> = second.tables.hops.keys().copied().collect();
    let before: BTreeSet<HopId> = first.tables.hops.keys().copied().collect();
    assert_eq!(kept.intersection(&before).count(), 1, "that of 10.0.1.254");
}

#[test]
fn a_changed_table_goes_to_free_space_and_the_old_is_free_one_compile_later() {
    let mut world = World::default();
    let places: Vec<SlotRange> = [vec![ONE], vec![ONE, TWO], vec![ONE], vec![ONE, TWO]]
        .into_iter()
        .map(|backends| world.run(&[service(A, &backends)]).row(A).slots.unwrap())
        .collect();
    assert_ne!(places[0], places[1]);
    assert_eq!(places[0], places[2]);
    assert_eq!(places[1], places[3]);
}

#[test]
fn a_removed_backend_keeps_its_row_while_connections_lead_to_it() {
    let mut world = World::default();
    let (id, _) = world.run(&[service(A, &[ONE, TWO])]).backend(TWO).unwrap();
    world.live.insert(id, 3);
    for _ in 0..3 {
        let compiled = world.run(&[service(A, &[ONE])]);
        let (kept, row) = compiled.backend(TWO).unwrap();
        assert_eq!(kept, id);
        assert!(row.hop.is_some());
        let neighbour = (11, row.key.endpoint.addr);
        assert!(compiled.neighbours.contains(&neighbour), "kept resolved");
        assert!(compiled.retired.contains(&id));
        assert!(compiled.tables.image.repliers.contains(&row.key));
        assert_eq!(compiled.shared(A).len(), 1);
    }
    world.live.clear();
    assert_eq!(world.run(&[service(A, &[ONE])]).backend(TWO), None);
}

#[test]
fn a_removed_backends_row_outlives_the_image_that_led_to_it() {
    let mut world = World::default();
    world.run(&[service(A, &[ONE, TWO])]);
    assert!(world.run(&[service(A, &[ONE])]).backend(TWO).is_some());
    assert_eq!(world.run(&[service(A, &[ONE])]).backend(TWO), None);
}

#[test]
fn a_backend_that_returns_while_retired_has_its_old_id() {
    let mut world = World::default();
    let (id, _) = world.run(&[service(A, &[ONE, TWO])]).backend(TWO).unwrap();
    world.run(&[service(A, &[ONE])]);
    assert_eq!(
        world
            .run(&[service(A, &[ONE, TWO])])
            .backend(TWO)
            .unwrap()
            .0,
        id
    );
}

#[test]
fn an_id_that_becomes_free_is_given_away_one_compile_later_and_not_while_it_retires() {
    let mut world = World::default();
    let id = world.run(&[service(A, &[ONE])]).id(A);
    assert_ne!(world.run(&[service(B, &[ONE])]).id(B), id);
    world.retiring.insert(id);
    assert_ne!(world.run(&[service(B, &[ONE]), service(C, &[])]).id(C), id);
    world.retiring.clear();
    assert_eq!(
        world
            .run(&[service(A, &[ONE]), service(B, &[ONE]), service(C, &[])])
            .id(A),
        id
    );
}

#[test]
fn services_share_a_backends_row() {
    let compiled = World::default().run(&[service(A, &[ONE]), service(B, &[ONE])]);
    assert_eq!(compiled.tables.backends.len(), 1);
}

/// Limits with all ample but one.
fn tight(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = limits();
    change(&mut limits);
    limits
}

#[test]
fn a_service_beyond_a_limit_has_a_condition_and_others_are_not_affected() {
    let own = facts().own.len() as u32;
    let cases = [
        (Limit::Services, tight(|limits| limits.services = 1)),
        (Limit::Backends, tight(|limits| limits.backends = 1)),
        (Limit::Vips, tight(|limits| limits.vips = own + 1)),
        (Limit::Slots, tight(|limits| limits.slot_words = 63)),
        (Limit::Members, tight(|limits| limits.members = 1)),
    ];
    for (limit, limits) in cases {
        let mut world = World::default();
        world.advance(&intent(&[service(B, &[TWO])]), &facts(), &limits);
        let both = intent(&[service(A, &[ONE]), service(B, &[TWO])]);
        let compiled = world.advance(&both, &facts(), &limits);

        assert_eq!(compiled.reason(A), ProgrammedReason::LimitExceeded);
        let message = &compiled.status(A).programmed.message;
        assert!(message.contains(limit.key()), "{message}");
        assert!(compiled.status(B).programmed.status, "it was there first");
        assert_eq!(compiled.tables.image.services.len(), 1);
        assert_eq!(compiled.tables.backends.len(), 1);
    }
}

#[test]
fn wide_ranges_take_room_for_ports() {
    let limits = tight(|limits| limits.services = 8);
    let wide = |n: u8| service(&format!("20.20.20.{n}:1-65534/tcp"), &[]);
    let services: Vec<_> = (1..=4).map(wide).collect();
    let compiled = World::default().advance(&intent(&services), &facts(), &limits);

    let refused = services.iter().filter(|service| {
        let status = compiled.status(&service.key.to_string());
        status.programmed.reason == ProgrammedReason::LimitExceeded
    });
    assert_eq!(refused.count(), 1, "each takes 30 of 90");
}

#[test]
fn without_room_for_its_changed_table_a_service_keeps_the_one_it_has() {
    let limits = tight(|limits| limits.slot_words = 63);
    let mut world = World::default();
    let before = world.advance(&intent(&[service(A, &[ONE])]), &facts(), &limits);
    let after = world.advance(&intent(&[service(A, &[ONE, TWO])]), &facts(), &limits);

    assert_eq!(after.reason(A), ProgrammedReason::LimitExceeded);
    assert!(after.status(A).programmed.message.contains("as before"));
    assert_eq!(after.tables, before.tables);
}

#[test]
fn routes_beyond_a_limit_are_holes_and_a_notice_says_so() {
    for (limit, limits) in [
        (Limit::Hops, tight(|limits| limits.hops = 1)),
        (Limit::RouteNodes, tight(|limits| limits.route_nodes = 2)),
    ] {
        let compiled = World::default().compile(&intent(&[]), &facts(), &limits);
        let limits_noticed: Vec<Limit> = compiled.notices.iter().map(|n| n.limit).collect();
        assert_eq!(limits_noticed, [limit]);
        assert!(crate::routes::nodes(&compiled.tables.image.routes) <= limits.route_nodes);
        assert!(compiled.tables.hops.len() <= limits.hops as usize);
        assert_eq!(
            crate::routes::find(&compiled.tables.image.routes, ip("172.16.0.1")),
            None
        );
        assert!(crate::routes::find(&compiled.tables.image.routes, ip("8.8.8.8")).is_some());
    }
}

#[test]
fn a_claim_that_lost_has_a_condition_that_names_the_winner() {
    let document = |services: &[Service]| Document::new(services.to_vec()).unwrap();
    let documents = [
        (Source::File, document(&[service(A, &[ONE])])),
        (
            Source::Api,
            document(&[service(A, &[TWO]), service(B, &[TWO])]),
        ),
    ];
    let intent = Intent {
        documents: documents.into(),
    };
    let compiled = World::default().compile(&intent, &facts(), &limits());

    assert_eq!(compiled.reason(A), ProgrammedReason::Conflict);
    assert!(compiled.status(A).programmed.message.contains("`file`"));
    assert!(compiled.status(B).programmed.status);
    assert_eq!(compiled.shared(A), [ip("10.0.1.1").to_string()].into());
}

#[test]
fn drift_is_repaired_in_another_place() {
    let mut world = World::default();
    let before = world.run(&[service(A, &[ONE, TWO])]);
    let first_word = before.row(A).slots.unwrap().first_word;
    world.tables.slots.insert(first_word, vec![7; 251].into());

    let after = world.compile(&intent(&[service(A, &[ONE, TWO])]), &facts(), &limits());
    assert_eq!(after.id(A), before.id(A));
    assert_ne!(after.row(A).slots.unwrap().first_word, first_word);
    let mut tables = world.tables.clone();
    plan(&world.tables, &after.tables)
        .iter()
        .for_each(|op| apply(&mut tables, op));
    assert_eq!(tables, after.tables);
    assert_eq!(after.shared(A).len(), 2);
}

mod announcing;
mod dual;
mod standings;

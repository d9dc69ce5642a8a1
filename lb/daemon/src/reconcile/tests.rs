#![allow(clippy::unwrap_used)]

use super::*;
use crate::testing::{Boxed, document, put_link, take_link};

mod announcing;
mod groups;
mod paths;
mod vlans;

struct World {
    reconciler: Reconciler<Boxed>,
    intent: Intent,
    wanted: BTreeMap<String, AttachAs>,
    vlans: Vec<config::Vlan>,
    facts: RawFacts,
    afxdp: AfXdp,
    now: Instant,
}

impl World {
    /// Two services on two interfaces; nothing is done yet.
    fn new() -> Self {
        let plane = Boxed::new();
        let documents = [(Source::Api, document(&[80, 81], &["10.2.0.2", "10.2.0.3"]))].into();
        World {
            facts: plane.facts.clone(),
            reconciler: Reconciler::new(plane),
            intent: Intent { documents },
            wanted: ["eth0", "eth1"]
                .map(|name| (name.to_owned(), AttachAs::default()))
                .into(),
            vlans: Vec::new(),
            afxdp: AfXdp::default(),
            now: Instant::now(),
        }
    }

    fn programmed() -> Self {
        let mut world = World::new();
        world.pass(Depth::ReadBack);
        assert!(world.is_programmed());
        world
    }

    fn plane(&mut self) -> &mut Boxed {
        &mut self.reconciler.plane
    }

    /// A minute later: whatever is backed off is due.
    fn pass(&mut self, depth: Depth) {
        self.now += Duration::from_secs(60);
        self.reconciler.plane.facts = self.facts.clone();
        let World {
            reconciler,
            intent,
            wanted,
            vlans,
            facts,
            afxdp,
            now,
        } = self;
        reconciler.pass(
            &Inputs {
                intent,
                wanted,
                vlans,
                facts,
                afxdp,
                standings: &Default::default(),
                now: *now,
            },
            depth,
        );
    }

    fn is_programmed(&self) -> bool {
        let outcome = &self.reconciler.outcome;
        outcome.failure.is_none()
            && !outcome.conditions.is_empty()
            && outcome
                .conditions
                .values()
                .all(|status| status.programmed.status)
    }

    fn corrections(&self, kind: &str) -> u64 {
        self.reconciler
            .counters
            .corrections
            .get(kind)
            .copied()
            .unwrap_or(0)
    }

    fn slot(&self, name: &str) -> Option<InterfaceSlot> {
        self.reconciler.outcome.interfaces[name].slot
    }
}

#[test]
fn a_pass_attaches_and_programs_and_the_next_has_nothing_to_do() {
    let mut world = World::programmed();
    assert_eq!(world.plane().attached.len(), 2);
    let done = world.plane().twin.done.len();
    world.pass(Depth::ReadBack);
    world.pass(Depth::Known);
    assert_eq!(world.plane().twin.done.len(), done);
    assert!(world.reconciler.counters.corrections.is_empty());
}

#[test]
fn rows_that_somebody_else_changed_are_repaired_and_counted_by_kind() {
    let mut world = World::programmed();
    let want = world.plane().twin.tables.clone();
    let backends = &mut world.plane().twin.tables.backends;
    backends.values_mut().next().unwrap().hop = None;
    world.plane().twin.tables.image.services.pop_last();
    let interfaces = &mut world.plane().twin.tables.interfaces;
    interfaces.values_mut().for_each(|row| row.mtu = 9000);
    world.pass(Depth::ReadBack);
    assert_eq!(world.plane().twin.tables.backends, want.backends);
    assert_eq!(world.plane().twin.tables.interfaces, want.interfaces);
    assert_eq!(world.plane().twin.tables.image.services.len(), 2);
    let kinds = ["backend", "service", "interface", "vip"].map(|kind| world.corrections(kind));
    assert_eq!(kinds, [1, 1, 2, 0]);
}

#[test]
fn drift_is_not_seen_by_a_pass_that_does_not_look() {
    let mut world = World::programmed();
    world.plane().twin.tables.backends.pop_first();
    world.pass(Depth::Known);
    assert_eq!(world.corrections("backend"), 0);
}

#[test]
fn wherever_a_plan_fails_the_next_pass_ends_where_an_undisturbed_one_does() {
    let change = |world: &mut World| {
        world
            .intent
            .documents
            .insert(Source::Api, document(&[81, 82], &["10.2.0.3"]));
    };
    let mut undisturbed = World::programmed();
    let before = undisturbed.plane().twin.done.len();
    change(&mut undisturbed);
    undisturbed.pass(Depth::Known);
    let ops = undisturbed.plane().twin.done.len() - before;
    assert!(ops > 5, "{ops} ops are few for a change");
    for patience in 0..ops {
        let mut world = World::programmed();
        change(&mut world);
        world.plane().twin.patience = Some(patience);
        world.pass(Depth::Known);
        assert!(
            world.reconciler.outcome.failure.is_some() && world.reconciler.retry_at().is_some()
        );
        world.plane().twin.patience = None;
        world.pass(Depth::Known);
        assert!(world.is_programmed() && world.reconciler.retry_at().is_none());
        let published = |world: &mut World| {
            world
                .plane()
                .twin
                .tables
                .image
                .services
                .values()
                .map(|row| row.key)
                .collect::<Vec<_>>()
        };
        assert_eq!(published(&mut world), published(&mut undisturbed));
        assert!(
            world.reconciler.retiring.is_empty(),
            "connections of services that are gone are owed a flush"
        );
    }
}

#[test]
fn a_flush_that_a_failure_cut_off_is_made_up_for() {
    let mut world = World::programmed();
    let (id, _) = world
        .plane()
        .twin
        .tables
        .image
        .services
        .iter()
        .find(|(_, row)| row.key.to_string() == "10.1.0.80:80/tcp")
        .unwrap();
    let (id, backend) = (
        *id,
        *world
            .reconciler
            .plane
            .twin
            .tables
            .backends
            .keys()
            .next()
            .unwrap(),
    );
    world.plane().twin.connections.insert((id, backend), 5);
    world
        .intent
        .documents
        .insert(Source::Api, document(&[81], &["10.2.0.2", "10.2.0.3"]));
    world.plane().twin.patience = Some(1); // publishing, and nothing after it
    world.pass(Depth::ReadBack);
    assert_eq!(world.plane().twin.connections.len(), 1);
    world.plane().twin.patience = None;
    world.pass(Depth::Known);
    assert!(world.plane().twin.connections.is_empty());
}

#[test]
fn an_interface_that_comes_back_with_another_ifindex_is_attached_in_its_slot() {
    let mut world = World::programmed();
    let slot = world.slot("eth1");
    let neighbours = world.facts.neighbours.clone();
    take_link(&mut world.facts, "eth1");
    world.pass(Depth::Known);
    assert!(!world.is_programmed(), "the backends are gone with it");
    put_link(&mut world.facts, "eth1", 30, "10.2.0.1");
    world.facts.neighbours = neighbours
        .into_iter()
        .map(|((_, addr), mac)| ((30, addr), mac))
        .collect();
    world.pass(Depth::Known);
    assert!(world.is_programmed());
    assert_eq!(
        (world.slot("eth1"), world.plane().attached["eth1"].ifindex),
        (slot, 30)
    );
    assert_eq!(world.corrections("attachment"), 0, "nobody took it off");
}

#[test]
fn a_program_that_somebody_took_off_is_attached_again_and_counted() {
    let mut world = World::programmed();
    world.plane().attached.remove("eth0");
    world.pass(Depth::Known);
    assert!(world.plane().attached.contains_key("eth0"));
    assert_eq!(world.corrections("attachment"), 1);
}

#[test]
fn an_interface_that_the_plane_refuses_does_not_stop_the_others() {
    let mut world = World::new();
    put_link(&mut world.facts, "eth2", 9, "10.3.0.1");
    world.wanted.insert("eth2".into(), AttachAs::default());
    world.plane().refused = Some(9);
    world.pass(Depth::ReadBack);
    assert!(world.is_programmed());
    let rows: Vec<u32> = world
        .plane()
        .twin
        .tables
        .interfaces
        .values()
        .map(|row| row.ifindex)
        .collect();
    assert_eq!(rows, [2, 3]);
}

#[test]
fn slots_are_found_again_by_ifindex_after_a_restart() {
    let mut world = World::programmed();
    put_link(&mut world.facts, "eth2", 9, "10.3.0.1");
    world.wanted.insert("eth2".into(), AttachAs::default());
    world.wanted.remove("eth0");
    world.reconciler.detach("eth0").unwrap();
    world.pass(Depth::Known);
    let slots = ["eth1", "eth2"].map(|name| world.slot(name));
    let tables = world.plane().twin.tables.clone();
    let mut plane = Boxed::new();
    (plane.twin.tables, plane.facts) = (tables, world.facts.clone());
    plane.attached = world.reconciler.plane.attached.clone();
    world.reconciler = Reconciler::new(plane);
    world.pass(Depth::ReadBack);
    assert_eq!(["eth1", "eth2"].map(|name| world.slot(name)), slots);
    assert_eq!(world.plane().twin.done, [], "a restart writes nothing");
}

#[test]
fn waits_between_failures_double_up_to_half_a_minute() {
    let (mut backoff, now) = (Backoff::default(), Instant::now());
    let waits: Vec<Duration> = (0..12)
        .map(|_| {
            backoff.failed(now);
            backoff.until().unwrap() - now
        })
        .collect();
    assert_eq!(waits[0], Duration::from_millis(100));
    assert_eq!(waits[3], Duration::from_millis(800));
    assert_eq!(waits[11], Duration::from_secs(30));
}

#[test]
fn a_backend_keeps_its_row_for_connections_begun_since_the_tables_were_read_back() {
    let mut world = World::programmed();
    let tables = &world.plane().twin.tables;
    let service = *tables.image.services.keys().next().unwrap();
    let gone = tables
        .backends
        .iter()
        .find(|(_, row)| row.key.endpoint.to_string().starts_with("10.2.0.3"))
        .map(|(id, _)| *id)
        .unwrap();
    world.plane().twin.connections.insert((service, gone), 5);
    let fewer = document(&[80, 81], &["10.2.0.2"]);
    world.intent.documents.insert(Source::Api, fewer);
    for _ in 0..3 {
        world.pass(Depth::Known);
        assert!(world.plane().twin.tables.backends.contains_key(&gone));
    }
    world.plane().twin.connections.clear();
    world.pass(Depth::ReadBack);
    world.pass(Depth::Known);
    assert!(!world.plane().twin.tables.backends.contains_key(&gone));
}

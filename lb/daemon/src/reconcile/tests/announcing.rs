//! Announcing between passes: tables, then announcements.

use lb_core::announce::{Heard, What};
use lb_plane::announce::Listening;

use super::*;

const VIP: [u8; 4] = [10, 1, 0, 80];

/// Messages about the VIP that were sent since this was asked.
fn sent(world: &mut World) -> Vec<What> {
    let frames = std::mem::take(&mut world.plane().sent);
    let heard = frames.iter().map(|(_, frame)| Heard::read(frame).unwrap());
    let of_vip = heard.filter(|heard| heard.about == IpAddr::from(VIP));
    of_vip.map(|heard| heard.what).collect()
}

fn answers(world: &mut World) -> bool {
    world.plane().twin.tables.image.vips[&IpAddr::from(VIP)].arp != 0
}

impl World {
    pub(super) fn listen(&mut self) {
        let devices = self.reconciler.announcing.devices();
        let failures = BTreeMap::new();
        let listening = Listening { devices, failures };
        self.reconciler.announcing.listening(listening, self.now);
    }

    /// Passes until probes for all VIPs have passed: each finds time for one.
    pub(super) fn announced(&mut self) {
        self.pass(Depth::ReadBack);
        self.listen();
        for _ in 0..6 {
            self.pass(Depth::Known);
        }
    }
}

#[test]
fn tables_answer_once_the_probes_have_passed_and_only_then_is_it_announced() {
    let mut world = World::programmed();
    assert!(!answers(&mut world) && sent(&mut world).is_empty());
    world.listen();
    for _ in 0..3 {
        world.pass(Depth::Known);
        assert_eq!(sent(&mut world), [What::Probes]);
    }
    assert!(!answers(&mut world));
    world.pass(Depth::Known);
    assert!(world.reconciler.announcing.take_ready());
    world.pass(Depth::Known);
    assert!(answers(&mut world));
    assert_eq!(sent(&mut world), [What::Claims, What::Claims]);
}

#[test]
fn a_pass_that_fails_announces_nothing_new() {
    let mut world = World::programmed();
    world.listen();
    for _ in 0..4 {
        world.pass(Depth::Known);
    }
    sent(&mut world);
    world.plane().twin.patience = Some(0);
    world.pass(Depth::Known);
    assert!(world.reconciler.outcome.failure.is_some());
    assert_eq!(sent(&mut world), []);
    world.plane().twin.patience = None;
    world.pass(Depth::Known);
    assert_eq!(sent(&mut world), [What::Claims, What::Claims]);
}

#[test]
fn a_new_reconciler_takes_over_what_tables_answer() {
    let mut world = World::new();
    world.announced();
    assert!(answers(&mut world));
    sent(&mut world);
    let plane = std::mem::replace(world.plane(), Boxed::new());
    let applied = plane.twin.done.len();
    world.reconciler = Reconciler::new(plane);
    world.pass(Depth::ReadBack);
    assert!(answers(&mut world));
    assert_eq!(
        world.plane().twin.done.len(),
        applied,
        "no table was written"
    );
    assert_eq!(sent(&mut world), [What::Claims, What::Claims, What::Probes]);
}

#[test]
fn drift_in_who_answers_is_repaired_and_not_taken_for_a_claim() {
    let mut world = World::programmed();
    let vips = &mut world.plane().twin.tables.image.vips;
    vips.get_mut(&IpAddr::from(VIP)).unwrap().arp = 1;
    world.pass(Depth::ReadBack);
    assert_eq!(world.corrections("vip"), 1);
    assert!(!answers(&mut world));
}

//! Interfaces on the ladder: which program they get, and when.

use lb_api::wire::{AttachMode, Datapath};
use lb_plane::attach::{Mode, Path};
use lb_plane::queues::{Part, QueueState};

use super::*;

impl World {
    /// All interfaces are wanted so.
    fn asked(datapath: Datapath, mode: AttachMode) -> Self {
        let mut world = World::new();
        world.ask(datapath, mode);
        world
    }

    fn ask(&mut self, datapath: Datapath, mode: AttachMode) {
        for how in self.wanted.values_mut() {
            *how = AttachAs { datapath, mode };
        }
    }

    /// A worker that binds queues, or fails to.
    fn worker(&mut self, state: Option<QueueState>) {
        self.plane().worker = state;
        self.plane().serve();
    }

    fn path(&self, name: &str) -> Option<(Path, Mode)> {
        let attached = self.reconciler.plane.attached.get(name)?;
        Some((attached.path, attached.mode))
    }

    fn parts(&self) -> Vec<Option<Part>> {
        let queues = self.reconciler.plane.queues();
        let part = |row: &lb_plane::queues::QueueStatus| row.wanted.map(|wanted| wanted.part);
        queues.iter().map(part).collect()
    }

    fn state(&self, name: &str) -> &InterfaceState {
        &self.reconciler.outcome.interfaces[name]
    }
}

#[test]
fn the_best_path_needs_no_worker_and_no_excuse() {
    let world = World::programmed();
    assert_eq!(world.path("eth0"), Some((Path::Xdp, Mode::Native)));
    assert_eq!(world.state("eth0").why, Vec::<String>::new());
    assert_eq!(world.reconciler.needs_worker(), Some(false));
    assert_eq!(world.parts(), []);
}

#[test]
fn an_interface_goes_onto_af_xdp_when_the_worker_has_bound_its_queues_and_not_before() {
    let mut world = World::programmed();
    world.wanted.get_mut("eth1").unwrap().datapath = Datapath::AfXdp;
    world.pass(Depth::Known);
    assert_eq!(world.path("eth1"), Some((Path::Xdp, Mode::Native)));
    assert!(world.state("eth1").pending);
    assert_eq!(world.parts(), [Some(Part::Send), Some(Part::Serve)]);
    assert_eq!(world.reconciler.needs_worker(), Some(true));
    world.pass(Depth::Known);
    assert_eq!(
        world.path("eth1"),
        Some((Path::Xdp, Mode::Native)),
        "no worker, no change"
    );
    let options = world.afxdp.clone();
    assert!(!world.reconciler.is_due(&options, world.now));
    world.worker(Some(QueueState::Copies));
    assert!(
        world
            .reconciler
            .is_due(&options, world.now + Duration::from_secs(1))
    );
    world.pass(Depth::Known);
    assert_eq!(world.path("eth1"), Some((Path::AfXdp, Mode::Native)));
    assert_eq!(world.path("eth0"), Some((Path::Xdp, Mode::Native)));
    assert!(!world.state("eth1").pending);
    assert!(world.is_programmed());
}

#[test]
fn back_on_xdp_an_interface_needs_no_queues() {
    let mut world = World::asked(Datapath::AfXdp, AttachMode::Auto);
    world.worker(Some(QueueState::Copies));
    for _ in 0..2 {
        world.pass(Depth::Known);
    }
    assert_eq!(world.path("eth0"), Some((Path::AfXdp, Mode::Native)));
    world.ask(Datapath::Auto, AttachMode::Auto);
    world.pass(Depth::Known);
    assert_eq!(world.path("eth0"), Some((Path::Xdp, Mode::Native)));
    assert_eq!(world.parts(), []);
    assert_eq!(world.reconciler.needs_worker(), Some(false));
}

#[test]
fn where_the_kernel_refuses_the_forwarder_the_worker_forwards_and_status_says_why() {
    let mut world = World::new();
    world.plane().forwarder = Err("0: (85)\nR1 is not a pointer\nprocessed 12 insns".into());
    world.worker(Some(QueueState::Copies));
    for _ in 0..2 {
        world.pass(Depth::Known);
    }
    assert_eq!(world.path("eth0"), Some((Path::AfXdp, Mode::Native)));
    let why = world.state("eth0").why.join("\n");
    assert!(why.contains("R1 is not a pointer"), "{why}");
    assert!(world.is_programmed());
}

#[test]
fn a_driver_without_native_mode_gets_the_forwarder_in_generic_mode() {
    let mut world = World::new();
    world.plane().generic_only = ["eth0".to_owned()].into();
    world.pass(Depth::Known);
    assert_eq!(world.path("eth0"), Some((Path::Xdp, Mode::Generic)));
    assert_eq!(world.path("eth1"), Some((Path::Xdp, Mode::Native)));
    assert!(world.state("eth0").message.contains("no native XDP"));
    assert_eq!(world.state("eth0").why.len(), 2, "native, by either path");
}

#[test]
fn with_neither_the_last_rung_is_taken() {
    let mut world = World::new();
    world.plane().forwarder = Err("no".into());
    world.plane().generic_only = ["eth0".to_owned(), "eth1".to_owned()].into();
    world.worker(Some(QueueState::Copies));
    for _ in 0..3 {
        world.pass(Depth::Known);
    }
    assert_eq!(world.path("eth0"), Some((Path::AfXdp, Mode::Generic)));
    assert_eq!(world.state("eth0").why.len(), 3);
}

#[test]
fn an_af_xdp_that_was_asked_for_and_fails_says_why_and_leaves_the_interface_as_it_is() {
    let mut world = World::programmed();
    world.ask(Datapath::AfXdp, AttachMode::Auto);
    let refused = nix::errno::Errno::EOPNOTSUPP as u32;
    world.worker(Some(QueueState::Failed(refused)));
    for _ in 0..2 {
        world.pass(Depth::Known);
    }
    assert_eq!(world.path("eth0"), Some((Path::Xdp, Mode::Native)));
    let message = &world.state("eth0").message;
    assert!(message.contains("queue 0 cannot be served"), "{message}");
    assert!(!world.state("eth0").pending);
    assert!(world.is_programmed(), "services go on");
}

#[test]
fn a_ladder_that_finds_no_worker_steps_past_it_in_the_end() {
    let mut world = World::new();
    world.plane().forwarder = Err("no".into());
    for _ in 0..2 {
        world.pass(Depth::Known);
    }
    assert_eq!(world.path("eth0"), None);
    let message = &world.state("eth0").message;
    assert!(message.contains("no worker runs"), "{message}");
    world.worker(Some(QueueState::Copies));
    for _ in 0..3 {
        world.pass(Depth::Known);
    }
    assert_eq!(
        world.path("eth0"),
        Some((Path::AfXdp, Mode::Native)),
        "and is taken when it comes"
    );
}

#[test]
fn more_queues_than_can_be_served_are_refused_with_the_remedy() {
    let mut world = World::new();
    world.plane().queue_count = 65;
    world.pass(Depth::Known);
    world.ask(Datapath::AfXdp, AttachMode::Auto);
    world.pass(Depth::Known);
    let message = &world.state("eth0").message;
    assert!(
        message.contains("65 receive queues") && message.contains("ethtool -L"),
        "{message}"
    );
    assert_eq!(world.path("eth0"), Some((Path::Xdp, Mode::Native)));
}

#[test]
fn a_queue_count_that_changes_is_followed() {
    let mut world = World::asked(Datapath::AfXdp, AttachMode::Auto);
    world.worker(Some(QueueState::Copies));
    for _ in 0..2 {
        world.pass(Depth::Known);
    }
    assert_eq!(world.parts().len(), 2);
    for attached in world.plane().attached.values_mut() {
        attached.rx_queues = 4;
    }
    world.pass(Depth::Known);
    assert_eq!(world.parts().len(), 8);
}

#[test]
fn the_next_daemon_finds_an_interface_on_af_xdp_and_leaves_it_there() {
    let mut world = World::asked(Datapath::AfXdp, AttachMode::Auto);
    world.worker(Some(QueueState::Copies));
    for _ in 0..2 {
        world.pass(Depth::Known);
    }
    let plane = std::mem::replace(&mut world.reconciler.plane, Boxed::new());
    let links = plane.attached.clone();
    world.reconciler = Reconciler::new(plane);
    assert_eq!(world.reconciler.needs_worker(), None);
    world.pass(Depth::ReadBack);
    assert_eq!(world.reconciler.plane.attached, links);
    assert_eq!(world.parts(), [Some(Part::Serve), Some(Part::Serve)]);
    assert_eq!(world.reconciler.needs_worker(), Some(true));
}

#[test]
fn a_detached_interface_s_queues_are_let_go_of() {
    let mut world = World::asked(Datapath::AfXdp, AttachMode::Auto);
    world.worker(Some(QueueState::Copies));
    for _ in 0..2 {
        world.pass(Depth::Known);
    }
    world.wanted.remove("eth0");
    world.reconciler.detach("eth0").unwrap();
    world.pass(Depth::Known);
    assert_eq!(world.parts(), [Some(Part::Serve)]);
    world.wanted.clear();
    world.reconciler.detach("eth1").unwrap();
    world.pass(Depth::Known);
    assert_eq!(world.parts(), []);
    assert_eq!(world.reconciler.needs_worker(), Some(false));
}

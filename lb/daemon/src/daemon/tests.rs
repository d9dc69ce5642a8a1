#![allow(clippy::unwrap_used)]

mod announcing;
mod health;
mod safe;
mod tokens;

use lb_api::control::{Actor, Precondition, Readiness, Reply, Terms};
use lb_api::edit::Edit;
use lb_api::events::EventLog;
use lb_api::wire::{Applied, InterfaceStatus};
use lb_core::intent::Document;
use lb_core::service::Service;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::*;
use crate::testing::{Boxed, document};

struct World {
    dir: TempDir,
    daemon: Daemon<Boxed>,
    log: Arc<EventLog>,
}

const BACKENDS: [&str; 2] = ["10.2.0.2", "10.2.0.3"];

impl World {
    fn new(text: &str) -> Self {
        let dir = TempDir::new().unwrap();
        World::of(dir, text, Ok(Boxed::new()))
    }

    fn of(dir: TempDir, text: &str, plane: Result<Boxed, String>) -> Self {
        let log = Arc::new(EventLog::new(1));
        let daemon = start(&dir, text, plane, &log);
        World { dir, daemon, log }
    }

    fn restarted(self, text: &str) -> Self {
        let World { dir, daemon, .. } = self;
        drop(daemon);
        World::of(dir, text, Ok(Boxed::new()))
    }

    fn ask<T>(&mut self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, ControlError> {
        let (reply, mut answer) = oneshot::channel();
        self.daemon.command(command(reply)).give();
        answer
            .try_recv()
            .expect("every command is answered at once")
    }

    fn put(
        &mut self,
        source: Source,
        document: Document,
        precondition: Precondition,
        dry_run: bool,
    ) -> Result<Applied, ControlError> {
        self.ask(|reply| Command::PutDocument {
            source,
            document,
            precondition,
            dry_run,
            terms: Terms::default(),
            actor: actor(),
            reply,
        })
    }

    fn put_api(&mut self, vips: &[u8]) -> Result<Applied, ControlError> {
        self.put(
            Source::Api,
            document(vips, &BACKENDS),
            Precondition::None,
            false,
        )
    }

    fn attach(&mut self, interface: &str) -> Result<InterfaceStatus, ControlError> {
        let (interface, how) = (interface.to_owned(), AttachAs::default());
        self.ask(|reply| Command::Attach {
            interface,
            how,
            actor: actor(),
            reply,
        })
    }

    fn detach(&mut self, interface: &str) -> Result<(), ControlError> {
        let interface = interface.to_owned();
        self.ask(|reply| Command::Detach {
            interface,
            actor: actor(),
            reply,
        })
    }

    /// Ports that the plane serves.
    fn served(&self) -> usize {
        self.daemon
            .reconciler
            .as_ref()
            .unwrap()
            .plane()
            .twin
            .tables
            .image
            .services
            .len()
    }

    fn attached(&self) -> Vec<String> {
        let interfaces = self
            .daemon
            .state
            .interfaces
            .iter()
            .filter(|interface| interface.attached);
        interfaces.map(|interface| interface.name.clone()).collect()
    }
}

fn actor() -> Actor {
    Actor {
        who: "tester".into(),
        from: "unix".into(),
    }
}

fn start(
    dir: &TempDir,
    text: &str,
    plane: Result<Boxed, String>,
    log: &Arc<EventLog>,
) -> Daemon<Boxed> {
    let options = Options {
        state_dir: Some(dir.path().into()),
        ..Options::default()
    };
    let config = Config::parse(text, None, &options).unwrap();
    let stored = Store::open(dir.path()).unwrap();
    let facts = Boxed::new().facts;
    let mut daemon = Daemon::new(
        options,
        config,
        stored,
        plane,
        Vec::new(),
        Arc::default(),
        Events::new(log.clone()),
    );
    daemon.facts_changed(&facts);
    daemon
}

const BOTH: &str = "interfaces: [{name: eth0}, {name: eth1}]\n";

#[test]
fn a_document_is_stored_and_programmed_when_it_is_answered_and_outlives_a_restart() {
    let mut world = World::new(BOTH);
    let applied = world.put_api(&[80, 81]).unwrap();
    assert_eq!(
        (applied.generation, applied.changes.len(), world.served()),
        (1, 2, 2)
    );
    let state = world.daemon.state();
    assert_eq!(state::degraded(&state), (2, 0));
    assert_eq!(state.readiness, Readiness::Ready);
    let mut world = world.restarted(BOTH);
    assert_eq!(world.served(), 2);
    assert_eq!(world.put_api(&[80]).unwrap().generation, 2);
}

#[test]
fn the_same_document_again_is_no_change() {
    let mut world = World::new(BOTH);
    world.put_api(&[80]).unwrap();
    let again = world.put_api(&[80]).unwrap();
    assert_eq!((again.generation, again.changes.len()), (1, 0));
}

#[test]
fn a_trial_changes_nothing() {
    let mut world = World::new(BOTH);
    let tried = world
        .put(
            Source::Api,
            document(&[80], &BACKENDS),
            Precondition::None,
            true,
        )
        .unwrap();
    assert_eq!(
        (tried.generation, tried.changes.len(), world.served()),
        (0, 1, 0)
    );
    assert!(world.daemon.state().documents.is_empty());
}

#[test]
fn a_stale_generation_is_refused() {
    let mut world = World::new(BOTH);
    let first = lb_api::control::Generation(world.put_api(&[80]).unwrap().generation);
    world.put_api(&[81]).unwrap();
    let stale = Precondition::Generation(vec![first]);
    let refused = world.put(Source::Api, document(&[82], &BACKENDS), stale, false);
    assert!(
        matches!(
            refused,
            Err(ControlError::Precondition { current: Some(_) })
        ),
        "{refused:?}"
    );
    assert_eq!(world.served(), 1);
}

#[test]
fn a_document_that_cannot_be_stored_changes_nothing() {
    let mut world = World::new(BOTH);
    world.put_api(&[80]).unwrap();
    // Where the next directory goes is a file: root is stopped by nothing less.
    std::fs::write(world.dir.path().join("documents/blocked"), "").unwrap();
    let blocked = Source::Named("blocked".into());
    let refused = world.put(
        blocked,
        document(&[90], &BACKENDS),
        Precondition::None,
        false,
    );
    assert!(
        matches!(refused, Err(ControlError::Storage { .. })),
        "{refused:?}"
    );
    assert_eq!(world.served(), 1);
    assert_eq!(world.put_api(&[80, 81]).unwrap().generation, 2);
}

#[test]
fn a_document_that_tables_have_no_room_for_is_refused() {
    let mut world = World::new("limits: {services: 2}\n");
    let refused = world.put_api(&[80, 81, 82]);
    assert!(
        matches!(refused, Err(ControlError::TooLarge { .. })),
        "{refused:?}"
    );
}

#[test]
fn the_document_of_the_file_is_the_files_to_change() {
    let services = "services: [{vip: 10.1.0.80, port: 80, protocol: tcp}]\n";
    let mut world = World::new(services);
    let refused = world.put(
        Source::File,
        document(&[81], &BACKENDS),
        Precondition::None,
        false,
    );
    assert!(
        matches!(refused, Err(ControlError::Conflict { .. })),
        "{refused:?}"
    );
    let edit = Edit::PutService(
        document(&[80], &BACKENDS)
            .services()
            .next()
            .cloned()
            .unwrap(),
    );
    let refused = world.ask(|reply| Command::Edit {
        edit,
        precondition: Precondition::None,
        dry_run: false,
        actor: actor(),
        reply,
    });
    assert!(
        matches!(refused, Err(ControlError::Conflict { .. })),
        "{refused:?}"
    );
    assert_eq!(world.daemon.state().services[0].source, "file");
}

#[test]
fn a_removed_document_is_gone_also_after_a_restart_and_its_number_is_not_used_again() {
    let mut world = World::new(BOTH);
    world.put_api(&[80]).unwrap();
    let delete = |world: &mut World| {
        world.ask(|reply| Command::DeleteDocument {
            source: Source::Api,
            precondition: Precondition::None,
            dry_run: false,
            actor: actor(),
            reply,
        })
    };
    delete(&mut world).unwrap();
    assert_eq!(world.served(), 0);
    assert!(matches!(
        delete(&mut world),
        Err(ControlError::NotFound { .. })
    ));
    let mut world = world.restarted(BOTH);
    assert_eq!(world.served(), 0);
    assert_eq!(world.put_api(&[80]).unwrap().generation, 3);
}

#[test]
fn an_edit_makes_the_document_api() {
    let mut world = World::new(BOTH);
    let service: Service = document(&[80], &BACKENDS)
        .services()
        .next()
        .cloned()
        .unwrap();
    let create = |world: &mut World| {
        let edit = Edit::CreateService(service.clone());
        let precondition = Precondition::None;
        world.ask(|reply| Command::Edit {
            edit,
            precondition,
            dry_run: false,
            actor: actor(),
            reply,
        })
    };
    assert_eq!(create(&mut world).unwrap().source, "api");
    assert!(matches!(
        create(&mut world),
        Err(ControlError::Conflict { .. })
    ));
    assert_eq!(world.served(), 1);
}

#[test]
fn what_was_attached_by_hand_is_attached_after_a_restart() {
    let mut world = World::new("");
    assert!(world.attach("eth1").unwrap().attached);
    let world = world.restarted("");
    assert_eq!(world.attached(), ["eth1"]);
}

#[test]
fn what_was_detached_by_hand_stays_detached_though_the_file_lists_it() {
    let mut world = World::new(BOTH);
    world.detach("eth0").unwrap();
    assert_eq!(world.attached(), ["eth1"]);
    let mut world = world.restarted(BOTH);
    assert_eq!(world.attached(), ["eth1"]);
    let eth0 = world
        .daemon
        .state()
        .interfaces
        .iter()
        .find(|interface| interface.name == "eth0")
        .cloned()
        .unwrap();
    assert!(
        eth0.message.contains("loxictl attach eth0"),
        "{}",
        eth0.message
    );
    world.attach("eth0").unwrap();
    assert_eq!(world.restarted(BOTH).attached(), ["eth0", "eth1"]);
}

#[test]
fn interfaces_that_are_not_there_or_not_attached_are_not_found() {
    let mut world = World::new("");
    assert!(matches!(
        world.attach("eth7"),
        Err(ControlError::NotFound { .. })
    ));
    assert!(matches!(
        world.detach("eth0"),
        Err(ControlError::NotFound { .. })
    ));
}

#[test]
fn without_a_plane_documents_are_kept_and_status_says_why_nothing_is_programmed() {
    let dir = TempDir::new().unwrap();
    let mut world = World::of(dir, BOTH, Err("the kernel rejects the program".into()));
    world.put_api(&[80]).unwrap();
    let state = world.daemon.state();
    assert_eq!(
        state.readiness,
        Readiness::NotReady("the kernel rejects the program".into())
    );
    assert_eq!(state::degraded(&state), (1, 1));
    assert!(matches!(
        world.attach("eth0"),
        Err(ControlError::Unavailable { .. })
    ));
    assert_eq!(world.restarted(BOTH).served(), 1);
}

#[test]
fn damaged_files_are_in_status() {
    let mut world = World::new(BOTH);
    world.put_api(&[80]).unwrap();
    world.put_api(&[81]).unwrap();
    std::fs::write(
        world
            .dir
            .path()
            .join(format!("documents/api/{:020}.yaml", 2)),
        "half a f",
    )
    .unwrap();
    let world = world.restarted(BOTH);
    assert_eq!(world.served(), 1);
    let warnings = world.daemon.state().status.warnings.join("\n");
    assert!(
        warnings.contains("damaged") && warnings.contains("generation 1 is used"),
        "{warnings}"
    );
}

#[test]
fn metrics_have_every_reason_and_each_family_once() {
    let mut world = World::new(BOTH);
    world.put_api(&[80]).unwrap();
    world.daemon.tick();
    let text = world.ask(|reply| Command::Metrics { reply }).unwrap();
    for line in [
        "loxid_ready 1",
        "loxid_drops_total{reason=\"no_backend\"} 0",
        "loxid_passes_total{reason=\"not_service\"} 0",
        "loxid_config_apply_total{result=\"ok\"} 1",
        "loxid_config_generation 1",
        "loxid_service_packets_total{direction=\"in\",protocol=\"tcp\",service=\"10.1.0.80:80/tcp\"} 0",
        "loxid_backend_weight{backend=\"10.2.0.2:8080\",service=\"10.1.0.80:80/tcp\",source=\"api\"} 1",
        "loxid_backend_up{backend=\"10.2.0.2:8080\",service=\"10.1.0.80:80/tcp\",source=\"api\"} 1",
        "loxid_service_backends{service=\"10.1.0.80:80/tcp\",source=\"api\",state=\"active\"} 2",
        "loxid_service_backends{service=\"10.1.0.80:80/tcp\",source=\"api\",state=\"draining\"} 0",
        "loxid_snat_ports_max 22528",
        "loxid_interface_xdp_mode{interface=\"eth0\",mode=\"native\"} 1",
        "loxid_conn_capacity{table=\"conn4\"} 132",
        "loxid_conn_capacity{table=\"conn6\"} 132",
        "loxid_conn_entries{table=\"conn6\"} 0",
        "loxid_table_entries{table=\"sources\"} 0",
        "loxid_affinity_evictions_total 0",
        "loxid_backend_load{backend=\"10.2.0.2:8080\",protocol=\"tcp\"} 0",
        "loxid_drops_total{reason=\"source_denied\"} 0",
        "loxid_reconcile_corrections_total{kind=\"backend\"} 0",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }
    let mut families: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("# TYPE"))
        .collect();
    let count = families.len();
    families.dedup();
    assert_eq!(families.len(), count);
}

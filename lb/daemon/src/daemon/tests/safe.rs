//! Changes that can be taken back: confirmation, history, rollback, and what is told of them.

use std::time::Duration;

use lb_api::control::Generation;
use lb_api::wire::{Comment, Confirmation, HistoryAction, HistoryDetail, HistoryEntry};

use super::*;

impl World {
    /// With a time to confirm in, if there is one.
    fn put_with(&mut self, vips: &[u8], seconds: Option<u64>) -> Result<Applied, ControlError> {
        self.put_terms(Source::Api, vips, seconds)
    }

    fn put_terms(
        &mut self,
        source: Source,
        vips: &[u8],
        seconds: Option<u64>,
    ) -> Result<Applied, ControlError> {
        let document = document(vips, &BACKENDS);
        let terms = Terms {
            comment: Some(Comment::new("comment", "a trial").unwrap()),
            confirm: seconds.map(Duration::from_secs),
        };
        self.ask(|reply| Command::PutDocument {
            source,
            document,
            precondition: Precondition::None,
            dry_run: false,
            terms,
            actor: actor(),
            reply,
        })
    }

    fn confirm(&mut self, precondition: Precondition) -> Result<Confirmation, ControlError> {
        self.ask(|reply| Command::Confirm {
            precondition,
            actor: actor(),
            reply,
        })
    }

    fn revert(&mut self) -> Result<Applied, ControlError> {
        self.ask(|reply| Command::Revert {
            precondition: Precondition::None,
            actor: actor(),
            reply,
        })
    }

    fn rollback(&mut self, generation: u64, dry_run: bool) -> Result<Applied, ControlError> {
        self.ask(|reply| Command::Rollback {
            generation: Generation(generation),
            precondition: Precondition::None,
            dry_run,
            terms: Terms::default(),
            actor: actor(),
            reply,
        })
    }

    fn detail(&mut self, generation: u64) -> Result<HistoryDetail, ControlError> {
        let generation = Generation(generation);
        self.ask(|reply| Command::HistoryDetail { generation, reply })
    }

    fn history(&self) -> Vec<HistoryEntry> {
        self.daemon.state().history.to_vec()
    }

    fn waits(&self) -> Option<Confirmation> {
        self.daemon.state().status.confirmation.clone()
    }

    /// The file that says what waits, made as if so much time had passed.
    fn let_pass(&self, seconds: u64) {
        let (mut store, loaded) = Store::open(self.dir.path()).unwrap();
        let mut waiting = loaded.waiting.unwrap();
        waiting.deadline.boot_ms -= seconds * 1000;
        store.put_waiting(&waiting).unwrap();
    }

    fn told(&self) -> Vec<String> {
        let (mut cursor, _) = self.log.after(None);
        let found = self.log.read(&mut cursor).events;
        found.iter().map(|event| event.name.clone()).collect()
    }
}

fn blocked(result: Result<impl std::fmt::Debug, ControlError>) -> lb_api::wire::Problem {
    match result {
        Err(ControlError::Blocked(problem) | ControlError::Gone(problem)) => problem,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_change_that_is_not_confirmed_is_taken_back_in_time() {
    let mut world = World::new(BOTH);
    world.put_api(&[80]).unwrap();
    let begun = Instant::now();
    let applied = world.put_with(&[80, 81], Some(60)).unwrap();
    assert_eq!((applied.generation, world.served()), (2, 2));
    assert!(applied.confirm_until.is_some());
    let due = world.daemon.confirmation_at().unwrap();
    let span = due.duration_since(begun);
    assert!(
        span >= Duration::from_secs(60) && span < Duration::from_secs(61),
        "{span:?}"
    );
    let waits = world.waits().unwrap();
    assert_eq!(
        (waits.generation, waits.before, waits.source.as_str()),
        (2, 1, "api")
    );
    let warning = &world.daemon.state().status.warnings[0];
    assert!(warning.contains("loxictl confirm"), "{warning}");
    // The loop calls this when it is due.
    world.daemon.confirmation_due();
    assert_eq!(
        (
            world.served(),
            world.waits(),
            world.daemon.confirmation_at()
        ),
        (1, None, None)
    );
    let newest = world.history().remove(0);
    assert_eq!(
        (newest.generation, newest.action, newest.of),
        (3, HistoryAction::Revert, Some(1))
    );
    assert!(
        newest
            .comment
            .unwrap()
            .contains("not confirmed within 60 s")
    );
    let world = world.restarted(BOTH);
    assert_eq!((world.served(), world.waits()), (1, None));
}

#[test]
fn a_change_that_is_confirmed_stays() {
    let mut world = World::new(BOTH);
    world.put_with(&[80, 81], Some(60)).unwrap();
    let other = world.confirm(Precondition::Generation(vec![Generation(7)]));
    assert!(
        matches!(other, Err(ControlError::Precondition { .. })),
        "{other:?}"
    );
    let confirmed = world
        .confirm(Precondition::Generation(vec![Generation(1)]))
        .unwrap();
    assert_eq!((confirmed.generation, confirmed.before), (1, 0));
    assert_eq!(
        (world.waits(), world.daemon.confirmation_at()),
        (None, None)
    );
    let mut world = world.restarted(BOTH);
    assert_eq!((world.served(), world.waits()), (2, None));
    world.daemon.confirmation_due();
    assert_eq!(world.served(), 2);
}

#[test]
fn the_time_to_confirm_in_goes_on_over_a_restart() {
    let mut world = World::new(BOTH);
    world.put_api(&[80]).unwrap();
    world.put_with(&[80, 81], Some(60)).unwrap();
    world.let_pass(40);
    let mut world = world.restarted(BOTH);
    assert_eq!((world.served(), world.waits().unwrap().generation), (2, 2));
    let left = world.daemon.confirmation_at().unwrap() - Instant::now();
    assert!(
        left > Duration::from_secs(10) && left <= Duration::from_secs(20),
        "{left:?}"
    );
    world.daemon.confirmation_due();
    assert_eq!(world.served(), 1);
}

#[test]
fn a_change_whose_time_ended_while_nobody_ran_is_taken_back_before_anything_is_forwarded() {
    let mut world = World::new(BOTH);
    world.put_api(&[80]).unwrap();
    world.put_with(&[80, 81], Some(60)).unwrap();
    world.let_pass(61);
    let world = world.restarted(BOTH);
    assert_eq!((world.served(), world.waits()), (1, None));
    assert_eq!(world.history()[0].action, HistoryAction::Revert);
    assert!(!world.dir.path().join("confirm/waiting.yaml").exists());
}

#[test]
fn a_first_document_that_is_not_confirmed_is_gone_again() {
    let mut world = World::new(BOTH);
    world.put_with(&[80], Some(5)).unwrap();
    world.daemon.confirmation_due();
    assert!(world.daemon.state().documents.is_empty());
    assert_eq!(world.history()[0].of, Some(0));
    assert!(world.restarted(BOTH).daemon.state().documents.is_empty());
}

#[test]
fn nothing_is_built_on_what_may_be_taken_back_but_other_documents_go_on() {
    let mut world = World::new(BOTH);
    world.put_api(&[80]).unwrap();
    world.put_with(&[81], Some(60)).unwrap();
    let refused = blocked(world.put_api(&[82]));
    assert!(
        refused.message.contains("generation 2 of document api"),
        "{refused}"
    );
    assert!(refused.remedy.unwrap().contains("--cancel"));
    assert!(blocked(world.rollback(1, false)).rule.contains("waits"));
    let other = Source::Named("other".into());
    let second = blocked(world.put_terms(other.clone(), &[90], Some(60)));
    assert_eq!(
        (second.field.as_str(), second.rule.as_str()),
        ("confirm", "one change waits at a time")
    );
    world.put_terms(other, &[90], None).unwrap();
    assert_eq!(world.served(), 2);
    let reverted = world.revert().unwrap();
    assert_eq!((reverted.generation, reverted.changes.len()), (4, 2));
    assert_eq!(world.served(), 2);
    world.put_api(&[82]).unwrap();
}

#[test]
fn what_is_no_change_and_what_is_only_tried_waits_for_nobody() {
    let mut world = World::new(BOTH);
    world.put_api(&[80]).unwrap();
    assert_eq!(world.put_with(&[80], Some(60)).unwrap().confirm_until, None);
    assert_eq!(world.waits(), None);
    assert!(!world.dir.path().join("confirm/waiting.yaml").exists());
}

#[test]
fn confirming_and_cancelling_nothing_says_what_is_so_and_changes_nothing() {
    let mut world = World::new(BOTH);
    world.put_api(&[80]).unwrap();
    let refused = blocked(world.confirm(Precondition::None));
    assert_eq!(refused.field, "confirmation");
    assert!(
        refused
            .message
            .contains("generation 1 of document api stays already"),
        "{refused}"
    );
    assert!(
        refused.remedy.as_ref().unwrap().contains("loxictl history"),
        "{refused}"
    );
    blocked(world.revert());
    assert_eq!((world.served(), world.history().len()), (1, 1));
}

#[test]
fn a_change_whose_confirmation_cannot_be_stored_is_not_made() {
    let mut world = World::new(BOTH);
    world.put_api(&[80]).unwrap();
    // Where its directory goes is a file: root is stopped by nothing less.
    std::fs::write(world.dir.path().join("confirm"), "").unwrap();
    let refused = world.put_with(&[81, 82], Some(60));
    assert!(
        matches!(refused, Err(ControlError::Storage { .. })),
        "{refused:?}"
    );
    assert_eq!((world.served(), world.waits()), (1, None));
}

#[test]
fn what_cannot_be_stored_is_taken_back_all_the_same_and_after_a_restart_too() {
    let mut world = World::new(BOTH);
    world.put_api(&[80]).unwrap();
    world.put_with(&[80, 81], Some(60)).unwrap();
    let documents = world.dir.path().join("documents");
    let aside = world.dir.path().join("aside");
    std::fs::rename(documents.join("api"), &aside).unwrap();
    std::fs::write(documents.join("api"), "").unwrap();
    world.daemon.confirmation_due();
    assert_eq!(world.served(), 1, "it is taken back where it matters");
    assert!(world.told().contains(&"revert_not_stored".to_owned()));
    assert!(
        world.daemon.confirmation_at().is_some(),
        "storing is tried again"
    );
    blocked(world.confirm(Precondition::None));
    std::fs::remove_file(documents.join("api")).unwrap();
    std::fs::rename(&aside, documents.join("api")).unwrap();
    world.let_pass(61);
    assert_eq!(world.restarted(BOTH).served(), 1);
}

#[test]
fn history_has_who_why_and_what_and_rolling_back_is_a_generation_of_its_own() {
    let mut world = World::new(BOTH);
    world.put_api(&[80]).unwrap();
    world.put_with(&[80, 81], None).unwrap();
    let tried = world.rollback(1, true).unwrap();
    assert_eq!(
        (tried.dry_run, tried.changes.len(), world.served()),
        (true, 1, 2)
    );
    let rolled = world.rollback(1, false).unwrap();
    assert_eq!((rolled.generation, world.served()), (3, 1));
    assert_eq!(
        world.rollback(3, false).unwrap().generation,
        3,
        "it is what there is"
    );
    let history = world.history();
    let generations: Vec<u64> = history.iter().map(|entry| entry.generation).collect();
    assert_eq!(generations, [3, 2, 1]);
    assert_eq!(
        (history[0].action, history[0].of, history[0].current),
        (HistoryAction::Rollback, Some(1), true)
    );
    assert_eq!(history[1].comment.as_deref(), Some("a trial"));
    assert_eq!(history[1].author.as_deref(), Some("tester (unix)"));
    assert_eq!(history[1].summary, "1 added: 10.1.0.81:80/tcp");
    let detail = world.detail(2).unwrap();
    assert_eq!((detail.before, detail.changes.len()), (1, 1));
    assert_eq!(detail.document.unwrap().services.len(), 2);
}

#[test]
fn a_generation_that_is_gone_cannot_be_rolled_back_to_and_a_removed_document_comes_back() {
    let mut world = World::new(BOTH);
    world.put_api(&[80]).unwrap();
    let gone = blocked(world.rollback(7, false));
    assert_eq!(gone.field, "generation");
    assert!(
        gone.message.contains('7') && gone.rule.contains("1 to 1"),
        "{gone}"
    );
    assert!(gone.remedy.unwrap().contains("loxictl history"));
    assert_eq!((world.served(), world.history().len()), (1, 1));
    world
        .ask(|reply| Command::DeleteDocument {
            source: Source::Api,
            precondition: Precondition::None,
            dry_run: false,
            actor: actor(),
            reply,
        })
        .unwrap();
    assert_eq!(world.served(), 0);
    world.rollback(1, false).unwrap();
    assert_eq!(world.served(), 1);
    world.rollback(2, false).unwrap();
    assert_eq!(world.served(), 0);
}

#[test]
fn what_is_done_and_what_happens_is_told() {
    let mut world = World::new(BOTH);
    world.put_api(&[80]).unwrap();
    world.put_with(&[80, 81], Some(60)).unwrap();
    world.confirm(Precondition::None).unwrap();
    world.rollback(1, false).unwrap();
    world.detach("eth0").unwrap();
    world.attach("eth0").unwrap();
    // Somebody changes the tables behind the daemon's back.
    let plane = world.daemon.reconciler.as_mut().unwrap().plane_mut();
    plane.twin.tables.image.services.clear();
    world.daemon.tick();
    let mut facts = Boxed::new().facts;
    crate::testing::take_link(&mut facts, "eth1");
    for facts in [facts, Boxed::new().facts] {
        let plane = world.daemon.reconciler.as_mut().unwrap().plane_mut();
        plane.facts = facts.clone();
        world.daemon.facts_changed(&facts);
    }
    let told = world.told();
    for (name, times) in [
        ("started", 1),
        ("document_applied", 2),
        ("confirmation_awaited", 1),
        ("change_confirmed", 1),
        ("document_rolled_back", 1),
        ("interface_detached", 1),
        ("interface_attached", 1),
        ("tables_repaired", 1),
        ("interface_gone", 1),
        ("interface_back", 1),
        ("service_down", 1),
        ("service_up", 1),
    ] {
        let found = told.iter().filter(|one| *one == name).count();
        assert_eq!(found, times, "{name} in {told:?}");
    }
}

#[test]
fn a_log_of_a_new_daemon_has_its_start() {
    assert_eq!(World::new(BOTH).told()[0], "started");
}

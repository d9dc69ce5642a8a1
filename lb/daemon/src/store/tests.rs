#![allow(clippy::unwrap_used)]

use lb_api::wire::{HistoryAction, Timestamp};
use proptest::prelude::*;
use tempfile::TempDir;

use super::journal::KEPT;
use super::*;
use crate::confirm::Deadline;

fn document(port: u16) -> Document {
    let service = format!("services: [{{vip: 10.0.0.1, port: {port}, protocol: tcp}}]");
    read_document(&service).unwrap()
}

fn record(comment: &str) -> Record {
    Record {
        time: Timestamp(1_795_278_912_042),
        author: "root (uid 0) (unix)".into(),
        action: HistoryAction::Apply,
        of: None,
        summary: "1 added: 10.0.0.1:1/tcp".into(),
        comment: Some(comment.to_owned()).filter(|comment| !comment.is_empty()),
    }
}

fn open(dir: &TempDir) -> (Store, Loaded) {
    Store::open(dir.path()).unwrap()
}

/// A store that held documents with ports 1 to `count`, and the newest file.
fn filled(count: u16) -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let (mut store, _) = open(&dir);
    for port in 1..=count {
        store
            .put_document(&Source::Api, Some(&document(port)), record(""))
            .unwrap();
    }
    let newest = dir.path().join(format!("documents/api/{count:020}.yaml"));
    assert!(newest.exists());
    (dir, newest)
}

fn stored(loaded: &Loaded) -> Option<&Document> {
    loaded
        .documents
        .get(&Source::Api)
        .map(|stored| &*stored.document)
}

#[test]
fn what_was_stored_is_there_after_a_restart() {
    let dir = TempDir::new().unwrap();
    let (mut store, _) = open(&dir);
    let sources = [
        Source::Api,
        Source::Kube("prod".into()),
        Source::Named("a-1".into()),
    ];
    for (port, source) in (1..).zip(&sources) {
        store
            .put_document(source, Some(&document(port)), record(""))
            .unwrap();
    }
    let worker = AttachAs {
        datapath: wire::Datapath::AfXdp,
        mode: wire::AttachMode::Native,
    };
    let interfaces = Interfaces {
        attached: [("eth0".to_owned(), worker)].into(),
        detached: ["eth1".to_owned()].into(),
    };
    store.put_interfaces(&interfaces).unwrap();
    let (mut store, loaded) = open(&dir);
    for ((port, source), generation) in (1..).zip(&sources).zip(1..) {
        let stored = &loaded.documents[source];
        assert_eq!(
            (&*stored.document, stored.generation),
            (&document(port), Generation(generation))
        );
    }
    assert_eq!(loaded.interfaces, interfaces);
    assert_eq!(loaded.warnings, Vec::<String>::new());
    assert_eq!(store.next_generation(), Generation(5));
}

#[test]
fn a_removed_document_stays_removed() {
    let (dir, _) = filled(3);
    let (mut store, _) = open(&dir);
    store
        .put_document(&Source::Api, None, record("it was a trial"))
        .unwrap();
    let (mut store, loaded) = open(&dir);
    assert_eq!(stored(&loaded), None);
    assert_eq!(store.next_generation(), Generation(5));
}

#[test]
fn the_last_generations_are_kept_and_no_others() {
    let (dir, _) = filled(KEPT as u16 + 5);
    let files = std::fs::read_dir(dir.path().join("documents/api"))
        .unwrap()
        .count();
    assert_eq!(files, KEPT);
}

#[test]
fn a_truncated_newest_file_leaves_the_one_before_whatever_its_length() {
    let (_dir, newest) = filled(2);
    let length = std::fs::metadata(&newest).unwrap().len();
    for kept in 0..length {
        let (dir, newest) = filled(2);
        std::fs::OpenOptions::new()
            .write(true)
            .open(&newest)
            .unwrap()
            .set_len(kept)
            .unwrap();
        let (mut store, loaded) = open(&dir);
        assert_eq!(stored(&loaded), Some(&document(1)), "{kept} bytes");
        assert!(
            loaded
                .warnings
                .iter()
                .any(|warning| warning.contains("damaged")),
            "{:?}",
            loaded.warnings
        );
        assert_eq!(
            store.next_generation(),
            Generation(3),
            "a damaged generation is not given out again"
        );
    }
}

#[test]
fn a_crash_while_writing_leaves_the_old_one() {
    let (dir, _) = filled(2);
    for part in [
        "",
        "# loxid generation=3 kind=present sha256=",
        "services: []",
    ] {
        std::fs::write(dir.path().join("documents/api/writing.tmp"), part).unwrap();
        let (mut store, loaded) = open(&dir);
        assert_eq!(stored(&loaded), Some(&document(2)));
        assert_eq!(loaded.warnings, Vec::<String>::new());
        store
            .put_document(
                &Source::Named("other".into()),
                Some(&document(9)),
                record(""),
            )
            .unwrap();
    }
}

#[test]
fn a_store_without_a_whole_generation_says_so_and_opens() {
    let (dir, newest) = filled(1);
    std::fs::write(newest, "").unwrap();
    let (_, loaded) = open(&dir);
    assert_eq!(stored(&loaded), None);
    assert!(
        loaded
            .warnings
            .iter()
            .any(|warning| warning.contains("none is used")),
        "{:?}",
        loaded.warnings
    );
}

#[test]
fn a_write_that_fails_changes_nothing() {
    let (dir, _) = filled(1);
    let (mut store, _) = open(&dir);
    // Root may write everywhere, so that rights would not stop it: a file is where the directory goes.
    std::fs::write(dir.path().join("documents/blocked"), "").unwrap();
    let before = store.generation;
    assert!(
        store
            .put_document(
                &Source::Named("blocked".into()),
                Some(&document(1)),
                record("")
            )
            .is_err()
    );
    assert_eq!(store.generation, before);
    assert_eq!(
        store
            .put_document(&Source::Api, Some(&document(2)), record(""))
            .unwrap(),
        Generation(before + 1)
    );
}

#[test]
fn history_says_who_did_what_when_and_why_also_after_a_restart() {
    let (dir, _) = filled(1);
    let (mut store, _) = open(&dir);
    let rolled_back = Record {
        action: HistoryAction::Rollback,
        of: Some(1),
        comment: Some("the new pool: too slow # really".into()),
        ..record("")
    };
    store
        .put_document(&Source::Api, Some(&document(7)), rolled_back.clone())
        .unwrap();
    store
        .put_document(&Source::Api, None, record("gone"))
        .unwrap();
    let written = store.history();
    let (store, _) = open(&dir);
    let entries = store.history();
    assert_eq!(entries, written);
    let generations: Vec<u64> = entries.iter().map(|entry| entry.generation).collect();
    assert_eq!(generations, [3, 2, 1]);
    assert_eq!(entries[1].comment, rolled_back.comment);
    assert_eq!(
        (entries[1].action, entries[1].of, entries[1].time),
        (HistoryAction::Rollback, Some(1), Some(rolled_back.time))
    );
    assert_eq!(entries[1].author.as_deref(), Some("root (uid 0) (unix)"));
    let current: Vec<bool> = entries.iter().map(|entry| entry.current).collect();
    assert_eq!(current, [true, false, false]);
    let earlier = store.earlier(Generation(2)).unwrap();
    assert_eq!(
        (earlier.source, earlier.document),
        (Source::Api, Some(document(7)))
    );
    assert_eq!(store.earlier(Generation(3)).unwrap().document, None);
    assert_eq!(store.before(&Source::Api, 3), 2);
    assert_eq!(store.before(&Source::Api, 1), 0);
}

#[test]
fn an_author_of_several_lines_stays_on_one() {
    let dir = TempDir::new().unwrap();
    let (mut store, _) = open(&dir);
    let forged = Record {
        author: "eve\nservices: []\n# comment: fine".into(),
        ..record("")
    };
    store
        .put_document(&Source::Api, Some(&document(7)), forged)
        .unwrap();
    let (store, loaded) = open(&dir);
    assert_eq!(stored(&loaded), Some(&document(7)));
    let entry = &store.history()[0];
    assert_eq!(entry.comment, None);
    assert_eq!(
        entry.author.as_deref(),
        Some("eve services: [] # comment: fine")
    );
}

#[test]
fn a_generation_that_is_gone_says_which_are_kept() {
    let (dir, _) = filled(KEPT as u16 + 5);
    let (store, _) = open(&dir);
    let gone = store.earlier(Generation(5)).unwrap_err();
    let kept = Some((6, KEPT as u64 + 5));
    assert_eq!(
        gone,
        GenerationError::Gone {
            generation: 5,
            kept
        }
    );
    assert!(store.earlier(Generation(6)).is_ok());
    assert_eq!(store.history().len(), KEPT);
}

#[test]
fn a_damaged_earlier_generation_costs_that_one_only_and_is_said() {
    let (dir, _) = filled(3);
    let second = dir.path().join(format!("documents/api/{:020}.yaml", 2));
    std::fs::write(second, "half a f").unwrap();
    let (store, loaded) = open(&dir);
    assert_eq!(stored(&loaded), Some(&document(3)));
    assert!(
        loaded.warnings.len() == 1 && loaded.warnings[0].contains("cannot be rolled back to"),
        "{:?}",
        loaded.warnings
    );
    assert!(store.history()[1].damaged.is_some());
    assert!(matches!(
        store.earlier(Generation(2)),
        Err(GenerationError::Damaged { generation: 2, .. })
    ));
    assert_eq!(
        store.earlier(Generation(1)).unwrap().document,
        Some(document(1))
    );
    assert_eq!(store.before(&Source::Api, 3), 1);
}

#[test]
fn files_of_before_there_was_a_record_are_read() {
    let dir = TempDir::new().unwrap();
    let body = "services: [{vip: 10.0.0.1, port: 7, protocol: tcp}]\n";
    let text = file::seal("# loxid generation=4 kind=present", body);
    file::replace(
        &dir.path().join(format!("documents/api/{:020}.yaml", 4)),
        &text,
    )
    .unwrap();
    let (store, loaded) = open(&dir);
    assert_eq!(stored(&loaded), Some(&document(7)));
    assert_eq!(store.history()[0].author, None);
}

fn waiting(generation: u64) -> Waiting {
    Waiting {
        source: "api".into(),
        generation,
        before: 1,
        author: "root (uid 0) (unix)".into(),
        comment: None,
        applied: Timestamp(1_795_278_912_042),
        deadline: Deadline {
            seconds: 60,
            wall: Timestamp(1_795_278_972_042),
            boot: "b00t".into(),
            boot_ms: 61_000,
        },
        document: Some((&document(1)).into()),
    }
}

#[test]
fn a_change_that_waits_is_there_after_a_restart_until_it_is_confirmed() {
    let (dir, _) = filled(2);
    let (mut store, _) = open(&dir);
    store.put_waiting(&waiting(2)).unwrap();
    let (mut store, loaded) = open(&dir);
    assert_eq!(loaded.waiting, Some(waiting(2)));
    store.remove_waiting().unwrap();
    store.remove_waiting().unwrap();
    assert_eq!(open(&dir).1.waiting, None);
}

#[test]
fn what_a_crash_left_waiting_of_a_change_that_was_not_stored_is_nothing() {
    let (dir, _) = filled(2);
    let (mut store, _) = open(&dir);
    store.put_waiting(&waiting(3)).unwrap();
    let (mut store, loaded) = open(&dir);
    assert_eq!((loaded.waiting, loaded.warnings), (None, Vec::new()));
    assert!(!waiting::path(dir.path()).exists());
    let next = store
        .put_document(&Source::Api, Some(&document(9)), record(""))
        .unwrap();
    assert_eq!(next, Generation(4), "its number is not given out again");
    assert_eq!(open(&dir).1.waiting, None);
}

#[test]
fn a_damaged_file_of_what_waits_is_said_and_the_document_stays() {
    let (dir, _) = filled(2);
    let (mut store, _) = open(&dir);
    store.put_waiting(&waiting(2)).unwrap();
    let path = waiting::path(dir.path());
    let whole = std::fs::read_to_string(&path).unwrap();
    std::fs::write(path, whole.replace("before: 1", "before: 7")).unwrap();
    let (_, loaded) = open(&dir);
    assert_eq!(
        (loaded.waiting.is_none(), stored(&loaded)),
        (true, Some(&document(2)))
    );
    assert!(
        loaded.warnings[0].contains("loxictl rollback"),
        "{:?}",
        loaded.warnings
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn flipped_bits_in_the_newest_file_leave_the_one_before(places in prop::collection::vec((0usize..10_000, 0u8..8), 1..4)) {
        let (dir, newest) = filled(2);
        let whole = std::fs::read(&newest).unwrap();
        let mut bytes = whole.clone();
        for (place, bit) in places {
            let place = place % bytes.len();
            bytes[place] ^= 1 << bit;
        }
        std::fs::write(&newest, &bytes).unwrap();
        let (_, loaded) = open(&dir);
        let expected = document(if bytes == whole { 2 } else { 1 });
        prop_assert_eq!(stored(&loaded), Some(&expected));
    }
}

#[test]
fn an_interface_stored_with_a_mode_alone_has_the_datapath_auto() {
    let body = "attached: {eth0: generic}\n";
    let interfaces: Interfaces = lb_api::parse::yaml(body.as_bytes()).unwrap();
    let generic = AttachAs {
        datapath: wire::Datapath::Auto,
        mode: wire::AttachMode::Generic,
    };
    assert_eq!(interfaces.attached["eth0"], generic);
}

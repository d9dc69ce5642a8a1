#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use tempfile::TempDir;

use super::journal::KEPT;
use super::*;

fn document(port: u16) -> Document {
    let service = format!("services: [{{vip: 10.0.0.1, port: {port}, protocol: tcp}}]");
    read_document(&service).unwrap()
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
            .put_document(&Source::Api, Some(&document(port)))
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
        store.put_document(source, Some(&document(port))).unwrap();
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
    store.put_document(&Source::Api, None).unwrap();
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
            .put_document(&Source::Named("other".into()), Some(&document(9)))
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
            .put_document(&Source::Named("blocked".into()), Some(&document(1)))
            .is_err()
    );
    assert_eq!(store.generation, before);
    assert_eq!(
        store
            .put_document(&Source::Api, Some(&document(2)))
            .unwrap(),
        Generation(before + 1)
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

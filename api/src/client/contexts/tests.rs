#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn what_is_saved_is_loaded_and_only_its_owner_reads_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config/loxictl/contexts.yaml");
    assert_eq!(Contexts::load(&path).unwrap(), Contexts::default());
    let context = Context {
        server: "https://edge1:8443".parse().unwrap(),
        credentials: CredentialFiles {
            token_file: Some("/etc/loxictl/token".into()),
            ..CredentialFiles::default()
        },
    };
    let local = Context {
        server: "unix:///run/loxid/loxid.sock".parse().unwrap(),
        credentials: CredentialFiles::default(),
    };
    let contexts = Contexts {
        current: Some("edge1".into()),
        contexts: [("edge1".into(), context), ("here".into(), local)].into(),
    };
    contexts.save(&path).unwrap();
    assert_eq!(Contexts::load(&path).unwrap(), contexts);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("contexts.yaml");
    for (text, reason) in [
        ("contexts:\n  a:\n    server: nowhere\n", "is not a server"),
        ("contexts:\n  a:\n    sever: x\n", "sever"),
        ("current: b\ncontexts: {}\n", "there is no context `b`"),
        ("token: x\n", "unknown field `token`"),
    ] {
        fs::write(&path, text).unwrap();
        let error = Contexts::load(&path).unwrap_err().to_string();
        assert!(
            error.contains(reason) && error.contains("contexts.yaml"),
            "{error}"
        );
    }
}

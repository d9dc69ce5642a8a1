#![allow(clippy::unwrap_used)]

use tempfile::TempDir;

use super::*;
use crate::testing::{ALWAYS, Authority, file};

fn https() -> Target {
    "https://edge1.example:8443".parse().unwrap()
}

#[test]
fn a_token_is_read_from_a_file_that_others_may_not_read() {
    let dir = TempDir::new().unwrap();
    let secret = Secret::from_random([7; 32]);
    let text = format!("{}\n", secret.expose());
    let files = |mode| CredentialFiles {
        token_file: Some(file(dir.path(), "token", &text, mode)),
        ..CredentialFiles::default()
    };
    let unix = Target::Unix("/run/x".into());
    let loaded = Credentials::load(&files(0o600), &unix).unwrap();
    assert_eq!(loaded.token(), Some(&secret));
    let error = Credentials::load(&files(0o644), &unix).unwrap_err();
    assert_eq!(error.what, "token file");
    assert!(error.reason.contains("mode 0644"), "{error}");
    assert!(error.remedy.contains("chmod o= "), "{}", error.remedy);
    let shown = format!("{loaded:?} {error} {error:?}");
    assert!(!shown.contains("0707"), "{shown}");
}

#[test]
fn every_file_that_is_of_no_use_is_named_and_its_contents_are_not() {
    let dir = TempDir::new().unwrap();
    let authority = Authority::new();
    let issued = authority.issue("ci", ALWAYS);
    let put = |name: &str, text: &str| Some(file(dir.path(), name, text, 0o600));
    let ca_file = put("ca.pem", &authority.pem);
    let table = [
        (
            CredentialFiles {
                token_file: put("t", "loxid_hush"),
                ..Default::default()
            },
            "token file",
            "has no token",
        ),
        (
            CredentialFiles {
                token_file: Some("/nowhere/token".into()),
                ..Default::default()
            },
            "token file",
            "cannot be read",
        ),
        (
            CredentialFiles {
                ca_file: put("x.pem", "hush"),
                ..Default::default()
            },
            "CA file",
            "has no certificate in PEM",
        ),
        (
            CredentialFiles {
                ca_file: ca_file.clone(),
                certificate_file: put("c.pem", &issued.certificate),
                ..Default::default()
            },
            "certificate file",
            "is missing",
        ),
        (
            CredentialFiles {
                ca_file,
                certificate_file: put("c.pem", &issued.certificate),
                key_file: put("k.pem", "hush"),
                ..Default::default()
            },
            "key file",
            "has no private key",
        ),
    ];
    for (files, what, reason) in table {
        let error = Credentials::load(&files, &https()).unwrap_err();
        assert_eq!(error.what, what);
        let text = format!("{error}; {}", error.remedy);
        assert!(text.contains(reason) && !text.contains("hush"), "{text}");
    }
}

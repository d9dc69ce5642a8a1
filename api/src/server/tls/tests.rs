#![allow(clippy::unwrap_used)]

use tempfile::TempDir;

use super::*;
use crate::testing::{ALWAYS, Authority, Issued, file};

/// 2026-11-21
const NOW: u64 = 1_795_219_200;

struct Files {
    dir: TempDir,
    authority: Authority,
}

impl Files {
    fn new() -> Self {
        let files = Files {
            dir: TempDir::new().unwrap(),
            authority: Authority::new(),
        };
        files.put(&files.authority.issue("edge1.example", ALWAYS));
        files
    }

    fn put(&self, issued: &Issued) {
        file(self.dir.path(), "cert.pem", &issued.certificate, 0o644);
        file(self.dir.path(), "key.pem", &issued.key, 0o640);
    }

    fn names(&self) -> TlsFiles {
        TlsFiles {
            certificate: self.dir.path().join("cert.pem"),
            key: self.dir.path().join("key.pem"),
            client_ca: None,
        }
    }

    fn load(&self) -> Result<Tls, TlsError> {
        Tls::load(self.names(), Role::Viewer, NOW)
    }
}

#[test]
fn a_certificate_is_served_until_it_expires() {
    let files = Files::new();
    let year_4000 = files.load().unwrap().expires();
    assert_eq!(
        Timestamp(year_4000 * 1000).to_string(),
        "4000-01-01T00:00:00.000Z"
    );
    files.put(&files.authority.issue("edge1.example", (2000, 2027)));
    let ends = files.load().unwrap().expires();
    assert!(Tls::load(files.names(), Role::Viewer, ends - 1).is_ok());
    assert!(Tls::load(files.names(), Role::Viewer, ends).is_err());
}

#[test]
fn every_file_that_is_of_no_use_is_named_with_reason_and_remedy() {
    type Spoil = fn(&Files);
    let table: [(Spoil, &str, &str, &str); 10] = [
        (
            |files| files.put(&files.authority.issue("edge1.example", (2000, 2020))),
            "certificate",
            "expired at 2020-01-01",
            "renew it",
        ),
        (
            |files| files.put(&files.authority.issue("edge1.example", (2030, 2040))),
            "certificate",
            "begins at 2030-01-01",
            "look at the clock",
        ),
        (
            |files| drop(file(files.dir.path(), "cert.pem", "no PEM", 0o644)),
            "certificate",
            "has no certificate in PEM",
            "-----BEGIN CERTIFICATE-----",
        ),
        (
            |files| {
                let text = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
                drop(file(files.dir.path(), "cert.pem", text, 0o644));
            },
            "certificate",
            "is no certificate",
            "make it anew",
        ),
        (
            |files| fs::remove_file(files.dir.path().join("cert.pem")).unwrap(),
            "certificate",
            "cannot be read",
            "name a file",
        ),
        (
            |files| {
                let other = files.authority.issue("edge1.example", ALWAYS);
                drop(file(files.dir.path(), "key.pem", &other.key, 0o600));
            },
            "key",
            "is not the key of",
            "the certificate was made for",
        ),
        (
            |files| {
                let key = fs::read_to_string(files.dir.path().join("key.pem")).unwrap();
                drop(file(files.dir.path(), "key.pem", &key, 0o644));
            },
            "key",
            "has mode 0644",
            "chmod o= ",
        ),
        (
            |files| drop(file(files.dir.path(), "key.pem", "no PEM", 0o600)),
            "key",
            "has no private key",
            "private key",
        ),
        (
            |files| drop(file(files.dir.path(), "ca.pem", "no PEM", 0o644)),
            "clientCa",
            "has no certificate in PEM",
            "-----BEGIN CERTIFICATE-----",
        ),
        (|_| {}, "clientCa", "cannot be read", "name a file"),
    ];
    for (spoil, field, reason, remedy) in table {
        let files = Files::new();
        spoil(&files);
        let mut names = files.names();
        if field == "clientCa" {
            names.client_ca = Some(files.dir.path().join("ca.pem"));
        }
        let error = Tls::load(names, Role::Viewer, NOW).unwrap_err();
        assert_eq!(error.field, field, "{error}");
        assert!(error.reason.contains(reason), "{error}");
        assert!(error.remedy.contains(remedy), "{error}");
        let text = error.to_string();
        assert!(text.contains(&error.path.display().to_string()), "{text}");
        assert!(!text.contains("PRIVATE KEY"), "{text}");
    }
}

#[test]
fn files_that_changed_are_served_and_those_that_cannot_be_change_nothing() {
    let files = Files::new();
    let tls = files.load().unwrap();
    let before = tls.config();
    assert_eq!(tls.refresh(NOW), Ok(false));
    assert!(Arc::ptr_eq(&before, &tls.config()));

    let renewed = files.authority.issue("edge1.example", (2000, 2050));
    file(files.dir.path(), "cert.pem", &renewed.certificate, 0o644);
    assert_eq!(
        tls.refresh(NOW).unwrap_err().field,
        "key",
        "one of two files is there"
    );
    assert!(Arc::ptr_eq(&before, &tls.config()));
    assert_eq!(tls.problem().unwrap().field, "key");
    assert_eq!(tls.refresh(NOW), Ok(false), "it is said once");

    file(files.dir.path(), "key.pem", &renewed.key, 0o600);
    assert_eq!(tls.refresh(NOW), Ok(true));
    assert!(!Arc::ptr_eq(&before, &tls.config()));
    assert_eq!(tls.problem(), None);
    assert_eq!(
        Timestamp(tls.expires() * 1000).to_second(),
        "2050-01-01 00:00:00"
    );

    fs::remove_file(files.dir.path().join("cert.pem")).unwrap();
    assert!(tls.refresh(NOW).is_err());
    assert_eq!(
        Timestamp(tls.expires() * 1000).to_second(),
        "2050-01-01 00:00:00"
    );
}

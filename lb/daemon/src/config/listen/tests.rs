#![allow(clippy::unwrap_used)]

use std::fs::{Permissions, set_permissions, write};
use std::os::unix::fs::PermissionsExt;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tempfile::TempDir;

use crate::cli::Options;
use crate::config::Config;

/// `cert.pem`, `key.pem`, `other.pem` (another key), `open.pem` (a key that others may read) and
/// `old.pem` (an expired certificate of the key).
fn files() -> TempDir {
    let dir = TempDir::new().unwrap();
    let put = |name: &str, text: &str, mode| {
        let path = dir.path().join(name);
        write(&path, text).unwrap();
        set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    let key = KeyPair::generate().unwrap();
    let certificate = |last| {
        let mut params = CertificateParams::new(["edge1".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(last, 1, 1);
        params.self_signed(&key).unwrap().pem()
    };
    put("cert.pem", &certificate(4000), 0o644);
    put("old.pem", &certificate(2020), 0o644);
    put("key.pem", &key.serialize_pem(), 0o640);
    put("open.pem", &key.serialize_pem(), 0o644);
    put(
        "other.pem",
        &KeyPair::generate().unwrap().serialize_pem(),
        0o600,
    );
    dir
}

fn parse(dir: &TempDir, text: &str) -> Result<Config, String> {
    let text = text.replace("DIR", &dir.path().display().to_string());
    let parsed = Config::parse(&text, Some("f".into()), &Options::default());
    parsed.map_err(|error| error.to_string())
}

#[test]
fn a_listener_beyond_loopback_has_certificate_and_key() {
    let dir = files();
    let text = "api:\n  listen:\n    - {address: '0.0.0.0:8443', certificate: DIR/cert.pem, key: DIR/key.pem}\n";
    let config = parse(&dir, text).unwrap();
    assert_eq!(config.listen[0].address.to_string(), "0.0.0.0:8443");
    assert_eq!(config.listen[0].files.key, dir.path().join("key.pem"));
    assert_eq!(config.listen[0].client_role, lb_api::server::Role::Viewer);
}

#[test]
fn every_listener_that_is_not_safe_is_refused_with_place_value_rule_and_remedy() {
    let dir = files();
    let table: [(&str, &[&str]); 11] = [
        (
            "{address: '0.0.0.0:8443'}",
            &[
                "f:3:17: ",
                "0.0.0.0:8443 has no TLS",
                "no certificate",
                "name certificate and key",
            ],
        ),
        (
            "{address: '[::]:8443', certificate: DIR/cert.pem}",
            &["has no TLS", "there is no key"],
        ),
        (
            "{address: 'edge1', certificate: DIR/cert.pem, key: DIR/key.pem}",
            &["api.listen[0].address: \"edge1\"", "ADDRESS:PORT"],
        ),
        (
            "{address: '[::]:1', certificate: DIR/old.pem, key: DIR/key.pem}",
            &[
                "api.listen[0].certificate: ",
                "expired at 2020-01-01",
                "renew it",
            ],
        ),
        (
            "{address: '[::]:1', certificate: DIR/none.pem, key: DIR/key.pem}",
            &[
                "api.listen[0].certificate: ",
                "none.pem cannot be read",
                "name a file",
            ],
        ),
        (
            "{address: '[::]:1', certificate: DIR/key.pem, key: DIR/key.pem}",
            &["api.listen[0].certificate: ", "has no certificate in PEM"],
        ),
        (
            "{address: '[::]:1', certificate: DIR/cert.pem, key: DIR/other.pem}",
            &[
                "api.listen[0].key: ",
                "other.pem is not the key of",
                "cert.pem",
            ],
        ),
        (
            "{address: '[::]:1', certificate: DIR/cert.pem, key: DIR/open.pem}",
            &[
                "api.listen[0].key: ",
                "has mode 0644",
                "accessible to others",
                "chmod o= ",
            ],
        ),
        (
            "{address: '[::]:1', certificate: cert.pem, key: DIR/key.pem}",
            &["api.listen[0].certificate: \"cert.pem\" is not absolute"],
        ),
        (
            "{address: '[::]:1', certificate: DIR/cert.pem, key: DIR/key.pem, clientCa: DIR/key.pem}",
            &["api.listen[0].clientCa: ", "has no certificate in PEM"],
        ),
        (
            "{address: '[::]:1', certificate: DIR/cert.pem, key: DIR/key.pem, clientRole: admin}",
            &["api.listen[0].clientRole: there is no clientCa"],
        ),
    ];
    for (listener, parts) in table {
        let error = parse(&dir, &format!("api:\n  listen:\n    - {listener}\n")).unwrap_err();
        for part in parts {
            assert!(error.contains(part), "{part}: {error}");
        }
        assert!(error.starts_with("f:3:"), "{error}");
        assert!(!error.contains("PRIVATE"), "{error}");
    }
    let two = "{address: '[::]:1', certificate: DIR/cert.pem, key: DIR/key.pem}";
    let error = parse(
        &dir,
        &format!("api:\n  listen:\n    - {two}\n    - {two}\n"),
    )
    .unwrap_err();
    assert!(
        error.contains("api.listen[1].address: [::]:1 is there twice"),
        "{error}"
    );
    let unknown = parse(
        &dir,
        "api:\n  listen:\n    - {address: '[::]:1', cert: x}\n",
    )
    .unwrap_err();
    assert!(unknown.contains("unknown field `cert`"), "{unknown}");
}

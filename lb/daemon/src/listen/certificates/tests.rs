#![allow(clippy::unwrap_used)]

use lb_api::server::{Role, TlsFiles};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tempfile::TempDir;

use super::*;

const DAY: u64 = 86_400;

/// A certificate that ends with this year, shown by one listener.
fn certificates(dir: &TempDir, last: i32, now: u64) -> Certificates {
    put(dir, last);
    let files = TlsFiles {
        certificate: dir.path().join("cert.pem"),
        key: dir.path().join("key.pem"),
        client_ca: None,
    };
    let tls = Tls::load(files, Role::Viewer, now).unwrap();
    Certificates::new(vec![("192.0.2.10:8443".parse().unwrap(), Arc::new(tls))])
}

fn put(dir: &TempDir, last: i32) {
    use std::os::unix::fs::PermissionsExt;
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["edge1".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(last + 1, 1, 1);
    let certificate = params.self_signed(&key).unwrap();
    let path = dir.path().join("key.pem");
    std::fs::write(dir.path().join("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(&path, key.serialize_pem()).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// 2027-01-01
const END: u64 = 1_798_761_600;

#[test]
fn a_certificate_is_worth_a_warning_two_weeks_before_it_expires_and_after() {
    let dir = TempDir::new().unwrap();
    let certificates = certificates(&dir, 2026, END - 60 * DAY);
    let warnings = |now| certificates.warnings(now).join("\n");
    assert_eq!(warnings(END - 15 * DAY), "");
    let soon = warnings(END - 14 * DAY);
    assert!(
        soon.contains("expires at 2027-01-01") && soon.contains("renew it"),
        "{soon}"
    );
    let late = warnings(END);
    assert!(late.contains("expired at 2027-01-01"), "{late}");
    put(&dir, 2030);
    certificates.refresh(END);
    assert_eq!(warnings(END), "");
}

#[test]
fn files_that_cannot_be_shown_are_a_warning_until_they_can() {
    let dir = TempDir::new().unwrap();
    let certificates = certificates(&dir, 2030, END);
    std::fs::write(dir.path().join("cert.pem"), "hush").unwrap();
    certificates.refresh(END);
    certificates.refresh(END);
    let warnings = certificates.warnings(END).join("\n");
    assert!(warnings.contains("has no certificate in PEM"), "{warnings}");
    assert!(!warnings.contains("hush"), "{warnings}");
    put(&dir, 2030);
    certificates.refresh(END);
    assert_eq!(certificates.warnings(END), Vec::<String>::new());
}

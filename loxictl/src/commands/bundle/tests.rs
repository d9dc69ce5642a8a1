#![allow(clippy::unwrap_used)]

use std::io::Read;

use serde_json::json;

use super::*;

/// A secret of every kind that a configuration or a document can hold.
const SECRETS: [&str; 8] = [
    "inline-hash-secret",
    "hash-secret-of-a-file",
    "loxid_00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC",
    "udp-community-string",
    "answer-with-password",
    "query-token-5551",
    "url-password",
];

fn configuration(dir: &std::path::Path) -> String {
    let secret_file = dir.join("hash.secret");
    let key_file = dir.join("key.pem");
    std::fs::write(&secret_file, format!("{}\n", SECRETS[1])).unwrap();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        SECRETS[3]
    );
    std::fs::write(&key_file, pem).unwrap();
    format!(
        "# an old one: {}\nhashSecret: {}\nhashSecretFile: {}\napi:\n  listen:\n  - {{address: '0.0.0.0:1', key: {}}}\n\
         upstream: 'https://user:{}@example.org/x'\n\
         services:\n- vip: 20.20.20.1\n  check: {{type: udp, send: {}, expect: {}, path: '/health?t={}'}}\n",
        SECRETS[2],
        SECRETS[0],
        secret_file.display(),
        key_file.display(),
        SECRETS[7],
        SECRETS[4],
        SECRETS[5],
        SECRETS[6],
    )
}

/// Everything in an archive, names and texts.
fn unpacked(path: &std::path::Path) -> Vec<(String, String)> {
    let file = std::fs::File::open(path).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let entry = |entry: std::io::Result<tar::Entry<'_, _>>| {
        let mut entry: tar::Entry<'_, flate2::read::GzDecoder<std::fs::File>> = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        (name, text)
    };
    archive.entries().unwrap().map(entry).collect()
}

#[test]
fn no_secret_of_the_configuration_is_in_the_archive_wherever_it_turns_up() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("loxid.yaml");
    std::fs::write(&config, configuration(dir.path())).unwrap();
    let mut parts = Parts::default();
    parts.configuration(&config);
    // What loxid says may repeat them: in a document, a warning, an event, a metric's label.
    let echo: Vec<String> = SECRETS
        .iter()
        .map(|secret| format!("cannot use `{secret}`!"))
        .collect();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
        SECRETS[3]
    );
    parts.value(
        "status.json",
        Ok(json!({
            "warnings": echo[..6],
            "key": "20.20.20.1:80/tcp",
            "spec": { "check": { "send": SECRETS[4], "path": format!("/x?{}", SECRETS[6]) } },
            "pem": pem,
        })),
    );
    parts.text("metrics.txt", echo[..6].join("\n"));
    let path = dir.path().join("bundle.tar.gz");
    let now = Timestamp(1_795_278_912_042);
    archive::write(&path, &parts.finish(now), now).unwrap();

    let files = unpacked(&path);
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "configuration.yaml",
            "status.json",
            "metrics.txt",
            "left-out.txt",
            "README.txt"
        ]
        .map(|name| format!("loxid-bundle/{name}"))
    );
    for (name, text) in &files {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{name} has {secret}:\n{text}");
        }
    }
    let all: String = files.into_iter().map(|(_, text)| text).collect();
    for kept in [
        "20.20.20.1:80/tcp",
        "hash.secret",
        "0.0.0.0:1",
        "example.org",
        redact::REMOVED,
    ] {
        assert!(all.contains(kept), "{kept} is not in\n{all}");
    }
}

#[test]
fn an_archive_is_its_owners_and_overwrites_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bundle.tar.gz");
    let parts = [Part {
        name: "a.txt".into(),
        text: "a".into(),
    }];
    archive::write(&path, &parts, Timestamp(0)).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = archive::write(&path, &parts, Timestamp(0)).unwrap_err();
    assert_eq!(again.kind(), std::io::ErrorKind::AlreadyExists);
}

#[test]
fn a_configuration_that_cannot_be_read_is_left_out_and_said() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("loxid.yaml");
    std::fs::write(&config, "hashSecret: [unclosed").unwrap();
    let mut parts = Parts::default();
    parts.configuration(&config);
    assert!(parts.parts.is_empty());
    assert!(
        parts.missing[0].contains("not valid"),
        "{:?}",
        parts.missing
    );
}

#[test]
fn certificates_stay_and_private_keys_go() {
    let text = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n\
        -----BEGIN EC PRIVATE KEY-----\nBBBB\n-----END EC PRIVATE KEY-----\nrest -----BEGIN PRIVATE KEY-----\nCCCC";
    let scrubbed = Secrets::default().scrub(text);
    assert!(
        scrubbed.contains("AAAA") && scrubbed.contains("rest"),
        "{scrubbed}"
    );
    assert!(
        !scrubbed.contains("BBBB") && !scrubbed.contains("CCCC"),
        "{scrubbed}"
    );
    let json = serde_json::json!({ "pem": text }).to_string();
    let scrubbed = Secrets::default().scrub(&json);
    assert!(
        scrubbed.contains("AAAA") && !scrubbed.contains("BBBB"),
        "{scrubbed}"
    );
}

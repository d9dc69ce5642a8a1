#![allow(clippy::unwrap_used)]

use super::*;

/// A service as YAML.
fn service(vip: &str, port: u16, rest: &str) -> String {
    format!("services:\n  - {{ vip: {vip}, port: {port}, protocol: tcp{rest} }}\n")
}

fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

fn read(path: &Path) -> Result<Document> {
    Files {
        files: vec![path.to_owned()],
    }
    .read()
}

fn keys(document: &Document) -> Vec<String> {
    document.services.iter().map(key).collect()
}

#[test]
fn a_directory_is_one_document_of_its_yaml_and_json_files() {
    let json = r#"{"services":[{"vip":"3.3.3.3","port":3,"protocol":"udp"}]}"#;
    let directory = directory(&[
        ("b.yml", &service("2.2.2.2", 2, "")),
        ("a.yaml", &service("1.1.1.1", 1, "")),
        ("c.json", json),
        ("README.md", "no document"),
        (".hidden.yaml", "no document"),
    ]);
    assert_eq!(
        keys(&read(directory.path()).unwrap()),
        ["1.1.1.1:1/tcp", "2.2.2.2:2/tcp", "3.3.3.3:3/udp"]
    );
}

#[test]
fn a_service_in_two_files_is_an_error_that_names_both() {
    let directory = directory(&[
        ("a.yaml", &service("1.1.1.1", 1, "")),
        ("b.yaml", &service("1.1.1.1", 1, "")),
    ]);
    let failure = read(directory.path()).unwrap_err();
    let text = failure.to_string();
    assert_eq!(failure.kind, crate::failure::Kind::Usage);
    assert!(
        text.contains("service 1.1.1.1:1/tcp")
            && text.contains("a.yaml")
            && text.contains("b.yaml"),
        "{text}"
    );
}

#[test]
fn a_name_in_two_files_is_an_error_that_names_both() {
    let directory = directory(&[
        ("a.yaml", &service("1.1.1.1", 1, ", name: web")),
        ("b.yaml", &service("1.1.1.1", 2, ", name: web")),
    ]);
    let text = read(directory.path()).unwrap_err().to_string();
    assert!(
        text.contains("`web`") && text.contains("a.yaml") && text.contains("b.yaml"),
        "{text}"
    );
}

#[test]
fn an_ipv4_and_an_ipv6_service_of_two_files_may_share_a_name() {
    let directory = directory(&[
        ("a.yaml", &service("1.1.1.1", 1, ", name: web")),
        ("b.yaml", &service("\"2001:db8::1\"", 1, ", name: web")),
    ]);
    assert_eq!(read(directory.path()).unwrap().services.len(), 2);
}

#[test]
fn wrong_files_are_errors_that_say_what_and_where() {
    for (file, text, wanted) in [
        ("a.yaml", "services:\n  - vip: [", "a.yaml: line "),
        ("a.yaml", "services: []\nsurprise: 1\n", "surprise"),
        ("a.yaml", "services: []\nservices: []\n", "services"),
        ("a.json", "{\"services\": [}", "a.json: line 1, column 15"),
        ("a.json", "services: []", "a.json: line 1"),
        (
            "a.yaml",
            "services:\n  - { vip: 1.1.1.1, port: 65536, protocol: tcp }\n",
            "a.yaml: services[0].port: port 65536",
        ),
        (
            "a.yaml",
            "services:\n  - { vip: 1.1.1.1, port: 1, protocol: icmp }\n",
            "a.yaml: services[0].port: port 1 with protocol icmp",
        ),
        (
            "a.yaml",
            "services:\n  - { vip: 1.1.1.1, port: 1, protocol: sctp }\n",
            "sctp",
        ),
    ] {
        let directory = directory(&[(file, text)]);
        let failure = read(&directory.path().join(file)).unwrap_err();
        assert_eq!(failure.kind, crate::failure::Kind::Usage);
        assert!(failure.to_string().contains(wanted), "{text}: {failure}");
    }
}

#[test]
fn a_directory_without_documents_is_not_an_empty_document() {
    let directory = directory(&[("notes.txt", "")]);
    assert!(
        read(directory.path())
            .unwrap_err()
            .to_string()
            .contains("no *.yaml")
    );
}

#[test]
fn what_is_not_there_or_not_text_is_an_error() {
    let directory = directory(&[]);
    assert!(
        read(&directory.path().join("missing.yaml"))
            .unwrap_err()
            .to_string()
            .contains("missing.yaml")
    );
    std::fs::write(directory.path().join("binary.yaml"), [0xff, 0xfe]).unwrap();
    assert!(
        read(directory.path())
            .unwrap_err()
            .to_string()
            .contains("binary.yaml")
    );
}

#[test]
fn a_key_has_one_spelling() {
    let parsed = |text: &str| {
        key(&lb_api::parse::yaml::<Document>(text.as_bytes())
            .unwrap()
            .services[0])
    };
    assert_eq!(
        parsed(&service("20.20.20.1", 2020, "")),
        "20.20.20.1:2020/tcp"
    );
    assert_eq!(
        parsed(&service("\"2001:DB8:0::1\"", 80, "")),
        "[2001:db8::1]:80/tcp"
    );
    assert_eq!(
        parsed(&service("20.20.20.1", 80, ", portMax: 90")),
        "20.20.20.1:80-90/tcp"
    );
    assert_eq!(
        parsed(&service("20.20.20.1", 80, ", portMax: 80")),
        "20.20.20.1:80/tcp"
    );
    assert_eq!(
        parsed(&service("\"2001:db8::1\"", 0, "")),
        "[2001:db8::1]:*/tcp"
    );
    let ping = "services: [{ vip: \"2001:db8:0::1\", protocol: icmp }]";
    assert_eq!(parsed(ping), "2001:db8::1/icmp");
}

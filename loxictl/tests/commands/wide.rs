//! An appliance elsewhere: TLS, tokens in files, and contexts.

use std::fs::{Permissions, read_to_string, set_permissions, write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::Arc;

use lb_api::server::{Role, Tls, TlsFiles};
use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use crate::appliance::{Appliance, Run, ended};

struct Elsewhere {
    appliance: Appliance,
    dir: TempDir,
}

impl Elsewhere {
    /// Its certificate is its own CA's, in `ca.pem`.
    fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        let put = |name: &str, text: &str| {
            let path = dir.path().join(name);
            write(&path, text).unwrap();
            set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            path
        };
        let files = TlsFiles {
            certificate: put("ca.pem", &certificate),
            key: put("key.pem", &key.serialize_pem()),
            client_ca: None,
        };
        // Of rcgen's certificates none has begun before 1975 or ends before 4096.
        let tls = Tls::load(files, Role::Viewer, 1_795_219_200).unwrap();
        let appliance = Appliance::start_with(Role::Admin, Some(Arc::new(tls)));
        Self { appliance, dir }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// Runs `loxictl`; `URL`, and `DIR` for the directory with its files, are filled in.
    fn run(&self, words: &str) -> Run {
        let words = words
            .replace("URL", self.appliance.wide.as_ref().unwrap())
            .replace("DIR", &self.dir.path().display().to_string());
        let child = Command::new(env!("CARGO_BIN_EXE_loxictl"))
            .args(words.split_whitespace())
            .env_remove("LOXID_SERVER")
            .env("LOXICTL_CONTEXTS", self.path("config/contexts.yaml"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        ended(child.unwrap())
    }

    /// Makes a token in a file of its name.
    fn token(&self, name: &str, role: &str) -> String {
        let file = self.path(name);
        let made = self
            .appliance
            .loxictl(&format!("token create {name} --role {role} --out {file}"));
        assert_eq!(made.code, 0, "{made:?}");
        read_to_string(file).unwrap().trim().to_owned()
    }
}

const REMOTE: &str = "--server URL --ca-file DIR/ca.pem";

#[test]
fn a_token_is_made_printed_once_listed_and_revoked() {
    let appliance = Appliance::start(Role::Admin);
    let made = appliance.loxictl("token create ci --role operator --expires 30d");
    assert_eq!(made.code, 0, "{made:?}");
    let secret = made.stdout.trim().to_owned();
    assert!(
        secret.starts_with("loxid_") && secret.len() == 70,
        "{made:?}"
    );
    assert!(
        made.stderr.contains("token ci made: operator, expires "),
        "{made:?}"
    );
    let listed = appliance.loxictl("token list");
    assert!(
        listed.stdout.contains("ci     operator"),
        "{}",
        listed.stdout
    );
    assert!(!listed.stdout.contains(&secret[6..]), "{}", listed.stdout);
    assert_eq!(appliance.loxictl("token list -o name").stdout, "ci\n");
    assert_eq!(appliance.loxictl("token revoke ci").code, 0);
    assert_eq!(appliance.loxictl("token list -o name").stdout, "");
}

#[test]
fn a_file_for_a_token_is_its_owners_alone_and_never_somebody_elses() {
    let elsewhere = Elsewhere::start();
    let secret = elsewhere.token("ci", "viewer");
    assert!(secret.starts_with("loxid_"));
    let mode = std::fs::metadata(elsewhere.path("ci"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let file = elsewhere.path("ci");
    let again = elsewhere
        .appliance
        .loxictl(&format!("token create other --role viewer --out {file}"));
    assert_eq!(again.code, 4, "{again:?}");
    assert!(again.stderr.contains("is there already"), "{again:?}");
    let list = elsewhere.appliance.loxictl("token list -o name");
    assert_eq!(list.stdout, "ci\n", "no token was made that nobody has");
}

#[test]
fn an_appliance_elsewhere_is_asked_with_a_token_over_tls() {
    let elsewhere = Elsewhere::start();
    elsewhere.token("viewer", "viewer");
    elsewhere.token("operator", "operator");
    let looked = elsewhere.run(&format!("{REMOTE} --token-file DIR/viewer get lb"));
    assert_eq!(looked.code, 0, "{looked:?}");
    let create = "create lb 20.20.20.1 --tcp=2020:8080 --endpoints=31.31.31.1:1";
    let refused = elsewhere.run(&format!("{REMOTE} --token-file DIR/viewer {create}"));
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused.stderr.contains("this needs the role operator"),
        "{refused:?}"
    );
    let made = elsewhere.run(&format!("{REMOTE} --token-file DIR/operator {create}"));
    assert_eq!(made.code, 0, "{made:?}");
    let attach = elsewhere.run(&format!("{REMOTE} --token-file DIR/operator attach eth0"));
    assert!(
        attach.stderr.contains("this needs the role admin"),
        "{attach:?}"
    );
}

#[test]
fn contexts_name_appliances_and_one_of_them_is_current() {
    let elsewhere = Elsewhere::start();
    elsewhere.token("viewer", "viewer");
    let add = "context add edge1 --server URL --ca-file DIR/ca.pem --token-file DIR/viewer";
    assert_eq!(elsewhere.run("context list").stdout, "");
    assert_eq!(elsewhere.run(add).code, 0);
    assert_eq!(elsewhere.run(add).code, 4, "it is there");
    assert_eq!(
        elsewhere
            .run("context add here --server unix:///nowhere/x.sock")
            .code,
        0
    );

    assert_eq!(elsewhere.run("--context edge1 get lb").code, 0);
    assert_eq!(elsewhere.run("--context here get lb").code, 6);
    let unknown = elsewhere.run("--context edge9 get lb");
    assert_eq!(unknown.code, 3, "{unknown:?}");
    assert!(
        unknown.stderr.contains("there are edge1, here"),
        "{unknown:?}"
    );

    assert_eq!(elsewhere.run("context use edge1").code, 0);
    assert_eq!(elsewhere.run("get lb").code, 0);
    let list = elsewhere.run("context list").stdout;
    assert!(
        list.lines()
            .any(|line| line.starts_with("*") && line.contains("edge1")),
        "{list}"
    );
    let other = elsewhere.run("--server URL --ca-file DIR/ca.pem get lb");
    assert_eq!(
        other.code, 1,
        "a context's token is for its server only: {other:?}"
    );
    assert!(other.stderr.contains("there is no token"), "{other:?}");

    assert_eq!(elsewhere.run("context remove edge1").code, 0);
    assert_eq!(elsewhere.run("context list -o name").stdout, "here\n");
    assert_eq!(elsewhere.run("context use edge1").code, 3);
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_remedy_before_anybody_is_asked() {
    let elsewhere = Elsewhere::start();
    elsewhere.token("viewer", "viewer");
    let open = elsewhere.path("open");
    std::fs::copy(elsewhere.path("viewer"), &open).unwrap();
    set_permissions(&open, Permissions::from_mode(0o644)).unwrap();
    write(elsewhere.path("empty"), "").unwrap();
    set_permissions(elsewhere.path("empty"), Permissions::from_mode(0o600)).unwrap();
    for (files, parts) in [
        ("--token-file DIR/open", ["has mode 0644", "chmod o= "]),
        ("--token-file DIR/absent", ["cannot be read", "name a file"]),
        (
            "--token-file DIR/empty",
            ["has no token", "64 hexadecimal digits"],
        ),
        (
            "--token-file DIR/ca.pem",
            ["has no token", "nothing else is in the file"],
        ),
        (
            "--cert-file DIR/ca.pem",
            ["certificate or key is missing", "--key-file"],
        ),
    ] {
        let run = elsewhere.run(&format!("{REMOTE} {files} status"));
        assert_eq!(run.code, 2, "{run:?}");
        for part in parts {
            assert!(run.stderr.contains(part), "{part}: {run:?}");
        }
    }
    let ca = elsewhere.run("--server URL --ca-file DIR/viewer --token-file DIR/viewer status");
    assert!(ca.stderr.contains("CA file") && ca.code == 2, "{ca:?}");
}

#[test]
fn no_secret_is_printed_whatever_goes_wrong() {
    let elsewhere = Elsewhere::start();
    let secret = elsewhere.token("viewer", "viewer");
    let open = elsewhere.path("open");
    std::fs::copy(elsewhere.path("viewer"), &open).unwrap();
    set_permissions(&open, Permissions::from_mode(0o644)).unwrap();
    write(elsewhere.path("spoiled"), format!("{secret}x")).unwrap();
    set_permissions(elsewhere.path("spoiled"), Permissions::from_mode(0o600)).unwrap();
    for words in [
        "--server URL --ca-file DIR/ca.pem --token-file DIR/viewer status",
        "--server URL --ca-file DIR/ca.pem --token-file DIR/viewer token list",
        "--server URL --ca-file DIR/ca.pem --token-file DIR/viewer attach eth0",
        "--server URL --ca-file DIR/ca.pem --token-file DIR/viewer get lb 1.2.3.4:1/tcp",
        "--server URL --ca-file DIR/ca.pem --token-file DIR/spoiled status",
        "--server URL --ca-file DIR/ca.pem --token-file DIR/open status",
        "--server URL --ca-file DIR/viewer status",
        "--server URL --token-file DIR/viewer status",
        "--server https://127.0.0.1:1 --ca-file DIR/ca.pem --token-file DIR/viewer status",
        "--server http://192.0.2.1:1 --token-file DIR/viewer status",
        "context add edge1 --server URL --token-file DIR/viewer",
        "context list -o yaml",
    ] {
        let run = elsewhere.run(words);
        let text = run.stdout + &run.stderr;
        assert!(!text.contains(&secret[6..]), "{words}: {text}");
    }
    let contexts = read_to_string(elsewhere.path("config/contexts.yaml")).unwrap();
    assert!(
        contexts.contains("viewer") && !contexts.contains(&secret[6..]),
        "{contexts}"
    );
    let argument = elsewhere.run(&format!("--token {secret} status"));
    assert_eq!(argument.code, 2, "there is no such option: {argument:?}");
    assert!(!argument.stderr.contains(&secret[6..]), "{argument:?}");
    let url = elsewhere.run(&format!("--server https://me:{secret}@localhost:1 status"));
    assert_eq!(url.code, 2, "{url:?}");
    assert!(!url.stderr.contains(&secret[6..]), "{url:?}");
}

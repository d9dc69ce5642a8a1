//! Who may drive the box from elsewhere, and what a start is refused for.

use std::fs::{Permissions, read_to_string, set_permissions, write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use lb_tests::daemon::{Daemon, binary};
use lb_tests::datapath::Datapath;
use lb_tests::topology::Topology;
use lb_tests::traffic::get;
use lb_tests::wait::until;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tempfile::TempDir;

use super::{Site, WEB};

const URL: &str = "https://10.0.0.1:8443";

/// Files of an operator: a key, its certificate, and ones that are of no use.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(TempDir::new().unwrap());
        files.renew("ca.pem");
        files.put(
            "old.pem",
            &certificate(&KeyPair::generate().unwrap(), 2020),
            0o644,
        );
        let key = read_to_string(files.path("key.pem")).unwrap();
        files.put("open.pem", &key, 0o644);
        files.put(
            "other.pem",
            &KeyPair::generate().unwrap().serialize_pem(),
            0o600,
        );
        files
    }

    /// Another certificate of another key, which is its own CA: in `ca`, too.
    fn renew(&self, ca: &str) {
        let key = KeyPair::generate().unwrap();
        let certificate = certificate(&key, 4000);
        self.put(ca, &certificate, 0o644);
        self.put("cert.pem", &certificate, 0o644);
        self.put("key.pem", &key.serialize_pem(), 0o600);
    }

    fn put(&self, name: &str, text: &str, mode: u32) {
        write(self.path(name), text).unwrap();
        set_permissions(self.path(name), Permissions::from_mode(mode)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Configuration with a listener of these files.
    fn listen(&self, certificate: &str, key: &str) -> String {
        let (certificate, key) = (self.path(certificate), self.path(key));
        format!(
            "interfaces: [{{name: front}}, {{name: back1}}]\napi:\n  listen:\n    - address: 0.0.0.0:8443\n      \
             certificate: {}\n      key: {}\n",
            certificate.display(),
            key.display()
        )
    }

    /// `loxictl` from the client's network, with the token of this file.
    fn loxictl(&self, topology: &Topology, ca: &str, token: Option<&str>, words: &str) -> Output {
        let mut command = topology.client.command(binary("loxictl"));
        command
            .args(["--server", URL, "--ca-file"])
            .arg(self.path(ca));
        if let Some(token) = token {
            command.arg("--token-file").arg(self.path(token));
        }
        command.args(words.split_whitespace()).output().unwrap()
    }
}

fn certificate(key: &KeyPair, last: i32) -> String {
    let mut params = CertificateParams::new(["10.0.0.1".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(last, 1, 1);
    params.self_signed(key).unwrap().pem()
}

/// What it says to a start that it refuses.
fn refused(daemon: &Daemon, configuration: &str) -> String {
    daemon.configure(configuration).unwrap();
    let output = daemon.command().output().unwrap();
    let talk = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{configuration}: {talk}");
    talk
}

fn talk(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The text of every file below a directory.
fn contents(directory: &Path) -> String {
    let entries = std::fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let texts = paths.map(|path| match path.is_dir() {
        true => contents(&path),
        false => std::fs::read(path)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default(),
    });
    texts.collect()
}

#[test]
#[ignore = "needs root: run make test"]
fn a_start_that_would_open_the_box_is_refused_and_forwarding_goes_on() {
    let mut site = Site::routed(Datapath::Xdp, 1);
    site.web("");
    site.daemon.stop().unwrap();
    let files = Files::new();
    let table = [
        (
            "api: {listen: [{address: '0.0.0.0:8443'}]}\n".to_owned(),
            [
                "api.listen[0].address: 0.0.0.0:8443 has no TLS",
                "name certificate and key",
            ],
        ),
        (
            "api: {tcp: {address: '0.0.0.0:11111'}}\n".to_owned(),
            [
                "api.tcp.address: \"0.0.0.0:11111\" is not on loopback",
                "api.listen",
            ],
        ),
        (
            files.listen("old.pem", "key.pem"),
            ["expired at 2020-01-01", "renew it"],
        ),
        (
            files.listen("cert.pem", "open.pem"),
            ["open.pem has mode 0644", "chmod o= "],
        ),
        (
            files.listen("cert.pem", "other.pem"),
            [
                "other.pem is not the key of",
                "that the certificate was made for",
            ],
        ),
        (
            files.listen("cert.pem", "key.pem"),
            [
                "0.0.0.0:8443 is for nobody, because there is no token",
                "loxictl token create",
            ],
        ),
    ];
    for (configuration, parts) in table {
        let talk = refused(&site.daemon, &configuration);
        for part in parts {
            assert!(talk.contains(part), "{part}: {talk}");
        }
        get(&site.topology.client, WEB).unwrap();
    }
}

#[test]
#[ignore = "needs root: run make test"]
fn a_box_is_driven_from_elsewhere_by_those_who_have_a_token() {
    let mut site = Site::routed(Datapath::Xdp, 1);
    let files = Files::new();
    for (name, role) in [("ops", "operator"), ("eye", "viewer")] {
        let file = files.path(name);
        let words = format!("token create {name} --role {role} --out {}", file.display());
        site.daemon.loxictl(&words).unwrap();
    }
    site.daemon.stop().unwrap();
    let listening = files.listen("cert.pem", "key.pem");
    site.daemon.configure(&listening).unwrap();
    site.daemon.launch().unwrap();

    let ask = |ca: &str, token: Option<&str>, words: &str| {
        files.loxictl(&site.topology, ca, token, words)
    };
    let create = "create lb 20.0.0.1 --tcp=80:8080 --endpoints=31.0.1.1:1";
    let nobody = ask("ca.pem", None, "status");
    assert!(talk(&nobody).contains("there is no token"), "{nobody:?}");
    let viewer = ask("ca.pem", Some("eye"), create);
    assert!(
        talk(&viewer).contains("this needs the role operator"),
        "{viewer:?}"
    );
    let operator = ask("ca.pem", Some("ops"), create);
    assert!(operator.status.success(), "{operator:?}");
    let attach = ask("ca.pem", Some("ops"), "detach front");
    assert!(
        talk(&attach).contains("this needs the role admin"),
        "{attach:?}"
    );
    site.daemon.programmed().unwrap();
    get(&site.topology.client, WEB).unwrap();

    // A renewed certificate is shown without a restart.
    files.renew("new-ca.pem");
    until("the renewed certificate to be shown", || {
        let output = ask("new-ca.pem", Some("eye"), "get lb -o name");
        Ok(output.status.success().then_some(()))
    })
    .unwrap();
    // One that is of no use is not, and said.
    files.put("cert.pem", "hush", 0o644);
    until("the broken certificate to be a warning", || {
        let status = site.daemon.get("/v1/status")?.1;
        let warnings = status["warnings"].to_string();
        Ok(warnings.contains("has no certificate in PEM").then_some(()))
    })
    .unwrap();
    assert!(ask("new-ca.pem", Some("eye"), "get lb").status.success());
    files.renew("new-ca.pem");

    // Tokens outlive a crash; a revoked one is over at once.
    site.daemon.kill().unwrap();
    site.daemon.launch().unwrap();
    let ask = |token: &str| files.loxictl(&site.topology, "new-ca.pem", Some(token), "get lb");
    assert!(ask("ops").status.success());
    site.daemon.loxictl("token revoke ops").unwrap();
    let revoked = ask("ops");
    assert!(
        talk(&revoked).contains("none of this appliance's"),
        "{revoked:?}"
    );
    assert!(ask("eye").status.success());

    let log = site.daemon.log();
    for part in [
        "document api: add 20.0.0.1:80/tcp",
        "who=\"token ops\" role=\"operator\" from=\"10.0.0.2:",
        "token ops revoked",
    ] {
        assert!(log.contains(part), "{part}: {log}");
    }
    let metrics = site.daemon.get("/metrics").unwrap().1;
    let metrics = metrics.as_str().unwrap_or_default();
    for part in [
        "loxid_api_auth_failures_total 1",
        "loxid_api_request_duration_seconds_bucket",
        "code=\"401\",route=\"/v1/services\"",
    ] {
        assert!(metrics.contains(part), "{part}: {metrics}");
    }
    let everything = log + &contents(site.daemon.directory());
    for name in ["ops", "eye"] {
        let secret = read_to_string(files.path(name)).unwrap();
        let random = secret.trim().trim_start_matches("loxid_");
        assert_eq!(random.len(), 64);
        assert!(
            !everything.contains(random),
            "the secret of {name} was written down"
        );
    }
}

//! A listener with TLS, and clients with tokens and certificates.

use std::path::PathBuf;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::client::{Client, ClientError, CredentialFiles, Credentials, Target};
use crate::server::{Limits, Listener, Tls, TlsFiles, serve};
use crate::testing::{ALWAYS, Authority, file};
use crate::wire::{Attach, AttachMode, Datapath, NewToken, Role as WireRole};

struct Wide {
    dir: TempDir,
    authority: Authority,
    tls: Arc<Tls>,
    port: u16,
    requests: Arc<Requests>,
    router: Router,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Wide {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Wide {
    async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let authority = Authority::new();
        let issued = authority.issue("localhost", ALWAYS);
        let files = TlsFiles {
            certificate: file(dir.path(), "cert.pem", &issued.certificate, 0o644),
            key: file(dir.path(), "key.pem", &issued.key, 0o600),
            client_ca: Some(file(dir.path(), "ca.pem", &authority.pem, 0o644)),
        };
        let tls = Arc::new(Tls::load(files, Role::Operator, crate::server::tokens::now()).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (handle, _fake) = Fake::start();
        let requests = Arc::new(Requests::default());
        let router = router(handle, requests.clone());
        let listeners = vec![Listener::Tls(listener, tls.clone())];
        let serving = serve(listeners, router.clone(), Limits::default(), |connection| {
            drop(tokio::spawn(connection))
        });
        Self {
            dir,
            authority,
            tls,
            port,
            requests,
            router,
            task: tokio::spawn(serving),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn client(&self, files: &CredentialFiles) -> Client {
        let target: Target = format!("https://localhost:{}", self.port).parse().unwrap();
        let credentials = Credentials::load(files, &target).unwrap();
        Client::with_credentials(target, credentials)
    }

    fn trusting(&self) -> CredentialFiles {
        CredentialFiles {
            ca_file: Some(self.path("ca.pem")),
            ..CredentialFiles::default()
        }
    }

    /// The files of a client with a token of this role.
    async fn with_token(&self, name: &str, role: &str) -> CredentialFiles {
        let body = format!(r#"{{"name":"{name}","role":"{role}"}}"#);
        let made = ask(&self.router, "POST /v1/tokens", &body).await.json();
        let secret = made["secret"].as_str().unwrap();
        CredentialFiles {
            token_file: Some(file(self.dir.path(), name, secret, 0o600)),
            ..self.trusting()
        }
    }
}

fn status_of(error: ClientError) -> u16 {
    match error {
        ClientError::Api(error) => error.status,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_client_with_a_token_may_what_its_role_may_over_tls() {
    let wide = Wide::start().await;
    let admin = wide.client(&wide.with_token("admin", "admin").await);
    let viewer = wide.client(&wide.with_token("viewer", "viewer").await);
    let attach = Attach {
        name: "eth0".into(),
        mode: AttachMode::Auto,
        datapath: Datapath::Auto,
    };
    assert_eq!(viewer.status().await.unwrap().version, "0.1.0");
    assert_eq!(status_of(viewer.attach(&attach).await.unwrap_err()), 403);
    assert!(admin.attach(&attach).await.unwrap().attached);

    let asked = NewToken {
        name: "ci".into(),
        role: WireRole::Operator,
        expires_in: Some(60),
    };
    let created = admin.create_token(&asked).await.unwrap();
    assert!(created.secret.starts_with("loxid_"));
    assert!(!format!("{created:?}").contains(&created.secret));
    let names: Vec<String> = admin
        .tokens()
        .await
        .unwrap()
        .items
        .into_iter()
        .map(|t| t.name)
        .collect();
    assert_eq!(names, ["admin", "ci", "viewer"]);
    admin.revoke_token("ci").await.unwrap();
    assert_eq!(status_of(admin.revoke_token("ci").await.unwrap_err()), 404);
}

#[tokio::test]
async fn nobody_gets_in_without_a_token() {
    let wide = Wide::start().await;
    let error = wide.client(&wide.trusting()).status().await.unwrap_err();
    assert!(
        error.to_string().contains("loxictl --token-file"),
        "{error}"
    );
    assert_eq!(status_of(error), 401);
    assert_eq!(wide.requests.auth_failures(), 1);
}

#[tokio::test]
async fn a_certificate_of_the_clients_ca_stands_for_a_token() {
    let wide = Wide::start().await;
    let own = |authority: &Authority, name: &str| {
        let issued = authority.issue(name, ALWAYS);
        CredentialFiles {
            certificate_file: Some(file(wide.dir.path(), "own.pem", &issued.certificate, 0o644)),
            key_file: Some(file(wide.dir.path(), "own.key", &issued.key, 0o600)),
            ..wide.trusting()
        }
    };
    let client = wide.client(&own(&wide.authority, "controller"));
    let diff: crate::wire::Document = crate::parse::json(web_document().as_bytes()).unwrap();
    let source = "kube/prod".parse().unwrap();
    let options = crate::client::ChangeOptions::default();
    client.put_document(&source, &diff, &options).await.unwrap();
    assert_eq!(
        status_of(client.tokens().await.unwrap_err()),
        403,
        "it is an operator's"
    );

    let stranger = wide.client(&own(&Authority::new(), "controller"));
    let error = stranger.status().await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_the_next_client_without_a_restart() {
    let wide = Wide::start().await;
    let files = wide.with_token("viewer", "viewer").await;
    wide.client(&files).status().await.unwrap();

    let other = Authority::new();
    let renewed = other.issue("localhost", ALWAYS);
    file(wide.dir.path(), "cert.pem", &renewed.certificate, 0o644);
    file(wide.dir.path(), "key.pem", &renewed.key, 0o600);
    assert_eq!(wide.tls.refresh(crate::server::tokens::now()), Ok(true));
    let error = wide.client(&files).status().await.unwrap_err().to_string();
    assert!(error.contains("name the CA with --ca-file"), "{error}");
    file(wide.dir.path(), "new-ca.pem", &other.pem, 0o644);
    let files = CredentialFiles {
        ca_file: Some(wide.path("new-ca.pem")),
        ..files
    };
    wide.client(&files).status().await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_not_who_it_should_be_gets_no_token() {
    let wide = Wide::start().await;
    let files = wide.with_token("viewer", "viewer").await;
    let target: Target = format!("https://127.0.0.1:{}", wide.port).parse().unwrap();
    let credentials = Credentials::load(&files, &target).unwrap();
    let error = Client::with_credentials(target, credentials)
        .status()
        .await
        .unwrap_err();
    assert!(error.to_string().contains("for another name"), "{error}");
    let came = wide.requests.snapshot();
    assert!(
        came.iter().all(|count| count.route != "/v1/status"),
        "{came:?}"
    );
}

#[tokio::test]
async fn a_token_is_not_sent_in_the_clear_to_another_box() {
    let wide = Wide::start().await;
    let files = wide.with_token("viewer", "viewer").await;
    let target: Target = "http://192.0.2.1:8443".parse().unwrap();
    let credentials = Credentials::load(&files, &target).unwrap();
    let error = Client::with_credentials(target, credentials)
        .status()
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("not sent in the clear"),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_not_tls_is_not_answered_and_others_are_served_meanwhile() {
    let wide = Wide::start().await;
    let mut plain = TcpStream::connect(("127.0.0.1", wide.port)).await.unwrap();
    let text = b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n";
    plain.write_all(text).await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    // One that says nothing at all holds nobody up.
    let _silent = TcpStream::connect(("127.0.0.1", wide.port)).await.unwrap();
    let viewer = wide.client(&wide.with_token("viewer", "viewer").await);
    viewer.status().await.unwrap();
    let target: Target = format!("http://127.0.0.1:{}", wide.port).parse().unwrap();
    assert!(Client::new(target).status().await.is_err());
}

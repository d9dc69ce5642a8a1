//! Every change, and every refused one, has its line.

use std::io::Write;
use std::sync::Mutex;

use tracing_subscriber::fmt::MakeWriter;

use super::*;

/// What was logged by this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    /// Until the guard is dropped.
    fn start() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(log.clone())
            .with_ansi(false)
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// Those that were written since this was asked last.
    fn take(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        let text = String::from_utf8(bytes).unwrap();
        let audit = text.lines().filter(|line| line.contains("loxid::audit"));
        audit.map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn a_change_says_who_from_where_what_how_it_ended_and_what_it_changed() {
    let (log, _guard) = Log::start();
    let (router, _fake) = server();
    ask(&router, "PUT /v1/documents/api", &web_document()).await;
    let lines = log.take();
    assert_eq!(lines.len(), 1, "{lines:?}");
    for part in [
        "document api: add 20.20.20.1:2020/tcp",
        "who=\"uid 7\"",
        "role=\"admin\"",
        "from=\"unix\"",
        "method=\"PUT\"",
        "path=\"/v1/documents/api\"",
        "code=200",
        "generation=1",
    ] {
        assert!(lines[0].contains(part), "{part}: {lines:?}");
    }
    let table = [
        (
            "DELETE /v1/services/20.20.20.1/2020/tcp",
            "",
            "remove 20.20.20.1:2020/tcp",
        ),
        ("POST /v1/interfaces", r#"{"name":"eth0"}"#, "eth0 attached"),
        ("DELETE /v1/interfaces/eth0", "", "eth0 detached"),
        (
            "POST /v1/tokens",
            r#"{"name":"ci","role":"viewer"}"#,
            "token ci made, viewer",
        ),
        ("DELETE /v1/tokens/ci", "", "token ci revoked"),
        ("DELETE /v1/tokens/ci", "", "refused"),
    ];
    for (line, body, text) in table {
        ask(&router, line, body).await;
        let lines = log.take();
        assert_eq!(lines.len(), 1, "{line}: {lines:?}");
        assert!(lines[0].contains(text), "{line}: {lines:?}");
        assert!(!lines[0].contains("0101"), "a secret: {lines:?}");
    }
}

#[tokio::test]
async fn every_right_beyond_looking_has_a_line_also_for_those_who_lack_it() {
    let (log, _guard) = Log::start();
    let (router, _fake) = server();
    for (method, route, least) in crate::server::rights::RIGHTS {
        let path = route
            .replace("{*source}", "api")
            .replace("{vip}", "20.20.20.1")
            .replace(['{', '}'], "");
        let mut request = request(&format!("{method} {path}"), "");
        request
            .extensions_mut()
            .insert(identity(Some(Role::Viewer)));
        let is_change = *method != "GET" && *least > Role::Viewer;
        if *route == "/v1/events" {
            continue;
        }
        send(&router, request).await;
        let lines = log.take();
        assert_eq!(
            lines.len(),
            usize::from(is_change),
            "{method} {route}: {lines:?}"
        );
        if is_change {
            assert!(lines[0].contains("code=403"), "{lines:?}");
        }
    }
}

#[tokio::test]
async fn trials_and_looks_have_none() {
    let (log, _guard) = Log::start();
    let (router, _fake) = server();
    for (line, body) in [
        ("GET /v1/status", String::new()),
        ("PUT /v1/documents/api?dryRun=true", web_document()),
        ("POST /v1/diff/api", web_document()),
        ("GET /v1/tokens", String::new()),
    ] {
        assert_eq!(ask(&router, line, &body).await.status, 200, "{line}");
        assert_eq!(log.take(), Vec::<String>::new(), "{line}");
    }
}

//! Real questions to real servers, on loopback.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use lb_core::health::{Outcome, Phase, Target};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;

use super::super::certificates::Certificates;
use super::super::probe::{Report, probe};
use super::check;

fn target(to: SocketAddr, yaml: &str) -> Target {
    let (service, backend) = ("20.0.0.1:80/tcp", to.to_string());
    Target::new(
        &service.parse().unwrap(),
        &backend.parse().unwrap(),
        &check(yaml),
    )
    .unwrap()
}

async fn ask(to: SocketAddr, yaml: &str) -> Report {
    probe(&target(to, yaml), &Certificates::default()).await
}

/// A port where nobody listens.
fn closed() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// Answers one connection after another with these bytes; ends with the test's process.
fn http(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let answer = match answer {
                "echo" => format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{request}",
                    request.len()
                ),
                other => other.to_owned(),
            };
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

fn is(report: &Report, outcome: Outcome, phase: Phase, text: &str) {
    let same = (report.outcome, report.phase) == (outcome, phase) && report.text.contains(text);
    assert!(same, "{outcome:?} {phase:?} {text}: {report:?}");
}

#[tokio::test]
async fn tcp_is_a_connection_that_is_accepted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let good = ask(listener.local_addr().unwrap(), "{type: tcp}").await;
    is(&good, Outcome::Passed, Phase::Connect, "L4 ok in ");
    let bad = ask(closed(), "{type: tcp}").await;
    is(
        &bad,
        Outcome::Failed,
        Phase::Connect,
        "L4 connection refused",
    );
}

#[tokio::test]
async fn another_port_may_be_asked() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let good = ask(closed(), &format!("{{type: tcp, port: {port}}}")).await;
    is(&good, Outcome::Passed, Phase::Connect, "L4 ok");
}

#[tokio::test]
async fn http_is_judged_by_its_status() {
    let good = http("HTTP/1.1 204 No Content\r\n\r\n");
    let bad = http("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
    is(
        &ask(good, "{type: http}").await,
        Outcome::Passed,
        Phase::Status,
        "HTTP 204 in ",
    );
    is(
        &ask(bad, "{type: http}").await,
        Outcome::Failed,
        Phase::Status,
        "HTTP 503 in ",
    );
    let wanted = "{type: http, expectStatus: ['503']}";
    is(
        &ask(bad, wanted).await,
        Outcome::Passed,
        Phase::Status,
        "HTTP 503 in ",
    );
    is(
        &ask(good, wanted).await,
        Outcome::Failed,
        Phase::Status,
        "HTTP 204 in ",
    );
}

#[tokio::test]
async fn http_is_judged_by_its_body() {
    let server = http(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nall \r\n4\r\ngood\r\n0\r\n\r\n",
    );
    let good = ask(server, "{type: http, expectBody: all good}").await;
    is(&good, Outcome::Passed, Phase::Body, "HTTP 200");
    let bad = ask(server, "{type: http, expectBody: all bad}").await;
    is(&bad, Outcome::Failed, Phase::Body, "without `all bad`");
}

#[tokio::test]
async fn http_asks_for_the_path_at_the_host_that_is_said() {
    let server = http("echo");
    for (yaml, part) in [
        (
            "{type: http, path: /a?b=c, host: example.org, expectBody: 'GET /a?b=c HTTP/1.1'}",
            "",
        ),
        (
            "{type: http, host: example.org, expectBody: 'host: example.org'}",
            "",
        ),
        ("{type: http, expectBody: 'host: 127.0.0.1:'}", ""),
    ] {
        is(&ask(server, yaml).await, Outcome::Passed, Phase::Body, part);
    }
}

#[tokio::test]
async fn what_is_no_http_is_bad() {
    let garbage = ask(http("SSH-2.0-OpenSSH\r\n"), "{type: http}").await;
    is(&garbage, Outcome::Failed, Phase::Status, "L7 ");
    let closes = ask(http(""), "{type: http}").await;
    is(&closes, Outcome::Failed, Phase::Status, "L7 ");
}

#[tokio::test]
async fn a_hung_probe_ends_at_its_timeout() {
    // Connections are accepted by the kernel, and nobody answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = silent.local_addr().unwrap();
    let begun = Instant::now();
    let report = ask(to, "{type: http, timeoutMs: 100}").await;
    is(&report, Outcome::Failed, Phase::Status, "L7 timeout");
    assert!(begun.elapsed() >= Duration::from_millis(100));
    assert!(begun.elapsed() < Duration::from_secs(10));
    let report = ask(to, "{type: https, insecure: true, timeoutMs: 100}").await;
    is(&report, Outcome::Failed, Phase::Tls, "L6 timeout");
}

/// Answers datagrams that have `ping` in them.
fn udp() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut datagram = [0; 100];
        while let Ok((length, from)) = socket.recv_from(&mut datagram) {
            if &datagram[..length] == b"ping" {
                socket.send_to(b"a pong!", from).unwrap();
            }
        }
    });
    address
}

#[tokio::test]
async fn udp_is_bad_when_its_port_is_unreachable() {
    let report = ask(closed(), "{type: udp}").await;
    is(
        &report,
        Outcome::Failed,
        Phase::Answer,
        "port unreachable in ",
    );
    let silence = ask(udp(), "{type: udp, timeoutMs: 100}").await;
    is(
        &silence,
        Outcome::Passed,
        Phase::Answer,
        "no port unreachable within 100 ms",
    );
}

#[tokio::test]
async fn udp_is_judged_by_its_answer() {
    let server = udp();
    let good = ask(server, "{type: udp, send: ping, expect: pong}").await;
    is(&good, Outcome::Passed, Phase::Answer, "answer in ");
    let other = ask(server, "{type: udp, send: 'hex:70696e67', expect: gong}").await;
    is(&other, Outcome::Failed, Phase::Answer, "unexpected answer");
    let none = ask(server, "{type: udp, send: x, expect: pong, timeoutMs: 100}").await;
    is(
        &none,
        Outcome::Failed,
        Phase::Answer,
        "no answer within 100 ms",
    );
}

/// One connection over TLS for each answer; its certificate is for `backend.test`.
fn https(answers: usize) -> (SocketAddr, String, JoinHandle<()>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["backend.test".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let config = std::sync::Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        for _ in 0..answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut connection = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut tls = rustls::Stream::new(&mut connection, &mut stream);
            let mut request = [0; 4096];
            // Who doesn't trust us goes away in the middle.
            if tls.read(&mut request).is_ok_and(|length| length > 0) {
                let _ = tls.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            }
        }
    });
    (address, cert.pem(), server)
}

#[tokio::test]
async fn https_trusts_the_ca_s_certificates_and_no_others() {
    let (to, pem, server) = https(5);
    let dir = tempfile::tempdir().unwrap();
    let own = dir.path().join("own.pem");
    std::fs::write(&own, pem).unwrap();
    let other = generate_simple_self_signed(vec!["backend.test".to_owned()]).unwrap();
    let foreign = dir.path().join("foreign.pem");
    std::fs::write(&foreign, other.cert.pem()).unwrap();
    let (own, foreign) = (own.display(), foreign.display());

    let good = ask(
        to,
        &format!("{{type: https, caFile: {own}, serverName: backend.test}}"),
    )
    .await;
    is(&good, Outcome::Passed, Phase::Status, "HTTP 200");
    let by_host = ask(
        to,
        &format!("{{type: https, caFile: {own}, host: 'backend.test:1'}}"),
    )
    .await;
    is(&by_host, Outcome::Passed, Phase::Status, "HTTP 200");
    let untrusted = ask(
        to,
        &format!("{{type: https, caFile: {foreign}, serverName: backend.test}}"),
    )
    .await;
    is(&untrusted, Outcome::Failed, Phase::Tls, "L6 ");
    let misnamed = ask(
        to,
        &format!("{{type: https, caFile: {own}, serverName: other.test}}"),
    )
    .await;
    is(&misnamed, Outcome::Failed, Phase::Tls, "L6 ");
    let insecure = ask(to, "{type: https, insecure: true}").await;
    is(&insecure, Outcome::Passed, Phase::Status, "HTTP 200");
    server.join().unwrap();
}

#[tokio::test]
async fn what_the_box_lacks_says_nothing_of_the_backend() {
    let (to, _, _) = https(0);
    let report = ask(to, "{type: https, caFile: /nowhere/ca.pem}").await;
    is(
        &report,
        Outcome::NotMade,
        Phase::Local,
        "/nowhere/ca.pem cannot be read",
    );
}

#[tokio::test]
async fn files_that_are_no_certificates_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let empty = write("empty", "");
    let key = write(
        "key",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    );
    let damaged = write(
        "damaged",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    let directory = dir.path().display().to_string();
    for (file, part) in [
        (empty, "no certificate in PEM"),
        (key, "no certificate in PEM"),
        (damaged, "certificate 1"),
        (directory, "no plain file"),
        ("/nowhere".to_owned(), "cannot be read"),
    ] {
        let document = super::document(&format!(
            "services: [{{vip: 20.0.0.1, port: 80, protocol: tcp, check: {{type: https, caFile: '{file}'}}}}]"
        ));
        let (service, of, error) = super::super::check_files(&document).unwrap();
        assert_eq!(
            (service.as_str(), of.as_str()),
            ("20.0.0.1:80/tcp", file.as_str())
        );
        let text = crate::failure::line(&error);
        assert!(text.contains(part), "{part}: {text}");
    }
}

mod root {
    use super::*;

    #[tokio::test]
    #[ignore = "needs root: run make test"]
    async fn ping_is_an_echo_that_is_answered() {
        for address in ["127.0.0.1:1", "[::1]:1"] {
            let report = ask(address.parse().unwrap(), "{type: ping}").await;
            is(&report, Outcome::Passed, Phase::Echo, "echo reply in ");
        }
    }
}

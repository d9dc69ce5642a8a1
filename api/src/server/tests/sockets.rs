//! Real sockets: the client, limits, and impolite peers.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};

use super::*;
use crate::client::{ChangeOptions, Client, ClientError, ConnectionsRequest, Target};
use crate::control::{Generation, Precondition};
use crate::server::{Limits, Listener, UnixGroups, bind_unix, serve};
use crate::wire::{self, Attach, AttachMode, ChangeKind, Datapath};

/// A server on a unix socket and on loopback; both go with it.
struct Running {
    socket: PathBuf,
    port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
        let _ = std::fs::remove_file(&self.socket);
    }
}

async fn run(tcp_role: Role, limits: Limits) -> Running {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("lb-api-{}-{number}.sock", std::process::id());
    let socket = std::env::temp_dir().join(name);
    let unix = bind_unix(&socket, None).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = tcp.local_addr().unwrap().port();
    let listeners = vec![
        Listener::Unix(unix, UnixGroups::default()),
        Listener::Tcp(tcp, tcp_role),
    ];
    let (router, _fake) = server();
    let serving = serve(listeners, router, limits, |connection| {
        drop(tokio::spawn(connection))
    });
    Running {
        socket,
        port,
        task: tokio::spawn(serving),
    }
}

impl Running {
    fn unix(&self) -> Client {
        Client::new(Target::Unix(self.socket.clone()))
    }

    fn tcp(&self) -> Client {
        Client::new(format!("http://127.0.0.1:{}", self.port).parse().unwrap())
    }
}

fn document() -> wire::Document {
    crate::parse::json(web_document().as_bytes()).unwrap()
}

#[tokio::test]
async fn the_client_speaks_every_route() {
    let running = run(Role::Admin, Limits::default()).await;
    for client in [running.unix(), running.tcp()] {
        let source = "kube/prod".parse().unwrap();
        assert_eq!(client.document(&source).await.unwrap(), None);
        assert_eq!(
            client.diff(&source, &document()).await.unwrap().changes[0].kind,
            ChangeKind::Add
        );
        let plain = ChangeOptions::default();
        let put = client
            .put_document(&source, &document(), &plain)
            .await
            .unwrap();
        let (read, generation) = client.document(&source).await.unwrap().unwrap();
        assert_eq!(generation, Generation(put.generation));
        assert_eq!(read.services[0].backends, document().services[0].backends);
        assert_eq!(client.documents().await.unwrap().items.len(), 1);

        let stale = ChangeOptions {
            terms: Default::default(),
            precondition: Precondition::Generation(vec![Generation(0)]),
            dry_run: false,
        };
        let refused = client
            .put_document(&source, &document(), &stale)
            .await
            .unwrap_err();
        assert!(matches!(refused, ClientError::Api(error) if error.status == 412));
        client.delete_document(&source, &plain).await.unwrap();

        let service = document().services.remove(0);
        let key = lb_core::service::Service::try_from(&service).unwrap().key;
        client.create_service(&service, &plain).await.unwrap();
        assert_eq!(client.service(&key).await.unwrap().source, "api");
        assert_eq!(client.services().await.unwrap().items.len(), 1);
        client.put_service(&key, &service, &plain).await.unwrap();
        let endpoint = "33.33.33.1:80".parse().unwrap();
        let weight = lb_core::service::Weight::new(7).unwrap();
        client
            .put_backend(&key, &endpoint, weight.into(), &plain)
            .await
            .unwrap();
        assert_eq!(client.backends().await.unwrap().items.len(), 3);
        client
            .delete_backend(&key, &endpoint, &plain)
            .await
            .unwrap();
        let trial = ChangeOptions {
            dry_run: true,
            ..plain.clone()
        };
        assert!(client.delete_service(&key, &trial).await.unwrap().dry_run);
        client.delete_service(&key, &plain).await.unwrap();
        client
            .delete_document(&"api".parse().unwrap(), &plain)
            .await
            .unwrap();

        let attach = Attach {
            name: "eth1".into(),
            mode: AttachMode::Auto,
            datapath: Datapath::Auto,
        };
        assert!(client.attach(&attach).await.unwrap().attached);
        assert_eq!(client.interfaces().await.unwrap().items.len(), 2);
        client.detach("eth1").await.unwrap();
        let request = ConnectionsRequest {
            client: Some("10.0.0.1:5".into()),
            limit: Some(3),
            ..Default::default()
        };
        let page = client.connections(&request).await.unwrap();
        assert_eq!((page.items.len(), page.next.is_some()), (3, true));
        assert_eq!(client.status().await.unwrap().version, "0.1.0");
        assert_eq!(client.metrics().await.unwrap(), "loxid_ready 1\n");
        assert_eq!(client.not_ready().await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let running = run(Role::Viewer, Limits::default()).await;
    let nowhere = Target::Unix(running.socket.with_extension("none"));
    let error = Client::new(nowhere).status().await.unwrap_err();
    assert!(matches!(&error, ClientError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("is loxid running?"), "{error}");
    let free = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let error = Client::new(format!("http://{free}").parse().unwrap())
        .status()
        .await
        .unwrap_err();
    assert!(matches!(&error, ClientError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn over_tcp_one_may_only_look_unless_the_listener_says_more() {
    let running = run(Role::Viewer, Limits::default()).await;
    running.tcp().status().await.unwrap();
    let refused = running
        .tcp()
        .put_document(
            &"api".parse().unwrap(),
            &document(),
            &ChangeOptions::default(),
        )
        .await;
    let Err(ClientError::Api(error)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(error.status, 403);
    assert!(error.to_string().contains("loopbackRole: admin"), "{error}");
}

#[tokio::test]
async fn the_socket_has_its_mode_and_takes_the_place_of_a_stale_one() {
    let running = run(Role::Viewer, Limits::default()).await;
    let mode = std::fs::metadata(&running.socket)
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o660);
    let again = bind_unix(&running.socket, None).unwrap();
    UnixStream::connect(&running.socket).await.unwrap();
    again.accept().await.unwrap();
}

#[tokio::test]
async fn a_body_of_100_mb_is_refused_and_the_answer_arrives() {
    let running = run(Role::Admin, Limits::default()).await;
    let mut stream = TcpStream::connect(("127.0.0.1", running.port))
        .await
        .unwrap();
    let head = "PUT /v1/documents/api HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
        Connection: close\r\nContent-Length: 104857600\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let megabyte = vec![b'x'; 1 << 20];
    for _ in 0..100 {
        stream.write_all(&megabyte).await.unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("at most 67108864 bytes"), "{answer}");
}

#[tokio::test]
async fn a_large_body_in_chunks_is_refused_by_what_arrived() {
    let running = run(Role::Admin, Limits::default()).await;
    let mut stream = TcpStream::connect(("127.0.0.1", running.port))
        .await
        .unwrap();
    let head = "POST /v1/services HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
        Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 18, "x".repeat(1 << 18));
    for _ in 0..8 {
        stream.write_all(chunk.as_bytes()).await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn who_expects_100_continue_is_refused_without_sending_the_body() {
    let running = run(Role::Admin, Limits::default()).await;
    let mut stream = TcpStream::connect(("127.0.0.1", running.port))
        .await
        .unwrap();
    let head = "PUT /v1/documents/api HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
        Expect: 100-continue\r\nContent-Length: 104857600\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let read = stream.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]);
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn a_head_that_does_not_come_to_an_end_closes_the_connection() {
    let limits = Limits {
        header: Duration::from_millis(100),
        ..Limits::default()
    };
    let running = run(Role::Admin, limits).await;
    let mut stream = TcpStream::connect(("127.0.0.1", running.port))
        .await
        .unwrap();
    stream
        .write_all(b"GET /v1/status HTTP/1.1\r\nHost: loc")
        .await
        .unwrap();
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await;
    assert!(closed.is_ok(), "the connection is still open");
}

#[tokio::test]
async fn idle_connections_over_tcp_do_not_lock_out_the_unix_socket() {
    let limits = Limits {
        connections: 2,
        ..Limits::default()
    };
    let running = run(Role::Viewer, limits).await;
    let mut idle = Vec::new();
    for _ in 0..4 {
        idle.push(
            TcpStream::connect(("127.0.0.1", running.port))
                .await
                .unwrap(),
        );
    }
    running.unix().status().await.unwrap();
    let impatient =
        Client::with_timeout(running.tcp().target().clone(), Duration::from_millis(300));
    assert!(matches!(
        impatient.status().await,
        Err(ClientError::Unreachable { .. })
    ));
    drop(idle);
    running.tcp().status().await.unwrap();
}

#[tokio::test]
async fn what_is_not_http_is_not_answered_with_5xx() {
    let running = run(Role::Admin, Limits::default()).await;
    let garbage: [&[u8]; 5] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /v1/status HTTP/1.1\r\n\r\n",
        b"GET \xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /v1/services HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    ];
    for bytes in garbage {
        let mut stream = TcpStream::connect(("127.0.0.1", running.port))
            .await
            .unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            !answer.starts_with("HTTP/1.1 5") && !answer.starts_with("HTTP/1.1 2"),
            "{answer}"
        );
    }
    running.tcp().status().await.unwrap();
}

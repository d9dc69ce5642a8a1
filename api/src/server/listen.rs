//! Sockets: bind, accept within limits, and serve each connection.
//!
//! Tasks are the daemon's: `serve` hands every connection to the function that it is given.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use futures_util::future::select_all;
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::identity::{Identity, UnixGroups};
use super::limits::Limits;
use super::tls::Tls;
use crate::role::Role;

/// A connection being served: ends when it is closed. To be spawned.
pub type Connection = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where requests come from, and what that says of who sends them.
#[derive(Debug)]
pub enum Listener {
    /// Peers have the role of their credentials.
    Unix(UnixListener, UnixGroups),
    /// In the clear: on loopback only. Peers have this role.
    Tcp(TcpListener, Role),
    /// Peers have the role of their token or certificate.
    Tls(TcpListener, Arc<Tls>),
}

enum Accepted {
    Unix(UnixStream, Identity),
    Tcp(TcpStream, Identity),
    Tls(TcpStream, SocketAddr, Arc<Tls>),
}

/// A unix socket of mode 0660 and, if given, of a group. It takes the place of what is at `path`
/// in one step, so the caller makes sure that no other daemon serves there.
///
/// # Errors
/// The directory does not exist or may not be written, or the group cannot be given.
pub fn bind_unix(path: &Path, gid: Option<u32>) -> io::Result<UnixListener> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}", std::process::id()));
    let temporary = Path::new(&temporary);
    match std::fs::remove_file(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(temporary)?;
    let publish = || {
        chown(temporary, None, gid)?;
        std::fs::set_permissions(temporary, PermissionsExt::from_mode(0o660))?;
        std::fs::rename(temporary, path)
    };
    publish().inspect_err(|_| drop(std::fs::remove_file(temporary)))?;
    Ok(listener)
}

/// Accepts until the future is dropped. Connections live on in what `spawn` made of them.
pub async fn serve(
    listeners: Vec<Listener>,
    router: Router,
    limits: Limits,
    spawn: impl Fn(Connection),
) {
    let (router, spawn) = (&router, &spawn);
    let accept = |listener: Listener| {
        Box::pin(async move { accept_all(&listener, router, limits, spawn).await })
    };
    if listeners.is_empty() {
        return std::future::pending().await;
    }
    let _: ((), usize, Vec<_>) = select_all(listeners.into_iter().map(accept)).await;
}

async fn accept_all(
    listener: &Listener,
    router: &Router,
    limits: Limits,
    spawn: &impl Fn(Connection),
) {
    let room = Arc::new(Semaphore::new(limits.connections));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else {
            return;
        };
        match accept(listener).await {
            Ok(Accepted::Unix(stream, identity)) => {
                spawn(Box::pin(connection(
                    stream,
                    identity,
                    router.clone(),
                    limits,
                    permit,
                )));
            }
            Ok(Accepted::Tcp(stream, identity)) => {
                spawn(Box::pin(connection(
                    stream,
                    identity,
                    router.clone(),
                    limits,
                    permit,
                )));
            }
            Ok(Accepted::Tls(stream, peer, tls)) => {
                spawn(Box::pin(tls_connection(
                    stream,
                    peer,
                    tls,
                    router.clone(),
                    limits,
                    permit,
                )));
            }
            Err(error) => {
                // Out of descriptors, most of the time: those that are open end by themselves.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

async fn accept(listener: &Listener) -> io::Result<Accepted> {
    match listener {
        Listener::Unix(listener, groups) => {
            let (stream, _) = listener.accept().await?;
            let peer = stream.peer_cred()?;
            let identity = Identity::of_peer(peer.uid(), peer.gid(), groups);
            Ok(Accepted::Unix(stream, identity))
        }
        Listener::Tcp(listener, role) => {
            let (stream, peer) = listener.accept().await?;
            stream.set_nodelay(true)?;
            Ok(Accepted::Tcp(stream, Identity::of_loopback(peer, *role)))
        }
        Listener::Tls(listener, tls) => {
            let (stream, peer) = listener.accept().await?;
            stream.set_nodelay(true)?;
            Ok(Accepted::Tls(stream, peer, tls.clone()))
        }
    }
}

async fn tls_connection(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Arc<Tls>,
    router: Router,
    limits: Limits,
    permit: OwnedSemaphorePermit,
) {
    let handshake = TlsAcceptor::from(tls.config()).accept(stream);
    let stream = match tokio::time::timeout(limits.header, handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%peer, %error, "no TLS connection"),
        Err(_) => return tracing::debug!(%peer, "a TLS handshake took too long"),
    };
    let certificate = tls.client(stream.get_ref().1.peer_certificates());
    let identity = Identity::of_tls(peer, certificate);
    connection(stream, identity, router, limits, permit).await;
}

async fn connection<S>(
    stream: S,
    identity: Identity,
    router: Router,
    limits: Limits,
    _permit: OwnedSemaphorePermit,
) where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let answer = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request: Request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(identity.clone());
        router.clone().oneshot(request)
    });
    let served = serve_http(TokioIo::new(stream), answer, limits);
    // A client that reads no answers is cut off at last; whatever else ends it is the client's.
    let _ = tokio::time::timeout(limits.connection, served).await;
}

async fn serve_http<IO, S>(io: IO, answer: S, limits: Limits) -> hyper::Result<()>
where
    IO: Read + Write + Unpin + Send + 'static,
    S: hyper::service::Service<
            hyper::Request<Incoming>,
            Response = axum::response::Response,
            Error = std::convert::Infallible,
        >,
{
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header)
        .max_buf_size(64 << 10)
        .serve_connection(io, answer)
        .await
}

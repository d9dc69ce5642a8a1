//! One request over one connection, driven by the caller's own task.

use std::io;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::ETAG;
use hyper::rt::{Read, Write};
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};

use super::{ClientError, Target};

/// Largest body of an answer, bytes.
const BODY_MAX: usize = 256 << 20;

#[derive(Clone, Debug)]
pub(super) struct Transport {
    target: Target,
    timeout: Duration,
}

/// An answer, read whole.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Bytes,
    headers: HeaderMap,
}

impl Answer {
    /// The entity tag, without its quotes.
    pub(super) fn etag(&self) -> Option<&str> {
        self.headers
            .get(ETAG)?
            .to_str()
            .ok()
            .map(|tag| tag.trim_matches('"'))
    }
}

impl Transport {
    pub(super) fn new(target: Target, timeout: Duration) -> Self {
        Self { target, timeout }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    pub(super) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, ClientError> {
        match tokio::time::timeout(self.timeout, self.connect_and_send(request)).await {
            Ok(answer) => answer,
            Err(_) => {
                Err(self.unreachable(format!("no answer within {} s", self.timeout.as_secs())))
            }
        }
    }

    async fn connect_and_send(&self, request: Request<Full<Bytes>>) -> Result<Answer, ClientError> {
        match &self.target {
            Target::Unix(path) => {
                let stream = UnixStream::connect(path)
                    .await
                    .map_err(|error| self.refused(&error))?;
                self.exchange(TokioIo::new(stream), request).await
            }
            Target::Http { host, port } => {
                let host = host.trim_start_matches('[').trim_end_matches(']');
                let stream = TcpStream::connect((host, *port)).await;
                let stream = stream.map_err(|error| self.refused(&error))?;
                self.exchange(TokioIo::new(stream), request).await
            }
        }
    }

    async fn exchange<S>(
        &self,
        stream: S,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, ClientError>
    where
        S: Read + Write + Unpin,
    {
        let (mut sender, connection) = http1::handshake(stream)
            .await
            .map_err(|error| self.unreachable(error))?;
        let answer = async {
            let response = sender
                .send_request(request)
                .await
                .map_err(|error| self.unreachable(error))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, BODY_MAX).collect().await;
            let body = body.map_err(|error| self.unreachable(error))?.to_bytes();
            Ok(Answer {
                status: head.status.as_u16(),
                body,
                headers: head.headers,
            })
        };
        let mut answer = std::pin::pin!(answer);
        tokio::select! {
            answer = &mut answer => answer,
            // The connection may end with the answer delivered and not yet looked at.
            _ = connection => answer.await,
        }
    }

    fn refused(&self, error: &io::Error) -> ClientError {
        let hint = match (&self.target, error.kind()) {
            (_, io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                "; is loxid running?"
            }
            (Target::Unix(_), io::ErrorKind::PermissionDenied) => {
                "; be root, or in the group loxid-admin (changes) or loxid (looking)"
            }
            _ => "",
        };
        self.unreachable(format!("{error}{hint}"))
    }

    fn unreachable(&self, reason: impl ToString) -> ClientError {
        ClientError::Unreachable {
            target: self.target.clone(),
            reason: reason.to_string(),
        }
    }
}

//! One request over one connection, driven by the caller's own task.

use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, ETAG, HeaderValue};
use hyper::rt::{Read, Write};
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use rustls::CertificateError;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::{ClientError, Credentials, Target};

/// Largest body of an answer, bytes.
const BODY_MAX: usize = 256 << 20;

#[derive(Clone, Debug)]
pub(super) struct Transport {
    target: Target,
    timeout: Duration,
    credentials: Credentials,
}

/// Of a stream, in which a line that says nothing comes every 15 s.
const SILENCE_MAX: Duration = Duration::from_secs(50);

type Hear<'a> = &'a mut dyn FnMut(&Bytes) -> ControlFlow<()>;

/// What becomes of an answer's body.
enum Sink<'a> {
    Whole,
    Pieces(Hear<'a>),
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
    pub(super) fn new(target: Target, timeout: Duration, credentials: Credentials) -> Self {
        Self {
            target,
            timeout,
            credentials,
        }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    pub(super) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, ClientError> {
        match tokio::time::timeout(self.timeout, self.connect_and_send(request, Sink::Whole)).await
        {
            Ok(answer) => answer,
            Err(_) => {
                Err(self.unreachable(format!("no answer within {} s", self.timeout.as_secs())))
            }
        }
    }

    /// A successful answer's body is handed on as it arrives, until `hear` has heard enough.
    pub(super) async fn stream(
        &self,
        request: Request<Full<Bytes>>,
        mut hear: impl FnMut(&Bytes) -> ControlFlow<()>,
    ) -> Result<Answer, ClientError> {
        self.connect_and_send(request, Sink::Pieces(&mut hear))
            .await
    }

    async fn connect_and_send(
        &self,
        mut request: Request<Full<Bytes>>,
        sink: Sink<'_>,
    ) -> Result<Answer, ClientError> {
        if let Some(value) = self.authorization()? {
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        match &self.target {
            Target::Unix(path) => {
                let stream = UnixStream::connect(path)
                    .await
                    .map_err(|error| self.refused(&error))?;
                self.exchange(TokioIo::new(stream), request, sink).await
            }
            Target::Http { host, port } => {
                let stream = self.connect(host, *port).await?;
                self.exchange(TokioIo::new(stream), request, sink).await
            }
            Target::Https { host, port } => {
                let tls = self.credentials.tls();
                let tls = tls.ok_or_else(|| self.unreachable("no CA is trusted: name one"))?;
                let name = ServerName::try_from(bare(host).to_owned())
                    .map_err(|error| self.unreachable(error))?;
                let stream = self.connect(host, *port).await?;
                let stream = TlsConnector::from(tls).connect(name, stream).await;
                let stream = stream.map_err(|error| self.unreachable(no_tls(&error)))?;
                self.exchange(TokioIo::new(stream), request, sink).await
            }
        }
    }

    async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, ClientError> {
        let stream = TcpStream::connect((bare(host), port)).await;
        stream.map_err(|error| self.refused(&error))
    }

    /// The token, which nobody on the way may read.
    fn authorization(&self) -> Result<Option<HeaderValue>, ClientError> {
        let Some(token) = self.credentials.token() else {
            return Ok(None);
        };
        if !self.target.is_private() {
            return Err(self.unreachable("a token is not sent in the clear: use https://"));
        }
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
            .expect("a token has visible ASCII only");
        value.set_sensitive(true);
        Ok(Some(value))
    }

    async fn exchange<S>(
        &self,
        stream: S,
        request: Request<Full<Bytes>>,
        sink: Sink<'_>,
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
            let body = match sink {
                Sink::Pieces(hear) if head.status.is_success() => {
                    self.pieces(body, hear).await?;
                    Bytes::new()
                }
                Sink::Pieces(_) | Sink::Whole => {
                    let body = Limited::new(body, BODY_MAX).collect().await;
                    body.map_err(|error| self.unreachable(error))?.to_bytes()
                }
            };
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

    async fn pieces(&self, mut body: Incoming, hear: Hear<'_>) -> Result<(), ClientError> {
        loop {
            let frame = tokio::time::timeout(SILENCE_MAX, body.frame()).await;
            let silent = |_| self.unreachable(format!("silent for {} s", SILENCE_MAX.as_secs()));
            let Some(frame) = frame.map_err(silent)? else {
                return Ok(());
            };
            let frame = frame.map_err(|error| self.unreachable(error))?;
            if frame.data_ref().is_some_and(|bytes| hear(bytes).is_break()) {
                return Ok(());
            }
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

/// Without the brackets that an IPv6 address has in a URL.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// Why there is no TLS connection, and what would help.
fn no_tls(error: &io::Error) -> String {
    use rustls::Error::{InvalidCertificate, InvalidMessage};
    let inner = error.get_ref();
    match inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        // A bad signature: of a CA with the name of one that is trusted.
        Some(InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        )) => {
            "its certificate is of a CA that is not trusted here: name the CA with --ca-file".into()
        }
        Some(InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => "its certificate is for another name: use the name that it is for".into(),
        Some(InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => "its certificate has expired: it has to be renewed there".into(),
        Some(InvalidMessage(_)) => "it does not speak TLS: is it an http:// listener?".into(),
        _ => format!("no TLS connection: {error}"),
    }
}

//! `http`: a GET, its status and its body (RFC 9112).

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use lb_core::health::{HttpRequest, Phase};
use tokio::io::{AsyncRead, AsyncWrite};

use super::udp::contains;
use super::{Progress, Report, tcp};

/// Most of a body that is looked at, bytes.
const BODY_MAX: usize = 64 << 10;

pub async fn ask(to: SocketAddr, request: &HttpRequest, progress: &Progress) -> Report {
    match tcp::connect(to, progress).await {
        Ok(stream) => over(stream, (to, 80), request, progress).await,
        Err(report) => report,
    }
}

/// Over a connection that is made. `to`: where to, and the scheme's own port.
pub async fn over(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    to: (SocketAddr, u16),
    asked: &HttpRequest,
    progress: &Progress,
) -> Report {
    progress.enter(Phase::Status);
    let wrong = |error: hyper::Error| {
        progress.failed(format!("L7 {} in {} ms", said(&error), progress.ms()))
    };
    let request = Request::get(asked.path.as_str())
        .header("host", host(to, asked))
        .header("user-agent", concat!("loxid/", env!("CARGO_PKG_VERSION")))
        .header("accept", "*/*")
        .header("connection", "close")
        .body(Empty::<Bytes>::new());
    let request = match request {
        Ok(request) => request,
        Err(error) => return progress.not_made(format!("not made: {error}")),
    };
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = match handshake {
        Ok(both) => both,
        Err(error) => return wrong(error),
    };
    let exchange = async {
        match sender.send_request(request).await {
            Ok(response) => judge(response, asked, progress).await,
            Err(error) => wrong(error),
        }
    };
    // The connection moves the bytes, and may be over before its last ones are looked at.
    let driven = async {
        let _ = connection.await;
        pending::<Infallible>().await
    };
    tokio::select! {
        biased;
        report = exchange => report,
        never = driven => match never {},
    }
}

async fn judge(response: Response<Incoming>, asked: &HttpRequest, progress: &Progress) -> Report {
    let status = response.status().as_u16();
    let ms = progress.ms();
    if !asked.statuses.contain(status) {
        return progress.failed(format!("HTTP {status} in {ms} ms"));
    }
    let Some(wanted) = &asked.body else {
        return progress.passed(format!("HTTP {status} in {ms} ms"));
    };
    progress.enter(Phase::Body);
    let mut body = response.into_body();
    let mut text: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { break };
        if let Some(data) = frame.data_ref() {
            let room = BODY_MAX - text.len();
            text.extend_from_slice(&data[..data.len().min(room)]);
        }
        if contains(&text, wanted.as_str().as_bytes()) {
            return progress.passed(format!("HTTP {status} in {} ms", progress.ms()));
        }
        if text.len() == BODY_MAX {
            break;
        }
    }
    progress.failed(format!(
        "HTTP {status} in {} ms, without `{wanted}` in the body",
        progress.ms()
    ))
}

/// The port is left out where the scheme's own is meant (RFC 9110, 4.2.1).
fn host((to, own_port): (SocketAddr, u16), asked: &HttpRequest) -> String {
    match (&asked.host, to) {
        (Some(host), _) => host.to_string(),
        (None, to) if to.port() != own_port => to.to_string(),
        (None, SocketAddr::V4(to)) => to.ip().to_string(),
        (None, SocketAddr::V6(to)) => format!("[{}]", to.ip()),
    }
}

/// What went wrong, without what it was wrapped in.
fn said(error: &hyper::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    match error.is_incomplete_message() {
        true => "closed without an answer".to_owned(),
        false => cause.to_string(),
    }
}

//! Bodies: bounded in size and time, JSON or YAML, and nothing that a web page could send
//! without the browser asking first (a Content-Type is demanded).

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::failure::{Answer, Failure};
use super::{BODY_BYTES_MAX, DOCUMENT_BYTES_MAX};
use crate::parse;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// What is read of a body that is too large, and thrown away: a client that writes on and on
/// reads the answer only then.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone, Copy)]
enum Format {
    Json,
    Yaml,
}

/// A small value.
pub(super) async fn small<T: DeserializeOwned>(request: Request) -> Answer<T> {
    let format = format(request.headers())?;
    let bytes = read(request, BODY_BYTES_MAX, None).await?;
    parse(format, &bytes.bytes)
}

/// A document: few large ones at once. The permit goes when the value has been used.
pub(super) async fn document<T: DeserializeOwned>(
    request: Request,
    bytes_max: usize,
    large: &Semaphore,
) -> Answer<(T, Option<SemaphorePermit<'_>>)> {
    let format = format(request.headers())?;
    let Bounded { bytes, permit } =
        read(request, bytes_max.min(DOCUMENT_BYTES_MAX), Some(large)).await?;
    Ok((parse(format, &bytes)?, permit))
}

struct Bounded<'a> {
    bytes: Vec<u8>,
    permit: Option<SemaphorePermit<'a>>,
}

fn parse<T: DeserializeOwned>(format: Format, bytes: &[u8]) -> Answer<T> {
    match format {
        Format::Json => Ok(parse::json(bytes)?),
        Format::Yaml => Ok(parse::yaml(bytes)?),
    }
}

fn format(headers: &HeaderMap) -> Answer<Format> {
    let unsupported = |field: &str, message: String| {
        Failure::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            message,
        )
        .field(field)
    };
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING) {
        return Err(unsupported(
            "Content-Encoding",
            format!("{encoding:?} is not understood"),
        )
        .remedy("send the body as it is"));
    }
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = content_type
        .unwrap_or("")
        .split(';')
        .next()
        .unwrap_or("")
        .trim();
    match essence.to_ascii_lowercase().as_str() {
        "application/json" => Ok(Format::Json),
        "application/yaml" | "application/x-yaml" | "text/yaml" => Ok(Format::Yaml),
        "" => Err(
            unsupported("Content-Type", "the body's type is not given".into())
                .rule("application/json or application/yaml"),
        ),
        other => Err(
            unsupported("Content-Type", format!("`{other}` is not understood"))
                .rule("application/json or application/yaml"),
        ),
    }
}

async fn read(
    request: Request,
    bytes_max: usize,
    large: Option<&Semaphore>,
) -> Answer<Bounded<'_>> {
    let (head, body) = request.into_parts();
    let length = head
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    if length
        .and_then(|length| length.parse::<u64>().ok())
        .is_some_and(|n| n > bytes_max as u64)
    {
        // Who expects "100 Continue" has not begun to write.
        if !head.headers.contains_key(header::EXPECT) {
            discard(body).await;
        }
        return Err(too_large(bytes_max));
    }
    match timeout(BODY_TIMEOUT, collect(body, bytes_max, large)).await {
        Ok(bounded) => bounded,
        Err(_) => {
            let message = format!(
                "the body did not arrive within {} s",
                BODY_TIMEOUT.as_secs()
            );
            Err(Failure::new(
                StatusCode::REQUEST_TIMEOUT,
                "timeout",
                message,
            ))
        }
    }
}

async fn collect(
    mut body: Body,
    bytes_max: usize,
    large: Option<&Semaphore>,
) -> Answer<Bounded<'_>> {
    let mut bounded = Bounded {
        bytes: Vec::new(),
        permit: None,
    };
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Failure::unparsable("", "the body ends before its end"))?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        if bounded.bytes.len() + data.len() > bytes_max {
            drop(bounded);
            discard(body).await;
            return Err(too_large(bytes_max));
        }
        if let (Some(large), None) = (large, &bounded.permit)
            && bounded.bytes.len() + data.len() > BODY_BYTES_MAX
        {
            bounded.permit = large.acquire().await.ok();
        }
        bounded.bytes.extend_from_slice(data);
    }
    Ok(bounded)
}

async fn discard(mut body: Body) {
    let all = async { while let Some(Ok(_)) = body.frame().await {} };
    // Too slow: the answer goes out anyway, and the connection is closed.
    let _ = timeout(DISCARD_TIMEOUT, all).await;
}

fn too_large(bytes_max: usize) -> Failure {
    Failure::too_large(format!("the body has more than {bytes_max} bytes"))
        .rule(format!("at most {bytes_max} bytes"))
}

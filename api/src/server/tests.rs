//! The router over an in-memory daemon, and the sockets over loopback.
#![allow(clippy::unwrap_used)]

mod access;
mod audit;
mod bad_documents;
mod bad_requests;
mod description;
mod fake;
mod random;
mod routes;
mod safe_changes;
mod sockets;
mod states;
mod tokens;
mod wide;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use super::{Identity, Peer, Requests, Role, router};
use crate::control::Actor;
use fake::Fake;

/// An answer, read whole.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

/// A server with nothing in it.
fn server() -> (Router, Fake) {
    let (handle, fake) = Fake::start();
    (router(handle, Arc::new(Requests::default())), fake)
}

fn identity(role: Option<Role>) -> Identity {
    Identity {
        role,
        actor: Actor {
            who: "uid 7".into(),
            from: "unix".into(),
        },
        remedy: "be root",
        peer: Peer::Unix(7),
    }
}

/// `PUT /v1/documents/api`, with a body of JSON if there is one.
fn request(line: &str, body: &str) -> Request<Body> {
    let (method, path) = line.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(path);
    if !body.is_empty() {
        request = request.header("content-type", "application/json");
    }
    let mut request = request.body(Body::from(body.to_owned())).unwrap();
    request.extensions_mut().insert(identity(Some(Role::Admin)));
    request
}

async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        text: String::from_utf8(bytes.to_vec()).unwrap(),
    }
}

async fn ask(router: &Router, line: &str, body: &str) -> Answer {
    send(router, request(line, body)).await
}

const WEB: &str = r#"{"name":"web","vip":"20.20.20.1","port":2020,"protocol":"tcp",
    "backends":[{"address":"31.31.31.1","port":8080},{"address":"32.32.32.1","port":8080,"weight":3}]}"#;

fn web_document() -> String {
    format!(r#"{{"services":[{WEB}]}}"#)
}

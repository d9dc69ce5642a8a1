//! The server of `/v1`: who asks, what for, and the daemon's answer.
//!
//! ```text
//!   listen     accept, limits, TLS, who is there (peer credentials, certificate, or anyone)
//!     access   rate, Host and Origin, token, the role that `rights` asks for; audit and metrics
//!       routes extract (body last) -> control -> answer or Failure
//! ```
//! Everything that goes wrong is a [`Failure`]: a status and the body of `ErrorEnvelope`.

mod access;
mod audit;
mod backends;
mod body;
mod confirm;
mod connections;
mod documents;
mod events;
mod failure;
mod health;
mod history;
mod identity;
mod interfaces;
mod limits;
mod listen;
mod openapi;
mod params;
mod precondition;
mod requests;
mod rights;
mod segments;
mod services;
mod states;
#[cfg(test)]
mod tests;
mod tls;
mod tokens;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::Method;
use axum::middleware;
use axum::routing::{MethodRouter, delete, get, post, put};
use tokio::sync::Semaphore;

use crate::control::ControlHandle;
use failure::Failure;
pub use identity::{Identity, Peer, UnixGroups};
use limits::{Failures, Rates};
pub use limits::{Limits, Rate};
pub use listen::{Connection, Listener, bind_unix, serve};
pub use openapi::openapi;
pub use requests::{RequestCount, Requests};
pub use tls::{Tls, TlsError, TlsFiles};

pub use crate::role::Role;

/// Largest body of a document, bytes.
pub const DOCUMENT_BYTES_MAX: usize = 64 << 20;

/// Largest body of anything else, bytes.
pub const BODY_BYTES_MAX: usize = 1 << 20;

/// Bodies over `BODY_BYTES_MAX` that are held at once.
const LARGE_BODIES_MAX: usize = 2;

/// What every route has at hand.
#[derive(Clone)]
struct Context {
    control: ControlHandle,
    large_bodies: Arc<Semaphore>,
    requests: Arc<Requests>,
    streams: Arc<Semaphore>,
    rates: Arc<Mutex<Rates>>,
    failures: Arc<Mutex<Failures>>,
}

impl Context {
    fn new(control: ControlHandle, requests: Arc<Requests>, rate: Rate) -> Self {
        Self {
            control,
            large_bodies: Arc::new(Semaphore::new(LARGE_BODIES_MAX)),
            requests,
            streams: Arc::new(Semaphore::new(events::STREAMS_MAX)),
            rates: Arc::new(Mutex::new(Rates::new(rate))),
            failures: Arc::default(),
        }
    }
}

/// The server. Requests must carry an [`Identity`] as an extension, as those from [`serve`] do;
/// those without one are refused.
pub fn router(control: ControlHandle, requests: Arc<Requests>) -> Router {
    limited(control, requests, Limits::default().requests)
}

fn limited(control: ControlHandle, requests: Arc<Requests>, rate: Rate) -> Router {
    let context = Context::new(control, requests, rate);
    let routed = routes()
        .into_iter()
        .fold(Router::new(), |router, (path, methods)| {
            router.route(path, methods)
        });
    routed
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_method)
        .layer(middleware::from_fn_with_state(
            context.clone(),
            access::guard,
        ))
        .with_state(context)
}

/// All routes. Who may use them is said in `rights`: one without a right there is refused, and a
/// test fails.
fn routes() -> Vec<(&'static str, MethodRouter<Context>)> {
    vec![
        ("/v1/documents", get(documents::list)),
        (
            "/v1/documents/{*source}",
            get(documents::read)
                .put(documents::put)
                .delete(documents::delete),
        ),
        ("/v1/diff/{*source}", post(documents::diff)),
        ("/v1/services", get(services::list).post(services::create)),
        (
            "/v1/services/{vip}/{port}/{protocol}",
            get(services::read)
                .put(services::put)
                .delete(services::delete),
        ),
        (
            "/v1/services/{vip}/{port}/{protocol}/backends",
            get(backends::of_service),
        ),
        (
            "/v1/services/{vip}/{port}/{protocol}/backends/{address}/{backend_port}",
            get(states::describe_of_service)
                .put(backends::put)
                .delete(backends::delete),
        ),
        (
            "/v1/services/{vip}/{port}/{protocol}/backends/{address}/{backend_port}/state",
            put(states::set_of_service),
        ),
        ("/v1/backends", get(backends::list)),
        (
            "/v1/backends/{address}/{backend_port}",
            get(states::describe),
        ),
        (
            "/v1/backends/{address}/{backend_port}/state",
            put(states::set),
        ),
        (
            "/v1/interfaces",
            get(interfaces::list).post(interfaces::attach),
        ),
        ("/v1/interfaces/{name}", delete(interfaces::detach)),
        ("/v1/connections", get(connections::list)),
        ("/v1/tokens", get(tokens::list).post(tokens::create)),
        ("/v1/tokens/{name}", delete(tokens::revoke)),
        ("/v1/history", get(history::list)),
        ("/v1/history/{generation}", get(history::show)),
        ("/v1/history/{generation}/rollback", post(history::rollback)),
        (
            "/v1/confirmation",
            get(confirm::read)
                .post(confirm::confirm)
                .delete(confirm::revert),
        ),
        ("/v1/events", get(events::read)),
        ("/v1/status", get(health::status)),
        ("/v1/openapi.json", get(openapi::document)),
        ("/healthz", get(health::healthz)),
        ("/readyz", get(health::readyz)),
        ("/metrics", get(health::metrics)),
    ]
}

async fn unknown_route(uri: axum::http::Uri) -> Failure {
    Failure::not_found(format!("route {}", uri.path())).remedy("see /v1/openapi.json")
}

async fn unknown_method(method: Method, uri: axum::http::Uri) -> Failure {
    Failure::method_not_allowed(&method, uri.path())
}

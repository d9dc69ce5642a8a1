//! The server of `/v1`: who asks, what for, and the daemon's answer.
//!
//! ```text
//!   listen     accept, limits, who is there (peer credentials or the listener's role)
//!     access   Host and Origin over TCP, a role at all
//!       routes extract (role first, body last) -> control -> answer or Failure
//! ```
//! Everything that goes wrong is a [`Failure`]: a status and the body of `ErrorEnvelope`.

mod access;
mod backends;
mod body;
mod connections;
mod documents;
mod failure;
mod health;
mod identity;
mod interfaces;
mod listen;
mod openapi;
mod params;
mod precondition;
mod requests;
mod segments;
mod services;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::http::Method;
use axum::middleware;
use axum::routing::{delete, get, post, put};
use tokio::sync::Semaphore;

use crate::control::ControlHandle;
use failure::Failure;
pub use identity::{Identity, Role, UnixGroups};
pub use listen::{Connection, Limits, Listener, bind_unix, serve};
pub use openapi::openapi;
pub use requests::{RequestCount, Requests};

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
}

/// All routes. Requests must carry an [`Identity`] as an extension, as those from [`serve`] do;
/// those without one are refused.
pub fn router(control: ControlHandle, requests: Arc<Requests>) -> Router {
    let context = Context {
        control,
        large_bodies: Arc::new(Semaphore::new(LARGE_BODIES_MAX)),
        requests,
    };
    Router::new()
        .route("/v1/documents", get(documents::list))
        .route(
            "/v1/documents/{*source}",
            get(documents::read)
                .put(documents::put)
                .delete(documents::delete),
        )
        .route("/v1/diff/{*source}", post(documents::diff))
        .route("/v1/services", get(services::list).post(services::create))
        .route(
            "/v1/services/{vip}/{port}/{protocol}",
            get(services::read)
                .put(services::put)
                .delete(services::delete),
        )
        .route(
            "/v1/services/{vip}/{port}/{protocol}/backends",
            get(backends::of_service),
        )
        .route(
            "/v1/services/{vip}/{port}/{protocol}/backends/{address}/{backend_port}",
            put(backends::put).delete(backends::delete),
        )
        .route("/v1/backends", get(backends::list))
        .route(
            "/v1/interfaces",
            get(interfaces::list).post(interfaces::attach),
        )
        .route("/v1/interfaces/{name}", delete(interfaces::detach))
        .route("/v1/connections", get(connections::list))
        .route("/v1/status", get(health::status))
        .route("/v1/openapi.json", get(openapi::document))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_method)
        .layer(middleware::from_fn_with_state(
            context.clone(),
            access::guard,
        ))
        .with_state(context)
}

async fn unknown_route(uri: axum::http::Uri) -> Failure {
    Failure::not_found(format!("route {}", uri.path())).remedy("see /v1/openapi.json")
}

async fn unknown_method(method: Method, uri: axum::http::Uri) -> Failure {
    Failure::method_not_allowed(&method, uri.path())
}

//! How the appliance is: for people, for supervisors, and for Prometheus.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::Context;
use super::failure::{Answer, Failure};
use super::params::Params;
use crate::control::{Command, Readiness};
use crate::wire::{ErrorEnvelope, Status};

/// How the appliance is.
#[utoipa::path(get, path = "/v1/status", tag = "status", responses((status = 200, body = Status)))]
pub(super) async fn status(State(context): State<Context>, params: Params) -> Answer<Json<Status>> {
    params.finish()?;
    Ok(Json(context.control.state().status.clone()))
}

/// The daemon runs.
#[utoipa::path(get, path = "/healthz", tag = "status",
    responses((status = 200), (status = 503, body = ErrorEnvelope)))]
pub(super) async fn healthz(State(context): State<Context>) -> Answer<Json<Value>> {
    match context.control.is_closed() {
        false => Ok(Json(json!({ "status": "ok" }))),
        true => Err(unavailable("the daemon is stopping")),
    }
}

/// The tables follow the documents.
#[utoipa::path(get, path = "/readyz", tag = "status",
    responses((status = 200), (status = 503, body = ErrorEnvelope)))]
pub(super) async fn readyz(State(context): State<Context>) -> Answer<Json<Value>> {
    if context.control.is_closed() {
        return Err(unavailable("the daemon is stopping"));
    }
    match &context.control.state().readiness {
        Readiness::Ready => Ok(Json(json!({ "status": "ready" }))),
        Readiness::NotReady(why) => Err(unavailable(why)),
    }
}

/// Metrics, in the text format of Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "status",
    responses((status = 200, body = String, content_type = "text/plain"),
        (status = 503, body = ErrorEnvelope)))]
pub(super) async fn metrics(State(context): State<Context>) -> Answer<Response> {
    let text = context
        .control
        .call(|reply| Command::Metrics { reply })
        .await?;
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, content_type)], text).into_response())
}

fn unavailable(message: &str) -> Failure {
    Failure::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
}

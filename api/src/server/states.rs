//! Backends one by one: how their checks go, and what operators say of them.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use lb_core::service::{Endpoint, ServiceKey};

use super::audit::Done;
use super::failure::Answer;
use super::identity::Caller;
use super::params::Params;
use super::segments::{InBackend, InEndpoint};
use super::{Context, body};
use crate::control::Command;
use crate::wire::{
    BackendDescription, ErrorEnvelope, List, Protocol, ServiceBackend, SetOperatorState,
};

/// A backend in each service that leads to it: what it is asked, and its last answers.
#[utoipa::path(get, path = "/v1/backends/{address}/{backend_port}", tag = "backends",
    params(("address" = String, Path, description = "IPv6 with or without brackets"),
        ("backend_port" = String, Path, description = "1 to 65535, or `*` if the backend has none")),
    responses((status = 200, body = List<BackendDescription>), (status = 404, body = ErrorEnvelope),
        (status = 422, body = ErrorEnvelope)))]
pub(super) async fn describe(
    State(context): State<Context>,
    InEndpoint(endpoint): InEndpoint,
    params: Params,
) -> Answer<Json<List<BackendDescription>>> {
    params.finish()?;
    ask(&context, None, endpoint).await
}

/// A backend of one service: what it is asked, and its last answers. One item.
#[utoipa::path(get, path = "/v1/services/{vip}/{port}/{protocol}/backends/{address}/{backend_port}",
    tag = "backends",
    params(
        ("vip" = String, Path, description = "an address; IPv6 with or without brackets"),
        ("port" = String, Path, description = "`80`, `80-90`, or `*`: any port, and with `icmp` none"),
        ("protocol" = Protocol, Path),
        ("address" = String, Path),
        ("backend_port" = String, Path, description = "1 to 65535, or `*` if the backend has none"),
    ),
    responses((status = 200, body = List<BackendDescription>), (status = 404, body = ErrorEnvelope),
        (status = 422, body = ErrorEnvelope)))]
pub(super) async fn describe_of_service(
    State(context): State<Context>,
    InBackend(service, endpoint): InBackend,
    params: Params,
) -> Answer<Json<List<BackendDescription>>> {
    params.finish()?;
    ask(&context, Some(service), endpoint).await
}

async fn ask(
    context: &Context,
    service: Option<ServiceKey>,
    endpoint: Endpoint,
) -> Answer<Json<List<BackendDescription>>> {
    let command = |reply| Command::DescribeBackends {
        service,
        endpoint,
        reply,
    };
    let found = context.control.call(command).await?;
    Ok(Json(found.into_iter().collect()))
}

/// Drains, disables or enables a backend in all services, those to come included.
#[utoipa::path(put, path = "/v1/backends/{address}/{backend_port}/state", tag = "backends",
    params(("address" = String, Path, description = "IPv6 with or without brackets"),
        ("backend_port" = String, Path, description = "1 to 65535, or `*` if the backend has none")),
    request_body = SetOperatorState,
    responses((status = 200, body = List<ServiceBackend>), (status = 400, body = ErrorEnvelope),
        (status = 403, body = ErrorEnvelope), (status = 404, body = ErrorEnvelope),
        (status = 422, body = ErrorEnvelope)))]
pub(super) async fn set(
    State(context): State<Context>,
    Caller(actor): Caller,
    InEndpoint(endpoint): InEndpoint,
    params: Params,
    request: Request,
) -> Answer<Response> {
    params.finish()?;
    let SetOperatorState { state } = body::small(request).await?;
    let command = |reply| Command::SetOperatorState {
        service: None,
        endpoint,
        state: state.into(),
        actor,
        reply,
    };
    let done = Done::text(format!("backend {endpoint} {}", state.as_str()));
    answer(done, context.control.call(command).await?)
}

/// Drains, disables or enables a backend in one service.
#[utoipa::path(put, path = "/v1/services/{vip}/{port}/{protocol}/backends/{address}/{backend_port}/state",
    tag = "backends",
    params(
        ("vip" = String, Path, description = "an address; IPv6 with or without brackets"),
        ("port" = String, Path, description = "`80`, `80-90`, or `*`: any port, and with `icmp` none"),
        ("protocol" = Protocol, Path),
        ("address" = String, Path),
        ("backend_port" = String, Path, description = "1 to 65535, or `*` if the backend has none"),
    ),
    request_body = SetOperatorState,
    responses((status = 200, body = List<ServiceBackend>), (status = 400, body = ErrorEnvelope),
        (status = 403, body = ErrorEnvelope), (status = 404, body = ErrorEnvelope),
        (status = 422, body = ErrorEnvelope)))]
pub(super) async fn set_of_service(
    State(context): State<Context>,
    Caller(actor): Caller,
    InBackend(service, endpoint): InBackend,
    params: Params,
    request: Request,
) -> Answer<Response> {
    params.finish()?;
    let SetOperatorState { state } = body::small(request).await?;
    let command = |reply| Command::SetOperatorState {
        service: Some(service),
        endpoint,
        state: state.into(),
        actor,
        reply,
    };
    let text = format!("backend {endpoint} of {service} {}", state.as_str());
    answer(Done::text(text), context.control.call(command).await?)
}

/// The backends whose state was set.
fn answer(done: Done, backends: Vec<ServiceBackend>) -> Answer<Response> {
    let list: List<ServiceBackend> = backends.into_iter().collect();
    Ok(done.on(Json(list).into_response()))
}

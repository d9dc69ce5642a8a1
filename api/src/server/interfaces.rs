//! Interfaces: what is there, attach, detach.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::audit::Done;
use super::failure::Answer;
use super::identity::Caller;
use super::params::Params;
use super::segments::InInterface;
use super::{Context, body};
use crate::control::Command;
use crate::wire::{self, Attach, AttachAs, ErrorEnvelope, InterfaceStatus, List};

/// The box's interfaces, attached or not.
#[utoipa::path(get, path = "/v1/interfaces", tag = "interfaces",
    responses((status = 200, body = List<InterfaceStatus>)))]
pub(super) async fn list(
    State(context): State<Context>,
    params: Params,
) -> Answer<Json<List<InterfaceStatus>>> {
    params.finish()?;
    let state = context.control.state();
    Ok(Json(state.interfaces.iter().cloned().collect()))
}

/// Attaches the forwarding program to an interface.
#[utoipa::path(post, path = "/v1/interfaces", tag = "interfaces", request_body = Attach,
    responses((status = 200, body = InterfaceStatus), (status = 400, body = ErrorEnvelope),
        (status = 403, body = ErrorEnvelope), (status = 404, body = ErrorEnvelope),
        (status = 409, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope)))]
pub(super) async fn attach(
    State(context): State<Context>,
    Caller(actor): Caller,
    params: Params,
    request: Request,
) -> Answer<Response> {
    params.finish()?;
    let Attach {
        name,
        mode,
        datapath,
    } = body::small(request).await?;
    let interface = wire::interface_name("name", &name)?;
    let command = |reply| Command::Attach {
        interface,
        how: AttachAs { datapath, mode },
        actor,
        reply,
    };
    let status: InterfaceStatus = context.control.call(command).await?;
    let done = Done::text(format!("{} attached", status.name));
    Ok(done.on(Json(status).into_response()))
}

/// Takes the forwarding program off an interface.
#[utoipa::path(delete, path = "/v1/interfaces/{name}", tag = "interfaces",
    params(("name" = String, Path)),
    responses((status = 204), (status = 403, body = ErrorEnvelope),
        (status = 404, body = ErrorEnvelope), (status = 409, body = ErrorEnvelope)))]
pub(super) async fn detach(
    State(context): State<Context>,
    Caller(actor): Caller,
    InInterface(interface): InInterface,
    params: Params,
) -> Answer<Response> {
    params.finish()?;
    let done = Done::text(format!("{interface} detached"));
    context
        .control
        .call(|reply| Command::Detach {
            interface,
            actor,
            reply,
        })
        .await?;
    Ok(done.on(StatusCode::NO_CONTENT.into_response()))
}

//! The change that waits to be confirmed: shown, kept, or taken back.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::Context;
use super::audit::Done;
use super::documents::told;
use super::failure::{Answer, Failure};
use super::identity::Caller;
use super::params::Params;
use super::precondition::When;
use crate::control::Command;
use crate::wire::{Applied, Confirmation, ErrorEnvelope};

/// The change that waits to be confirmed.
#[utoipa::path(get, path = "/v1/confirmation", tag = "history",
    responses((status = 200, body = Confirmation), (status = 404, body = ErrorEnvelope)))]
pub(super) async fn read(
    State(context): State<Context>,
    params: Params,
) -> Answer<Json<Confirmation>> {
    params.finish()?;
    let waiting = context.control.state().status.confirmation.clone();
    let none = || Failure::not_found("change that waits to be confirmed");
    waiting.map(Json).ok_or_else(none)
}

/// Keeps the change that waits. `If-Match` with its generation confirms no other.
#[utoipa::path(post, path = "/v1/confirmation", tag = "history",
    params(("If-Match" = Option<String>, Header, description = "the generation that waits, as an ETag")),
    responses((status = 200, body = Confirmation), (status = 403, body = ErrorEnvelope),
        (status = 409, body = ErrorEnvelope), (status = 412, body = ErrorEnvelope),
        (status = 507, body = ErrorEnvelope)))]
pub(super) async fn confirm(
    State(context): State<Context>,
    Caller(actor): Caller,
    params: Params,
    When(precondition): When,
) -> Answer<Response> {
    params.finish()?;
    let command = |reply| Command::Confirm {
        precondition,
        actor,
        reply,
    };
    let confirmed = context.control.call(command).await?;
    let text = format!(
        "document {}: generation {} confirmed",
        confirmed.source, confirmed.generation
    );
    Ok(Done::text(text).on(Json(confirmed).into_response()))
}

/// Takes the change that waits back, without waiting for its deadline.
#[utoipa::path(delete, path = "/v1/confirmation", tag = "history",
    params(("If-Match" = Option<String>, Header, description = "the generation that waits, as an ETag")),
    responses((status = 200, body = Applied), (status = 403, body = ErrorEnvelope),
        (status = 409, body = ErrorEnvelope), (status = 412, body = ErrorEnvelope),
        (status = 507, body = ErrorEnvelope)))]
pub(super) async fn revert(
    State(context): State<Context>,
    Caller(actor): Caller,
    params: Params,
    When(precondition): When,
) -> Answer<Response> {
    params.finish()?;
    let command = |reply| Command::Revert {
        precondition,
        actor,
        reply,
    };
    Ok(told(context.control.call(command).await?))
}

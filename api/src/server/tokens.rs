//! Tokens: who has one, a new one, and none any more.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::audit::Done;
use super::failure::Answer;
use super::identity::Caller;
use super::params::Params;
use super::segments::InToken;
use super::{Context, body};
use crate::control::Command;
use crate::wire::{CreatedToken, ErrorEnvelope, List, NewToken, Token};

/// All tokens, without what makes them secret. Needs the role admin.
#[utoipa::path(get, path = "/v1/tokens", tag = "tokens",
    responses((status = 200, body = List<Token>), (status = 403, body = ErrorEnvelope)))]
pub(super) async fn list(
    State(context): State<Context>,
    params: Params,
) -> Answer<Json<List<Token>>> {
    params.finish()?;
    let now = now();
    let state = context.control.state();
    let tokens = state.tokens.iter().map(|token| Token::of(token, now));
    Ok(Json(tokens.collect()))
}

/// Makes a token. Its secret is in this answer and nowhere else. Needs the role admin.
#[utoipa::path(post, path = "/v1/tokens", tag = "tokens", request_body = NewToken,
    responses((status = 201, body = CreatedToken), (status = 400, body = ErrorEnvelope),
        (status = 403, body = ErrorEnvelope), (status = 409, body = ErrorEnvelope),
        (status = 422, body = ErrorEnvelope), (status = 507, body = ErrorEnvelope)))]
pub(super) async fn create(
    State(context): State<Context>,
    Caller(actor): Caller,
    params: Params,
    request: Request,
) -> Answer<Response> {
    params.finish()?;
    let asked: NewToken = body::small(request).await?;
    asked.check()?;
    let command = |reply| Command::CreateToken {
        token: asked,
        actor,
        reply,
    };
    let (secret, token) = context.control.call(command).await?;
    let done = Done::text(format!("token {} made, {}", token.name, token.role));
    let created = CreatedToken {
        secret: secret.expose().to_owned(),
        token: Token::of(&token, now()),
    };
    let head = (StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")]);
    Ok(done.on((head.0, head.1, Json(created)).into_response()))
}

/// Ends a token: the next request that shows it is refused. Needs the role admin.
#[utoipa::path(delete, path = "/v1/tokens/{name}", tag = "tokens",
    params(("name" = String, Path)),
    responses((status = 204), (status = 403, body = ErrorEnvelope),
        (status = 404, body = ErrorEnvelope), (status = 507, body = ErrorEnvelope)))]
pub(super) async fn revoke(
    State(context): State<Context>,
    Caller(actor): Caller,
    InToken(name): InToken,
    params: Params,
) -> Answer<Response> {
    params.finish()?;
    let done = Done::text(format!("token {name} revoked"));
    let command = |reply| Command::RevokeToken { name, actor, reply };
    context.control.call(command).await?;
    Ok(done.on(StatusCode::NO_CONTENT.into_response()))
}

/// Seconds since the epoch.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

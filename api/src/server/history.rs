//! Earlier generations of documents: listed, shown, and made the document again.

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::response::Response;

use super::Context;
use super::documents::applied;
use super::failure::{Answer, Failure};
use super::identity::Caller;
use super::params::Params;
use super::precondition::When;
use crate::control::{Command, Generation, Terms};
use crate::wire::{
    self, Applied, Comment, ErrorEnvelope, HistoryDetail, HistoryEntry, List, Problem,
};

/// Generations of all documents that are kept (the last 20 of each), newest first.
#[utoipa::path(get, path = "/v1/history", tag = "history",
    params(("source" = Option<String>, Query, description = "only those of this document")),
    responses((status = 200, body = List<HistoryEntry>), (status = 422, body = ErrorEnvelope)))]
pub(super) async fn list(
    State(context): State<Context>,
    mut params: Params,
) -> Answer<Json<List<HistoryEntry>>> {
    let source = params.take("source");
    params.finish()?;
    let source = source
        .map(|source| wire::parse_source(&source))
        .transpose()?;
    let source = source.map(|source| source.to_string());
    let state = context.control.state();
    let is_asked =
        |entry: &&HistoryEntry| source.as_ref().is_none_or(|source| *source == entry.source);
    Ok(Json(
        state.history.iter().filter(is_asked).cloned().collect(),
    ))
}

/// One generation with its contents, and how it differs from the one before.
#[utoipa::path(get, path = "/v1/history/{generation}", tag = "history",
    params(("generation" = u64, Path)),
    responses((status = 200, body = HistoryDetail), (status = 404, body = ErrorEnvelope),
        (status = 409, body = ErrorEnvelope)))]
pub(super) async fn show(
    State(context): State<Context>,
    InGeneration(generation): InGeneration,
    params: Params,
) -> Answer<Json<HistoryDetail>> {
    params.finish()?;
    let command = |reply| Command::HistoryDetail { generation, reply };
    Ok(Json(context.control.call(command).await?))
}

/// Makes an earlier generation's contents the document again, as a generation of its own.
#[utoipa::path(post, path = "/v1/history/{generation}/rollback", tag = "history",
    params(
        ("generation" = u64, Path),
        ("dryRun" = Option<bool>, Query, description = "only say what would change"),
        ("confirm" = Option<u64>, Query, description = "seconds, 1 to 86400, after which it reverts unless it is confirmed"),
        ("comment" = Option<String>, Query, description = "what the history says of it: a line of at most 256 bytes"),
        ("If-Match" = Option<String>, Header, description = "the ETag of the document as it was read, or `*`"),
    ),
    responses((status = 200, body = Applied), (status = 403, body = ErrorEnvelope),
        (status = 404, body = ErrorEnvelope), (status = 409, body = ErrorEnvelope),
        (status = 412, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope),
        (status = 507, body = ErrorEnvelope)))]
pub(super) async fn rollback(
    State(context): State<Context>,
    Caller(actor): Caller,
    InGeneration(generation): InGeneration,
    mut params: Params,
    When(precondition): When,
) -> Answer<Response> {
    let dry_run = params.take_flag("dryRun")?;
    let terms = terms(&mut params)?;
    params.finish()?;
    let command = |reply| Command::Rollback {
        generation,
        precondition,
        dry_run,
        terms,
        actor,
        reply,
    };
    Ok(applied(context.control.call(command).await?))
}

/// `comment` and `confirm`.
pub(super) fn terms(params: &mut Params) -> Answer<Terms> {
    let comment = params.take("comment");
    let confirm = params.take("confirm");
    let comment = comment
        .map(|text| Comment::new("comment", &text))
        .transpose()?;
    let confirm = confirm
        .map(|text| wire::confirm_span("confirm", &text))
        .transpose()?;
    Ok(Terms { comment, confirm })
}

/// `/v1/history/{generation}`
pub(super) struct InGeneration(Generation);

impl<S: Send + Sync> FromRequestParts<S> for InGeneration {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        let text = text
            .map_err(|error| Failure::unparsable("path", error.body_text()))?
            .0;
        let number: Option<u64> = text.parse().ok();
        let number = number.filter(|number| number.to_string() == text && *number > 0);
        let problem = || {
            let message = format!("`{text}` is no generation");
            Problem::new("generation", message, "a number from 1 on").remedy("see /v1/history")
        };
        Ok(Self(Generation(number.ok_or_else(problem)?)))
    }
}

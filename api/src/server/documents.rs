//! Documents: whole, by source.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use lb_core::intent::{self, Source};

use super::audit::Done;
use super::failure::{Answer, Failure};
use super::history::terms;
use super::identity::{Caller, identity};
use super::params::Params;
use super::precondition::{When, etag};
use super::segments::InSource;
use super::{BODY_BYTES_MAX, Context, DOCUMENT_BYTES_MAX, body};
use crate::control::{Actor, Command, ControlError, Precondition, Terms};
use crate::role::Role;
use crate::wire::{Applied, Document, DocumentStatus, ErrorEnvelope, List};

/// Every document that is there, in the order of precedence.
#[utoipa::path(get, path = "/v1/documents", tag = "documents",
    responses((status = 200, body = List<DocumentStatus>)))]
pub(super) async fn list(
    State(context): State<Context>,
    params: Params,
) -> Answer<Json<List<DocumentStatus>>> {
    params.finish()?;
    let state = context.control.state();
    let status = state
        .documents
        .iter()
        .map(|(source, stored)| DocumentStatus {
            source: source.to_string(),
            generation: stored.generation.0,
            services: stored.document.len() as u64,
        });
    Ok(Json(status.collect()))
}

/// One document. Its ETag is its generation.
#[utoipa::path(get, path = "/v1/documents/{source}", tag = "documents",
    params(("source" = String, Path, description = "`file`, `api`, `kube/NAME` or `NAME`")),
    responses((status = 200, body = Document), (status = 404, body = ErrorEnvelope)))]
pub(super) async fn read(
    State(context): State<Context>,
    InSource(source): InSource,
    params: Params,
) -> Answer<Response> {
    params.finish()?;
    let state = context.control.state();
    let stored = state.documents.get(&source);
    let stored = stored.ok_or_else(|| Failure::not_found(format!("document {source}")))?;
    let document = Document::from(&*stored.document);
    Ok(([(header::ETAG, etag(stored.generation.0))], Json(document)).into_response())
}

/// Replaces a document whole: all of it, or nothing. A body of at most 64 MiB, JSON or YAML.
#[utoipa::path(put, path = "/v1/documents/{source}", tag = "documents",
    params(
        ("source" = String, Path, description = "`api`, `kube/NAME` or `NAME`"),
        ("dryRun" = Option<bool>, Query, description = "only say what would change"),
        ("confirm" = Option<u64>, Query, description = "seconds, 1 to 86400, after which it reverts unless it is confirmed"),
        ("comment" = Option<String>, Query, description = "what the history says of it: a line of at most 256 bytes"),
        ("If-Match" = Option<String>, Header, description = "the ETag of the document as it was read, or `*`"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only if there is none"),
    ),
    request_body = Document,
    responses(
        (status = 200, body = Applied), (status = 400, body = ErrorEnvelope),
        (status = 403, body = ErrorEnvelope), (status = 409, body = ErrorEnvelope),
        (status = 412, body = ErrorEnvelope), (status = 413, body = ErrorEnvelope),
        (status = 415, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope),
        (status = 507, body = ErrorEnvelope)))]
pub(super) async fn put(
    State(context): State<Context>,
    Caller(actor): Caller,
    InSource(source): InSource,
    mut params: Params,
    When(precondition): When,
    request: Request,
) -> Answer<Response> {
    let dry_run = params.take_flag("dryRun")?;
    let terms = terms(&mut params)?;
    params.finish()?;
    changeable(&source)?;
    replace(
        &context,
        source,
        How {
            precondition,
            dry_run,
            terms,
        },
        actor,
        request,
        DOCUMENT_BYTES_MAX,
    )
    .await
}

/// What putting this document would change; every role may ask. A viewer's body has at most 1 MiB.
#[utoipa::path(post, path = "/v1/diff/{source}", tag = "documents",
    params(("source" = String, Path, description = "`file`, `api`, `kube/NAME` or `NAME`")),
    request_body = Document,
    responses((status = 200, body = Applied), (status = 400, body = ErrorEnvelope),
        (status = 413, body = ErrorEnvelope), (status = 415, body = ErrorEnvelope),
        (status = 422, body = ErrorEnvelope)))]
pub(super) async fn diff(
    State(context): State<Context>,
    InSource(source): InSource,
    params: Params,
    When(precondition): When,
    request: Request,
) -> Answer<Response> {
    params.finish()?;
    let (parts, body) = request.into_parts();
    let identity = identity(&parts)?;
    let bytes_max = match identity.role {
        Some(Role::Operator | Role::Admin) => DOCUMENT_BYTES_MAX,
        _ => BODY_BYTES_MAX,
    };
    let actor = identity.actor.clone();
    let request = Request::from_parts(parts, body);
    replace(
        &context,
        source,
        How {
            precondition,
            dry_run: true,
            terms: Terms::default(),
        },
        actor,
        request,
        bytes_max,
    )
    .await
}

/// Removes a document and with it its services.
#[utoipa::path(delete, path = "/v1/documents/{source}", tag = "documents",
    params(
        ("source" = String, Path, description = "`api`, `kube/NAME` or `NAME`"),
        ("dryRun" = Option<bool>, Query, description = "only say what would change"),
        ("If-Match" = Option<String>, Header, description = "the ETag of the document as it was read, or `*`"),
    ),
    responses((status = 200, body = Applied), (status = 403, body = ErrorEnvelope),
        (status = 404, body = ErrorEnvelope), (status = 409, body = ErrorEnvelope),
        (status = 412, body = ErrorEnvelope), (status = 507, body = ErrorEnvelope)))]
pub(super) async fn delete(
    State(context): State<Context>,
    Caller(actor): Caller,
    InSource(source): InSource,
    mut params: Params,
    When(precondition): When,
) -> Answer<Response> {
    let dry_run = params.take_flag("dryRun")?;
    params.finish()?;
    changeable(&source)?;
    let command = |reply| Command::DeleteDocument {
        source,
        precondition,
        dry_run,
        actor,
        reply,
    };
    Ok(told(context.control.call(command).await?))
}

/// How a document is to be replaced.
struct How {
    precondition: Precondition,
    dry_run: bool,
    terms: Terms,
}

async fn replace(
    context: &Context,
    source: Source,
    how: How,
    actor: Actor,
    request: Request,
    bytes_max: usize,
) -> Answer<Response> {
    let (wire, _permit) =
        body::document::<Document>(request, bytes_max, &context.large_bodies).await?;
    let document = intent::Document::try_from(&wire)?;
    let command = |reply| Command::PutDocument {
        source,
        document,
        precondition: how.precondition,
        dry_run: how.dry_run,
        terms: how.terms,
        actor,
        reply,
    };
    Ok(applied(context.control.call(command).await?))
}

/// The answer to a change after which there is no document to have an ETag.
pub(super) fn told(applied: Applied) -> Response {
    Done::applied(&applied).on(Json(applied).into_response())
}

/// The answer to a change, with the document's ETag.
pub(super) fn applied(applied: Applied) -> Response {
    let done = Done::applied(&applied);
    done.on(([(header::ETAG, etag(applied.generation))], Json(applied)).into_response())
}

fn changeable(source: &Source) -> Answer<()> {
    match source {
        Source::File => Err(ControlError::Conflict {
            message: "the document `file` is the configuration file's".into(),
            remedy: "edit the configuration file and reload".into(),
        }
        .into()),
        Source::Api | Source::Kube(_) | Source::Named(_) => Ok(()),
    }
}

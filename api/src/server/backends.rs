//! Backends: of all services, and of one.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::Response;

use super::failure::Answer;
use super::identity::Caller;
use super::params::Params;
use super::precondition::When;
use super::segments::{InBackend, InService};
use super::{Context, body, services};
use crate::edit::Edit;
use crate::wire::{Applied, ErrorEnvelope, List, Protocol, ServiceBackend, ServiceStatus, Share};

/// Backends of every service of every document.
#[utoipa::path(get, path = "/v1/backends", tag = "backends",
    responses((status = 200, body = List<ServiceBackend>)))]
pub(super) async fn list(
    State(context): State<Context>,
    params: Params,
) -> Answer<Json<List<ServiceBackend>>> {
    params.finish()?;
    let state = context.control.state();
    Ok(Json(state.services.iter().flat_map(of).collect()))
}

/// Backends of one service.
#[utoipa::path(get, path = "/v1/services/{vip}/{port}/{protocol}/backends", tag = "backends",
    params(("vip" = String, Path, description = "an address; IPv6 with or without brackets"),
        ("port" = String, Path, description = "`80`, `80-90`, or `*`: any port, and with `icmp` none"),
        ("protocol" = Protocol, Path)),
    responses((status = 200, body = List<ServiceBackend>), (status = 404, body = ErrorEnvelope),
        (status = 422, body = ErrorEnvelope)))]
pub(super) async fn of_service(
    State(context): State<Context>,
    InService(key): InService,
    params: Params,
) -> Answer<Json<List<ServiceBackend>>> {
    params.finish()?;
    let state = context.control.state();
    Ok(Json(of(services::find(&state, &key)?).collect()))
}

/// Adds a backend to a service of the document `api`, or changes its share.
#[utoipa::path(put, path = "/v1/services/{vip}/{port}/{protocol}/backends/{address}/{backend_port}",
    tag = "backends",
    params(
        ("vip" = String, Path, description = "an address; IPv6 with or without brackets"),
        ("port" = String, Path, description = "`80`, `80-90`, or `*`: any port, and with `icmp` none"),
        ("protocol" = Protocol, Path),
        ("address" = String, Path),
        ("backend_port" = String, Path, description = "1 to 65535, or `*` if the backend has none"),
        ("dryRun" = Option<bool>, Query, description = "only say what would change"),
        ("If-Match" = Option<String>, Header, description = "the ETag of the document `api`"),
    ),
    request_body = Share,
    responses((status = 200, body = Applied), (status = 400, body = ErrorEnvelope),
        (status = 403, body = ErrorEnvelope), (status = 404, body = ErrorEnvelope),
        (status = 409, body = ErrorEnvelope), (status = 412, body = ErrorEnvelope),
        (status = 422, body = ErrorEnvelope)))]
pub(super) async fn put(
    State(context): State<Context>,
    Caller(actor): Caller,
    InBackend(service, endpoint): InBackend,
    mut params: Params,
    When(precondition): When,
    request: Request,
) -> Answer<Response> {
    let dry_run = params.take_flag("dryRun")?;
    params.finish()?;
    let wire: Share = body::small(request).await?;
    let share = lb_core::service::Share::try_from(&wire)?;
    let edit = Edit::PutBackend {
        service,
        endpoint,
        share,
    };
    services::edit(&context, edit, precondition, dry_run, actor).await
}

/// Takes a backend out of a service of the document `api`. Its connections live on.
#[utoipa::path(delete, path = "/v1/services/{vip}/{port}/{protocol}/backends/{address}/{backend_port}",
    tag = "backends",
    params(
        ("vip" = String, Path, description = "an address; IPv6 with or without brackets"),
        ("port" = String, Path, description = "`80`, `80-90`, or `*`: any port, and with `icmp` none"),
        ("protocol" = Protocol, Path),
        ("address" = String, Path),
        ("backend_port" = String, Path, description = "1 to 65535, or `*` if the backend has none"),
        ("dryRun" = Option<bool>, Query, description = "only say what would change"),
        ("If-Match" = Option<String>, Header, description = "the ETag of the document `api`"),
    ),
    responses((status = 200, body = Applied), (status = 403, body = ErrorEnvelope),
        (status = 404, body = ErrorEnvelope), (status = 409, body = ErrorEnvelope),
        (status = 412, body = ErrorEnvelope)))]
pub(super) async fn delete(
    State(context): State<Context>,
    Caller(actor): Caller,
    InBackend(service, endpoint): InBackend,
    mut params: Params,
    When(precondition): When,
) -> Answer<Response> {
    let dry_run = params.take_flag("dryRun")?;
    params.finish()?;
    let edit = Edit::DeleteBackend { service, endpoint };
    services::edit(&context, edit, precondition, dry_run, actor).await
}

fn of(service: &ServiceStatus) -> impl Iterator<Item = ServiceBackend> {
    service.backends.iter().map(|backend| ServiceBackend {
        service: service.key.clone(),
        source: service.source.clone(),
        backend: backend.clone(),
    })
}

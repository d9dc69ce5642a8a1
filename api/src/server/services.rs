//! Services of all documents, and the verbs that edit those of the document `api`.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lb_core::service::{self, ServiceKey};

use super::documents::applied;
use super::failure::{Answer, Failure};
use super::identity::Caller;
use super::params::Params;
use super::precondition::When;
use super::segments::InService;
use super::{Context, body};
use crate::control::{Actor, Command, Precondition, State as Snapshot};
use crate::edit::Edit;
use crate::wire::{
    Applied, ErrorEnvelope, List, Problem, Protocol, Service, ServiceStatus, service_path,
};

/// Every service of every document, and how it is.
#[utoipa::path(get, path = "/v1/services", tag = "services",
    responses((status = 200, body = List<ServiceStatus>)))]
pub(super) async fn list(
    State(context): State<Context>,
    params: Params,
) -> Answer<Json<List<ServiceStatus>>> {
    params.finish()?;
    let state = context.control.state();
    Ok(Json(state.services.iter().cloned().collect()))
}

/// One service, and how it is: of documents with the same key the one that is served.
#[utoipa::path(get, path = "/v1/services/{vip}/{port}/{protocol}", tag = "services",
    params(("vip" = String, Path, description = "an address; IPv6 with or without brackets"),
        ("port" = String, Path, description = "`80`, `80-90`, or `*`: any port, and with `icmp` none"),
        ("protocol" = Protocol, Path)),
    responses((status = 200, body = ServiceStatus), (status = 404, body = ErrorEnvelope),
        (status = 422, body = ErrorEnvelope)))]
pub(super) async fn read(
    State(context): State<Context>,
    InService(key): InService,
    params: Params,
) -> Answer<Json<ServiceStatus>> {
    params.finish()?;
    Ok(Json(find(&context.control.state(), &key)?.clone()))
}

/// Adds a service to the document `api`.
#[utoipa::path(post, path = "/v1/services", tag = "services",
    params(
        ("dryRun" = Option<bool>, Query, description = "only say what would change"),
        ("If-Match" = Option<String>, Header, description = "the ETag of the document `api`"),
    ),
    request_body = Service,
    responses((status = 201, body = Applied), (status = 400, body = ErrorEnvelope),
        (status = 403, body = ErrorEnvelope), (status = 409, body = ErrorEnvelope),
        (status = 412, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope)))]
pub(super) async fn create(
    State(context): State<Context>,
    Caller(actor): Caller,
    mut params: Params,
    When(precondition): When,
    request: Request,
) -> Answer<Response> {
    let dry_run = params.take_flag("dryRun")?;
    params.finish()?;
    let wire: Service = body::small(request).await?;
    let service = service::Service::try_from(&wire)?;
    let location = service_path(&service.key);
    let done = edit(
        &context,
        Edit::CreateService(service),
        precondition,
        dry_run,
        actor,
    )
    .await?;
    if dry_run {
        return Ok(done);
    }
    let location =
        HeaderValue::try_from(location).expect("addresses, ports and words are visible ASCII");
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], done).into_response())
}

/// Puts a service into the document `api`, in the place of the one with its key.
#[utoipa::path(put, path = "/v1/services/{vip}/{port}/{protocol}", tag = "services",
    params(
        ("vip" = String, Path, description = "an address; IPv6 with or without brackets"),
        ("port" = String, Path, description = "`80`, `80-90`, or `*`: any port, and with `icmp` none"),
        ("protocol" = Protocol, Path),
        ("dryRun" = Option<bool>, Query, description = "only say what would change"),
        ("If-Match" = Option<String>, Header, description = "the ETag of the document `api`"),
    ),
    request_body = Service,
    responses((status = 200, body = Applied), (status = 400, body = ErrorEnvelope),
        (status = 403, body = ErrorEnvelope), (status = 409, body = ErrorEnvelope),
        (status = 412, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope)))]
pub(super) async fn put(
    State(context): State<Context>,
    Caller(actor): Caller,
    InService(key): InService,
    mut params: Params,
    When(precondition): When,
    request: Request,
) -> Answer<Response> {
    let dry_run = params.take_flag("dryRun")?;
    params.finish()?;
    let wire: Service = body::small(request).await?;
    let service = service::Service::try_from(&wire)?;
    if service.key != key {
        let message = format!("{} is not the service of the path", service.key);
        return Err(Problem::new("vip", message, format!("{key}")).into());
    }
    edit(
        &context,
        Edit::PutService(service),
        precondition,
        dry_run,
        actor,
    )
    .await
}

/// Takes a service out of the document `api`.
#[utoipa::path(delete, path = "/v1/services/{vip}/{port}/{protocol}", tag = "services",
    params(
        ("vip" = String, Path, description = "an address; IPv6 with or without brackets"),
        ("port" = String, Path, description = "`80`, `80-90`, or `*`: any port, and with `icmp` none"),
        ("protocol" = Protocol, Path),
        ("dryRun" = Option<bool>, Query, description = "only say what would change"),
        ("If-Match" = Option<String>, Header, description = "the ETag of the document `api`"),
    ),
    responses((status = 200, body = Applied), (status = 403, body = ErrorEnvelope),
        (status = 404, body = ErrorEnvelope), (status = 409, body = ErrorEnvelope),
        (status = 412, body = ErrorEnvelope)))]
pub(super) async fn delete(
    State(context): State<Context>,
    Caller(actor): Caller,
    InService(key): InService,
    mut params: Params,
    When(precondition): When,
) -> Answer<Response> {
    let dry_run = params.take_flag("dryRun")?;
    params.finish()?;
    edit(
        &context,
        Edit::DeleteService(key),
        precondition,
        dry_run,
        actor,
    )
    .await
}

/// Has the daemon make an edit of the document `api`.
pub(super) async fn edit(
    context: &Context,
    edit: Edit,
    precondition: Precondition,
    dry_run: bool,
    actor: Actor,
) -> Answer<Response> {
    let command = |reply| Command::Edit {
        edit,
        precondition,
        dry_run,
        actor,
        reply,
    };
    let done: Applied = context.control.call(command).await?;
    Ok(applied(done))
}

/// The first of a key is the one that is served: they are in the order of sources.
pub(super) fn find<'a>(state: &'a Snapshot, key: &ServiceKey) -> Answer<&'a ServiceStatus> {
    let text = key.to_string();
    let found = state.services.iter().find(|service| service.key == text);
    found.ok_or_else(|| Failure::not_found(format!("service {key}")))
}

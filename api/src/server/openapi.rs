//! The API's description, made from the routes and the wire types.

use axum::Json;
use utoipa::OpenApi;

use super::{
    backends, confirm, connections, documents, events, health, history, interfaces, services,
    states, tokens,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "loxid",
        description = "Management of a layer-4 load balancer. There are three roles: viewer (looks), \
            operator (changes documents) and admin (attaches interfaces, makes tokens). Over the unix socket \
            the kernel says who asks: root and the group loxid-admin are admins, the group loxid are viewers. \
            A token (Authorization: Bearer) has the role it was made with. Every answer of 4xx and 5xx has an ErrorEnvelope.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        contact(name = "", url = ""),
    ),
    paths(
        documents::list,
        documents::read,
        documents::put,
        documents::delete,
        documents::diff,
        services::list,
        services::read,
        services::create,
        services::put,
        services::delete,
        backends::list,
        backends::of_service,
        backends::put,
        backends::delete,
        interfaces::list,
        interfaces::attach,
        interfaces::detach,
        connections::list,
        states::describe,
        states::describe_of_service,
        states::set,
        states::set_of_service,
        history::list,
        history::show,
        history::rollback,
        confirm::read,
        confirm::confirm,
        confirm::revert,
        events::read,
        tokens::list,
        tokens::create,
        tokens::revoke,
        health::status,
        health::healthz,
        health::readyz,
        health::metrics,
    )
)]
struct Description;

/// The description in OpenAPI 3.1.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut description = Description::openapi();
    description.info.contact = None;
    description
}

pub(super) async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(openapi())
}

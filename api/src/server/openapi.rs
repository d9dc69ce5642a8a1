//! The API's description, made from the routes and the wire types.

use axum::Json;
use utoipa::OpenApi;

use super::{backends, connections, documents, health, interfaces, services};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "loxid",
        description = "Management of a layer-4 load balancer. Changes need the role admin: root or the \
            group loxid-admin on the unix socket. Every answer of 4xx and 5xx has an ErrorEnvelope.",
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

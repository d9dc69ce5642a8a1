//! The variable parts of a path.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use lb_core::intent::Source;
use lb_core::service::{Endpoint, ServiceKey};
use serde::de::DeserializeOwned;

use super::failure::{Answer, Failure};
use crate::wire;

/// `/v1/documents/{source}`; a slash within may be encoded.
pub(super) struct InSource(pub(super) Source);

/// `/v1/services/{vip}/{port}/{protocol}`
pub(super) struct InService(pub(super) ServiceKey);

/// `/v1/services/{vip}/{port}/{protocol}/backends/{address}/{port}`
pub(super) struct InBackend(pub(super) ServiceKey, pub(super) Endpoint);

/// `/v1/backends/{address}/{port}`
pub(super) struct InEndpoint(pub(super) Endpoint);

/// `/v1/interfaces/{name}`
pub(super) struct InInterface(pub(super) String);

/// `/v1/tokens/{name}`
pub(super) struct InToken(pub(super) String);

async fn segments<T: DeserializeOwned + Send, S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
) -> Answer<T> {
    let path = Path::<T>::from_request_parts(parts, state).await;
    path.map(|path| path.0)
        .map_err(|error| Failure::unparsable("path", error.body_text()))
}

impl<S: Send + Sync> FromRequestParts<S> for InSource {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let source: String = segments(parts, state).await?;
        Ok(Self(wire::parse_source(&source)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for InService {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let (vip, port, protocol): (String, String, String) = segments(parts, state).await?;
        Ok(Self(wire::service_key(&vip, &port, &protocol)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for InBackend {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let (vip, port, protocol, address, backend_port): (String, String, String, String, String) =
            segments(parts, state).await?;
        let key = wire::service_key(&vip, &port, &protocol)?;
        Ok(Self(key, wire::endpoint(&address, &backend_port)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for InEndpoint {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let (address, port): (String, String) = segments(parts, state).await?;
        Ok(Self(wire::endpoint(&address, &port)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for InInterface {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let name: String = segments(parts, state).await?;
        Ok(Self(wire::interface_name("name", &name)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for InToken {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let name: String = segments(parts, state).await?;
        Ok(Self(wire::token_name("name", &name)?))
    }
}

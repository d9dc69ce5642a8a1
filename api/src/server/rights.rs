//! Which role each route asks for: the one place that says so.
//!
//! What is not in this table is refused, whatever the router has: `access` asks here first.

use axum::http::Method;

use crate::role::Role::{self, Admin, Operator, Viewer};

/// Method, route as the router has it, and the least role. HEAD is GET.
pub(super) const RIGHTS: &[(&str, &str, Role)] = &[
    ("GET", "/v1/documents", Viewer),
    ("GET", "/v1/documents/{*source}", Viewer),
    ("PUT", "/v1/documents/{*source}", Operator),
    ("DELETE", "/v1/documents/{*source}", Operator),
    ("POST", "/v1/diff/{*source}", Viewer),
    ("GET", "/v1/services", Viewer),
    ("POST", "/v1/services", Operator),
    ("GET", "/v1/services/{vip}/{port}/{protocol}", Viewer),
    ("PUT", "/v1/services/{vip}/{port}/{protocol}", Operator),
    ("DELETE", "/v1/services/{vip}/{port}/{protocol}", Operator),
    (
        "GET",
        "/v1/services/{vip}/{port}/{protocol}/backends",
        Viewer,
    ),
    (
        "PUT",
        "/v1/services/{vip}/{port}/{protocol}/backends/{address}/{backend_port}",
        Operator,
    ),
    (
        "DELETE",
        "/v1/services/{vip}/{port}/{protocol}/backends/{address}/{backend_port}",
        Operator,
    ),
    (
        "GET",
        "/v1/services/{vip}/{port}/{protocol}/backends/{address}/{backend_port}",
        Viewer,
    ),
    (
        "PUT",
        "/v1/services/{vip}/{port}/{protocol}/backends/{address}/{backend_port}/state",
        Operator,
    ),
    ("GET", "/v1/backends", Viewer),
    ("GET", "/v1/backends/{address}/{backend_port}", Viewer),
    (
        "PUT",
        "/v1/backends/{address}/{backend_port}/state",
        Operator,
    ),
    ("GET", "/v1/interfaces", Viewer),
    ("POST", "/v1/interfaces", Admin),
    ("DELETE", "/v1/interfaces/{name}", Admin),
    ("GET", "/v1/connections", Viewer),
    ("GET", "/v1/history", Viewer),
    ("GET", "/v1/history/{generation}", Viewer),
    ("POST", "/v1/history/{generation}/rollback", Operator),
    ("GET", "/v1/confirmation", Viewer),
    ("POST", "/v1/confirmation", Operator),
    ("DELETE", "/v1/confirmation", Operator),
    ("GET", "/v1/events", Viewer),
    ("GET", "/v1/tokens", Admin),
    ("POST", "/v1/tokens", Admin),
    ("DELETE", "/v1/tokens/{name}", Admin),
    ("GET", "/v1/status", Viewer),
    ("GET", "/v1/openapi.json", Viewer),
    ("GET", "/healthz", Viewer),
    ("GET", "/readyz", Viewer),
    ("GET", "/metrics", Viewer),
];

/// What the table says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Right {
    Role(Role),
    /// The route has other methods: these.
    NoMethod(Vec<&'static str>),
    NoRoute,
}

pub(super) fn of(method: &Method, route: &str) -> Right {
    let method = match method.as_str() {
        "HEAD" => "GET",
        other => other,
    };
    let of_route = || RIGHTS.iter().filter(|(_, path, _)| *path == route);
    if let Some((_, _, role)) = of_route().find(|(name, _, _)| *name == method) {
        return Right::Role(*role);
    }
    let methods: Vec<&str> = of_route().map(|(name, _, _)| *name).collect();
    match methods.is_empty() {
        true => Right::NoRoute,
        false => Right::NoMethod(methods),
    }
}

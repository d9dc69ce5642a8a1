//! Before any route: requests made by web pages are refused, and those of nobody.

use std::net::IpAddr;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Context;
use super::failure::{Answer, Failure};
use super::identity::Identity;

/// Checks a request, has it answered, and counts the answer.
pub(super) async fn guard(
    State(context): State<Context>,
    request: Request,
    next: Next,
) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    let response = match check(&request) {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.into_response(),
    };
    context
        .requests
        .count(route.as_deref().unwrap_or("unknown"), response.status());
    response
}

fn check(request: &Request) -> Answer<()> {
    let identity = request.extensions().get::<Identity>();
    let identity = identity.ok_or_else(|| Failure::forbidden("it is not known who asks"))?;
    if identity.role.is_none() {
        let message = format!("{} has no role here", identity.actor);
        return Err(Failure::forbidden(message).remedy(identity.remedy));
    }
    if identity.from_network {
        check_host(request.uri(), request.headers())?;
        check_origin(request.headers())?;
    }
    Ok(())
}

/// A page of any site can have its name resolve to 127.0.0.1 (DNS rebinding); the Host header
/// still has the site's name.
fn check_host(uri: &Uri, headers: &HeaderMap) -> Answer<()> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().unwrap_or("?"),
        _ => return Err(Failure::unparsable("Host", "there must be one Host header")),
    };
    let target = uri.authority().map(|authority| authority.as_str());
    match [Some(host), target]
        .into_iter()
        .flatten()
        .find(|host| !is_loopback(host))
    {
        None => Ok(()),
        Some(host) => Err(
            Failure::forbidden(format!("`{host}` is not this box's loopback"))
                .field("Host")
                .rule("localhost or a loopback address, with or without a port"),
        ),
    }
}

fn check_origin(headers: &HeaderMap) -> Answer<()> {
    let origin = |value: &axum::http::HeaderValue| value.to_str().unwrap_or("?").to_owned();
    let foreign = |origin: &String| {
        let authority = origin
            .split_once("://")
            .map_or(origin.as_str(), |(_, authority)| authority);
        !is_loopback(authority)
    };
    match headers
        .get_all(header::ORIGIN)
        .iter()
        .map(origin)
        .find(foreign)
    {
        None => Ok(()),
        Some(origin) => Err(Failure::forbidden(format!("a page of `{origin}` asks"))
            .field("Origin")
            .rule("pages of other sites may not use this API")),
    }
}

/// `localhost`, `127.0.0.1:11111`, `[::1]`.
fn is_loopback(authority: &str) -> bool {
    let host = match authority
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((host, port)) if port.is_empty() || is_port(port) => host,
        Some(_) => return false,
        None => match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            Some(_) => return false,
            None => authority,
        },
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn is_port(text: &str) -> bool {
    text.strip_prefix(':')
        .is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

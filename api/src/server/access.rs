//! Before any route: how often this client asks, whether a web page made it ask, who it is, and
//! whether they may. After it: the audit line and the metrics.

use std::net::IpAddr;
use std::sync::PoisonError;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Context;
use super::audit;
use super::failure::{Answer, Failure};
use super::identity::{Identity, Peer};
use super::rights::{self, Right};
use super::tokens::now;
use crate::role::Role;

/// Checks a request, has it answered, and tells of it.
pub(super) async fn guard(
    State(context): State<Context>,
    request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let (mut head, body) = request.into_parts();
    let route = head.extensions.get::<MatchedPath>();
    let route = route.map(|path| path.as_str().to_owned());
    let (method, uri) = (head.method.clone(), head.uri.clone());
    let response = match identify(&context, &head).await {
        Err(failure) => failure.into_response(),
        Ok(identity) => {
            let right = route.as_deref().map(|route| rights::of(&method, route));
            let response = match authorize(&identity, &method, &uri, right.as_ref()) {
                Err(failure) => failure.into_response(),
                Ok(()) => {
                    head.extensions.insert(identity.clone());
                    next.run(Request::from_parts(head, body)).await
                }
            };
            if is_change(&method, right.as_ref()) {
                audit::record(&identity, &method, &uri, &response);
            }
            response
        }
    };
    context.requests.count(
        route.as_deref().unwrap_or("unknown"),
        response.status(),
        begun.elapsed(),
    );
    response
}

/// Who sends this request.
async fn identify(context: &Context, head: &Parts) -> Answer<Identity> {
    let identity = head.extensions.get::<Identity>();
    let identity = identity.ok_or_else(|| Failure::forbidden("it is not known who asks"))?;
    if let Some(client) = identity.limited() {
        let mut rates = context.rates.lock().unwrap_or_else(PoisonError::into_inner);
        rates
            .take(client, Instant::now())
            .map_err(Failure::too_many)?;
    }
    match identity.peer {
        Peer::Unix(_) => {}
        Peer::Loopback(_) => {
            let host = check_host(&head.uri, &head.headers)?;
            if !is_loopback(&host) {
                return Err(not_loopback(&host));
            }
            check_origin(&head.headers, is_loopback)?;
        }
        // Browsers show a client's certificate to whoever makes them ask.
        Peer::Tls(_) => {
            let host = check_host(&head.uri, &head.headers)?;
            check_origin(&head.headers, |origin| origin.eq_ignore_ascii_case(&host))?;
        }
    }
    match credential(&head.headers)? {
        Some(secret) => match context.control.state().tokens.check(secret, now()) {
            Ok(token) => Ok(identity.clone().with_token(&token)),
            Err(refusal) => Err(failed(context, identity, refusal.to_string()).await),
        },
        None => match (identity.role, identity.peer) {
            (None, Peer::Tls(_)) => {
                Err(failed(context, identity, "there is no token".to_owned()).await)
            }
            _ => Ok(identity.clone()),
        },
    }
}

/// The answer to credentials that are missing or wrong. It waits, longer each time.
async fn failed(context: &Context, identity: &Identity, why: String) -> Failure {
    context.requests.count_auth_failure();
    let wait = {
        let failures = context.failures.lock();
        let mut failures = failures.unwrap_or_else(PoisonError::into_inner);
        failures.add(identity.client(), Instant::now())
    };
    tracing::warn!(target: "loxid::audit", from = identity.actor.from, "not let in: {why}");
    tokio::time::sleep(wait).await;
    Failure::unauthorized(why)
        .rule("Authorization: Bearer, and a token of this appliance")
        .remedy("loxictl --token-file FILE sends it; `loxictl token create` on the box makes one")
}

/// What `Authorization: Bearer` has (RFC 6750, 2.1).
fn credential(headers: &HeaderMap) -> Answer<Option<&str>> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => value,
        (Some(_), Some(_)) => {
            return Err(Failure::unparsable(
                "Authorization",
                "the header is given twice",
            ));
        }
    };
    let parts = value.to_str().ok().and_then(|text| text.split_once(' '));
    match parts {
        Some((scheme, secret)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(secret.trim())),
        _ => Err(
            Failure::unparsable("Authorization", "the header has no bearer token")
                .rule("Bearer and a token"),
        ),
    }
}

fn authorize(identity: &Identity, method: &Method, uri: &Uri, right: Option<&Right>) -> Answer<()> {
    let Some(role) = identity.role else {
        let message = format!("{} has no role here", identity.actor);
        return Err(Failure::forbidden(message).remedy(identity.remedy));
    };
    match right {
        // No route: its answer tells nobody anything.
        None => Ok(()),
        Some(Right::Role(least)) if role >= *least => Ok(()),
        Some(Right::Role(least)) => {
            let message = format!("{} is {role}", identity.actor);
            Err(Failure::forbidden(message)
                .rule(format!("this needs the role {least}"))
                .remedy(identity.remedy))
        }
        Some(Right::NoMethod(methods)) => {
            let allowed = HeaderValue::try_from(methods.join(", "))
                .expect("names of methods are visible ASCII");
            Err(Failure::method_not_allowed(method, uri.path()).header(header::ALLOW, allowed))
        }
        Some(Right::NoRoute) => Err(Failure::not_found(format!("right to use {}", uri.path()))),
    }
}

fn is_change(method: &Method, right: Option<&Right>) -> bool {
    let is_more = matches!(right, Some(Right::Role(role)) if *role > Role::Viewer);
    is_more && !matches!(*method, Method::GET | Method::HEAD)
}

/// The Host header, which there must be once, and the same as an authority in the target.
fn check_host(uri: &Uri, headers: &HeaderMap) -> Answer<String> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().unwrap_or("?"),
        _ => return Err(Failure::unparsable("Host", "there must be one Host header")),
    };
    match uri.authority().map(|authority| authority.as_str()) {
        Some(target) if !target.eq_ignore_ascii_case(host) => Err(Failure::unparsable(
            "Host",
            format!("`{host}` is not the `{target}` of the request's target"),
        )),
        _ => Ok(host.to_owned()),
    }
}

/// A page of any site can have its name resolve to 127.0.0.1 (DNS rebinding); the Host header
/// still has the site's name.
fn not_loopback(host: &str) -> Failure {
    Failure::forbidden(format!("`{host}` is not this box's loopback"))
        .field("Host")
        .rule("localhost or a loopback address, with or without a port")
}

fn check_origin(headers: &HeaderMap, is_ours: impl Fn(&str) -> bool) -> Answer<()> {
    let origins = headers.get_all(header::ORIGIN).iter();
    let origins = origins.map(|value| value.to_str().unwrap_or("?"));
    let authority = |origin: &str| -> String {
        let parts = origin.split_once("://");
        parts.map_or(origin, |(_, authority)| authority).to_owned()
    };
    let foreign = |origin: &&str| !is_ours(&authority(origin));
    match origins.into_iter().find(foreign) {
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

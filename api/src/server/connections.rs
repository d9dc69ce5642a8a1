//! Connections: filtered by the daemon, a page at a time.

use axum::Json;
use axum::extract::State;
use lb_core::service::{Protocol, ServiceKey};

use super::Context;
use super::failure::Answer;
use super::params::Params;
use crate::control::{
    Command, ConnectionFilter, ConnectionsQuery, End, PAGE_MAX, State as Snapshot,
};
use crate::wire::{ConnectionState, ConnectionsPage, ErrorEnvelope, Problem, parse_service_key};

const LIMIT_DEFAULT: u16 = 100;

/// Connections that the data plane remembers, in the order of its table.
#[utoipa::path(get, path = "/v1/connections", tag = "connections",
    params(
        ("service" = Option<String>, Query, description = "key of a service, or its name"),
        ("client" = Option<String>, Query, description = "`address` or `address:port`"),
        ("backend" = Option<String>, Query, description = "`address` or `address:port`"),
        ("protocol" = Option<String>, Query, description = "`tcp` or `udp`"),
        ("state" = Option<ConnectionState>, Query),
        ("limit" = Option<u16>, Query, description = "1 to 1000; default 100"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, body = ConnectionsPage), (status = 400, body = ErrorEnvelope),
        (status = 422, body = ErrorEnvelope)))]
pub(super) async fn list(
    State(context): State<Context>,
    mut params: Params,
) -> Answer<Json<ConnectionsPage>> {
    let query = ConnectionsQuery {
        filter: ConnectionFilter {
            service: service(params.take("service"), &context.control.state())?,
            client: end("client", params.take("client"))?,
            backend: end("backend", params.take("backend"))?,
            protocol: protocol(params.take("protocol"))?,
            state: state(params.take("state"))?,
        },
        limit: limit(params.take("limit"))?,
        from: position(params.take("cursor"))?,
    };
    params.finish()?;
    let found = context
        .control
        .call(|reply| Command::Connections { query, reply })
        .await?;
    Ok(Json(ConnectionsPage {
        items: found.items,
        next: found.next.map(cursor),
    }))
}

fn service(text: Option<String>, state: &Snapshot) -> Result<Option<ServiceKey>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let mut named = state
        .services
        .iter()
        .filter(|service| service.name.as_ref() == Some(&text));
    match (named.next(), named.next()) {
        (Some(only), None) => parse_service_key(&only.key).map(Some),
        (Some(_), Some(_)) => {
            let message = format!("more than one service is named `{text}`");
            Err(Problem::new("service", message, "").remedy("give its VIP:PORTS/PROTOCOL"))
        }
        (None, _) => parse_service_key(&text).map(Some),
    }
}

fn end(field: &str, text: Option<String>) -> Result<Option<End>, Problem> {
    let Some(text) = text else { return Ok(None) };
    match text.parse::<lb_core::service::Endpoint>() {
        Ok(endpoint) => Ok(Some(End {
            addr: endpoint.addr,
            port: endpoint.port,
        })),
        Err(_) => Err(Problem::new(
            field,
            format!("`{text}` is not an end"),
            "address or address:port, IPv6 with a port in brackets",
        )),
    }
}

fn protocol(text: Option<String>) -> Result<Option<Protocol>, Problem> {
    let problem = |text: &str| {
        Problem::new(
            "protocol",
            format!("`{text}` is not a protocol"),
            "tcp or udp",
        )
    };
    let Some(text) = text else { return Ok(None) };
    match text.parse() {
        Ok(protocol @ (Protocol::Tcp | Protocol::Udp)) => Ok(Some(protocol)),
        Ok(Protocol::Icmp) | Err(_) => Err(problem(&text)),
    }
}

fn state(text: Option<String>) -> Result<Option<ConnectionState>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let found = ConnectionState::ALL
        .into_iter()
        .find(|state| state.as_str() == text);
    let words = || ConnectionState::ALL.map(ConnectionState::as_str).join(", ");
    let problem = || {
        Problem::new(
            "state",
            format!("`{text}` is not a state"),
            format!("one of {}", words()),
        )
    };
    found.map(Some).ok_or_else(problem)
}

fn limit(text: Option<String>) -> Result<u16, Problem> {
    let Some(text) = text else {
        return Ok(LIMIT_DEFAULT);
    };
    let limit = text
        .parse()
        .ok()
        .filter(|limit| (1..=PAGE_MAX).contains(limit));
    limit.ok_or_else(|| {
        Problem::new(
            "limit",
            format!("`{text}` is out of range"),
            format!("1 to {PAGE_MAX}"),
        )
    })
}

/// Cursors are opaque: only this file knows that they are positions.
fn cursor(position: u64) -> String {
    format!("p{position:x}")
}

fn position(text: Option<String>) -> Result<u64, Problem> {
    let Some(text) = text else { return Ok(0) };
    let digits = text
        .strip_prefix('p')
        .filter(|digits| !digits.starts_with('+'));
    digits
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .ok_or_else(|| {
            Problem::new(
                "cursor",
                format!("`{text}` is not a cursor"),
                "`next` of the page before",
            )
        })
}

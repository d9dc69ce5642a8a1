//! Wire types to `lb_core`'s and back. What comes in is checked whole: every problem is found.

use std::net::IpAddr;
use std::num::NonZeroU16;

use lb_core::intent::{self, DocumentError, Source};
use lb_core::service::{
    self as core, Endpoint, IdleTimeout, MaglevSize, Policy, Selection, ServiceError, ServiceKey,
};

use super::document::{Backend, Document, Mode, NoBackend, Protocol, Select, Service};
use super::invalid::{Invalid, Problem};
use super::service::Weight;

#[cfg(test)]
mod tests;

/// A source from its name: `file`, `api`, `kube/NAME` or `NAME`. The field is `source`.
pub fn parse_source(text: &str) -> Result<Source, Problem> {
    text.parse().map_err(|error| from_text("source", &error))
}

/// A key from `20.20.20.1:2020/tcp`. The field is `service`.
pub fn parse_service_key(text: &str) -> Result<ServiceKey, Problem> {
    text.parse().map_err(|error| from_text("service", &error))
}

/// A key from its parts, as a path has them.
pub fn service_key(vip: &str, port: &str, protocol: &str) -> Result<ServiceKey, Invalid> {
    let parse = |text: &str| {
        text.parse::<core::Protocol>()
            .map_err(|error| from_text("protocol", &error))
    };
    Ok(ServiceKey {
        vip: address("vip", vip)?,
        port: port_text("port", port)?,
        protocol: parse(protocol)?,
    })
}

/// An endpoint from its parts, as a path has them.
pub fn endpoint(addr: &str, port: &str) -> Result<Endpoint, Invalid> {
    Ok(Endpoint {
        addr: address("address", addr)?,
        port: port_text("port", port)?,
    })
}

/// A name that the kernel may give to an interface (`dev_valid_name`): 1 to 15 bytes, no slash,
/// colon or white space, not `.` or `..`.
pub fn interface_name(field: &str, text: &str) -> Result<String, Problem> {
    let bad = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
    if (1..=15).contains(&text.len()) && !text.chars().any(bad) && text != "." && text != ".." {
        return Ok(text.to_owned());
    }
    let rule = "1 to 15 bytes without slash, colon and white space";
    Err(Problem::new(
        field,
        format!("`{text}` is not the name of an interface"),
        rule,
    ))
}

fn port_text(field: &str, text: &str) -> Result<NonZeroU16, Problem> {
    match text.parse::<i64>() {
        Ok(value) => port(field, value),
        Err(_) => Err(Problem::new(
            field,
            format!("`{text}` is not a port"),
            PORT_RULE,
        )),
    }
}

const PORT_RULE: &str = "1 to 65535";

impl TryFrom<&Document> for intent::Document {
    type Error = Invalid;

    fn try_from(wire: &Document) -> Result<Self, Invalid> {
        let mut services = Vec::with_capacity(wire.services.len());
        let mut problems = Vec::new();
        for (index, service) in wire.services.iter().enumerate() {
            match parse_service(&format!("services[{index}]."), service) {
                Ok(service) => services.push(service),
                Err(found) => problems.extend(found),
            }
        }
        Invalid::check(problems)?;
        intent::Document::new(services).map_err(|errors| document_problems(&errors))
    }
}

impl TryFrom<&Service> for core::Service {
    type Error = Invalid;

    fn try_from(wire: &Service) -> Result<Self, Invalid> {
        parse_service("", wire).map_err(|found| problems(found.into_iter()))
    }
}

impl TryFrom<&Weight> for core::Weight {
    type Error = Invalid;

    fn try_from(wire: &Weight) -> Result<Self, Invalid> {
        Ok(weight("weight", wire.weight)?)
    }
}

fn document_problems(errors: &[DocumentError]) -> Invalid {
    problems(errors.iter().map(|error| match error {
        DocumentError::Service { source, .. } => service_problem(&error.path(), source),
        other => from_text(&other.path(), other),
    }))
}

/// The same for an edit of one service: fields are the service's own.
pub(crate) fn edit_problems(errors: &[DocumentError]) -> Invalid {
    problems(errors.iter().map(|error| {
        match error {
            DocumentError::Service { source, .. } => service_problem(&source.path(), source),
            DocumentError::DuplicateName { name, .. } => Problem::new(
                "name",
                format!("`{name}` is the name of another service"),
                "",
            )
            .remedy("rename one, or leave it out"),
            DocumentError::DuplicateKey { .. } => from_text("", error),
        }
    }))
}

fn problems(found: impl Iterator<Item = Problem>) -> Invalid {
    match Invalid::check(found.collect()) {
        Err(invalid) => invalid,
        Ok(()) => Invalid::one(Problem::new("", "the document is not valid", "")),
    }
}

fn parse_service(path: &str, wire: &Service) -> Result<core::Service, Vec<Problem>> {
    let mut problems = Vec::new();
    let field = |name: &str| format!("{path}{name}");
    let vip = keep(&mut problems, address(&field("vip"), &wire.vip));
    let port = keep(&mut problems, port(&field("port"), wire.port));
    let selection = keep(&mut problems, selection(&field("maglevSize"), wire));
    let idle = wire
        .idle_timeout
        .map(|seconds| idle_timeout(&field("idleTimeout"), seconds));
    let idle = keep(&mut problems, idle.transpose());
    let mut backends = Vec::with_capacity(wire.backends.len());
    for (index, backend) in wire.backends.iter().enumerate() {
        let path = format!("{path}backends[{index}].");
        backends.extend(parse_backend(&path, backend, &mut problems));
    }
    let (Some(vip), Some(port), Some(selection), Some(idle)) = (vip, port, selection, idle) else {
        return Err(problems);
    };
    if !problems.is_empty() {
        return Err(problems); // of backends
    }
    let key = ServiceKey {
        vip,
        port,
        protocol: wire.protocol.into(),
    };
    let policy = Policy {
        mode: wire.mode.into(),
        selection,
        no_backend: wire.no_backend.into(),
        idle,
        last_hop: wire.last_hop,
    };
    core::Service::new(key, wire.name.clone(), policy, backends).map_err(|errors| {
        errors
            .iter()
            .map(|error| service_problem(&field(&error.path()), error))
            .collect()
    })
}

fn parse_backend(
    path: &str,
    wire: &Backend,
    problems: &mut Vec<Problem>,
) -> Option<(Endpoint, core::Weight)> {
    let addr = keep(problems, address(&format!("{path}address"), &wire.address));
    let port = keep(problems, port(&format!("{path}port"), wire.port));
    let weight = keep(problems, weight(&format!("{path}weight"), wire.weight));
    Some((
        Endpoint {
            addr: addr?,
            port: port?,
        },
        weight?,
    ))
}

fn keep<T>(problems: &mut Vec<Problem>, result: Result<T, Problem>) -> Option<T> {
    result.map_err(|problem| problems.push(problem)).ok()
}

fn address(field: &str, text: &str) -> Result<IpAddr, Problem> {
    text.parse().map_err(|_| {
        Problem::new(
            field,
            format!("`{text}` is not an address"),
            "an IPv4 address",
        )
    })
}

fn port(field: &str, value: i64) -> Result<NonZeroU16, Problem> {
    u16::try_from(value)
        .ok()
        .and_then(NonZeroU16::new)
        .ok_or_else(|| Problem::new(field, out_of_range(value), PORT_RULE))
}

fn weight(field: &str, value: i64) -> Result<core::Weight, Problem> {
    let problem = || {
        Problem::new(
            field,
            out_of_range(value),
            format!("0 to {}", core::Weight::MAX),
        )
        .remedy("0 drains; else scale all weights of the service")
    };
    u64::try_from(value)
        .ok()
        .and_then(|value| core::Weight::new(value).ok())
        .ok_or_else(problem)
}

fn idle_timeout(field: &str, value: i64) -> Result<IdleTimeout, Problem> {
    let rule = || format!("1 to {} seconds", IdleTimeout::MAX);
    u64::try_from(value)
        .ok()
        .and_then(|value| IdleTimeout::new(value).ok())
        .ok_or_else(|| Problem::new(field, out_of_range(value), rule()))
}

fn selection(field: &str, wire: &Service) -> Result<Selection, Problem> {
    match (wire.select, wire.maglev_size) {
        (Select::Rr, None) => Ok(Selection::RoundRobin),
        (Select::Rr, Some(value)) => Err(Problem::new(
            field,
            format!("{value} is given with `select: rr`"),
            "with `select: maglev` only",
        )
        .remedy("leave it out, or select maglev")),
        (Select::Maglev, None) => Ok(Selection::Maglev(MaglevSize::DEFAULT)),
        (Select::Maglev, Some(value)) => maglev_size(field, value).map(Selection::Maglev),
    }
}

fn maglev_size(field: &str, value: i64) -> Result<MaglevSize, Problem> {
    let rule = || format!("a prime from {} to {}", MaglevSize::MIN, MaglevSize::MAX);
    match MaglevSize::new(u64::try_from(value).unwrap_or(0)) {
        Ok(size) => Ok(size),
        Err(core::ValueError::MaglevSize { nearest, .. }) => {
            let problem = Problem::new(
                field,
                format!("{value} is no size of a Maglev table"),
                rule(),
            );
            Err(problem.remedy(format!(
                "use {nearest}, or leave it out for {}",
                MaglevSize::DEFAULT
            )))
        }
        Err(other) => Err(from_text(field, &other)),
    }
}

fn out_of_range(value: i64) -> String {
    format!("{value} is out of range")
}

fn service_problem(field: &str, error: &ServiceError) -> Problem {
    match error {
        ServiceError::Vip(source) | ServiceError::Backend { source, .. } => {
            from_text(field, source)
        }
        other => from_text(field, other),
    }
}

/// `lb_core`'s messages say what is wrong, a colon, and what to do.
fn from_text(field: &str, error: &dyn std::error::Error) -> Problem {
    let text = error.to_string();
    match text.split_once(": ") {
        Some((message, remedy)) => Problem::new(field, message, "").remedy(remedy),
        None => Problem::new(field, text, ""),
    }
}

impl From<&intent::Document> for Document {
    fn from(document: &intent::Document) -> Self {
        Self {
            services: document.services().map(Into::into).collect(),
        }
    }
}

impl From<&core::Service> for Service {
    fn from(service: &core::Service) -> Self {
        let (select, maglev_size) = match service.policy.selection {
            Selection::RoundRobin => (Select::Rr, None),
            Selection::Maglev(size) if size == MaglevSize::DEFAULT => (Select::Maglev, None),
            Selection::Maglev(size) => (Select::Maglev, Some(size.get().into())),
        };
        let backends = service.backends.iter().map(|(endpoint, weight)| Backend {
            address: endpoint.addr.to_string(),
            port: endpoint.port.get().into(),
            weight: weight.get().into(),
        });
        Self {
            name: service.name.clone(),
            vip: service.key.vip.to_string(),
            port: service.key.port.get().into(),
            protocol: service.key.protocol.into(),
            mode: service.policy.mode.into(),
            select,
            maglev_size,
            no_backend: service.policy.no_backend.into(),
            idle_timeout: service.policy.idle.map(|idle| idle.get().into()),
            last_hop: service.policy.last_hop,
            backends: backends.collect(),
        }
    }
}

/// Two enums with the same variants: both ways, and a variant more is a compile error.
macro_rules! same {
    ($wire:ty, $core:ty: $($variant:ident),+) => {
        impl From<$wire> for $core {
            fn from(value: $wire) -> Self {
                match value { $(<$wire>::$variant => Self::$variant),+ }
            }
        }
        impl From<$core> for $wire {
            fn from(value: $core) -> Self {
                match value { $(<$core>::$variant => Self::$variant),+ }
            }
        }
    };
}

same!(Protocol, core::Protocol: Tcp, Udp);
same!(Mode, core::Mode: Dnat, Fullnat, Onearm);
same!(NoBackend, core::NoBackend: Reject, Drop, Pass);

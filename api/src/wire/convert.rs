//! Wire types to `lb_core`'s and back. What comes in is checked whole: every problem is found.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::{NonZeroU16, NonZeroU32};

use lb_core::addr::Prefix;
use lb_core::health::Checks;
use lb_core::intent::{self, DocumentError, Source};
use lb_core::service::{
    self as core, Endpoint, IdleTimeout, MaglevSize, MssClamp, Persist, Policy, Ports, Selection,
    ServiceError, ServiceKey, Sources, ValueError,
};

use super::document::{Backend, Document, Mode, NoBackend, Protocol, Select, Service};
use super::invalid::{Invalid, Problem};
use super::service::Share;

mod announce;
mod check;

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

/// A key from its parts, as a path has them: the address with or without brackets, the port as
/// `80`, `80-90` or `*`. With `icmp`, which has no port, that is `*`.
pub fn service_key(vip: &str, port: &str, protocol: &str) -> Result<ServiceKey, Invalid> {
    let protocol = protocol
        .parse()
        .map_err(|error: ValueError| from_text("protocol", &error))?;
    Ok(ServiceKey {
        vip: address("vip", bare(vip))?,
        ports: ports_text(protocol, port)?,
        protocol,
    })
}

/// The path of a service: `/v1/services/20.20.20.1/80-90/tcp`, `/v1/services/2001:db8::1/*/icmp`.
pub fn service_path(key: &ServiceKey) -> String {
    let ports = match key.ports {
        Ports::None => "*".to_owned(),
        ports => ports.to_string(),
    };
    format!("/v1/services/{}/{ports}/{}", key.vip, key.protocol)
}

/// An endpoint from its parts, as a path has them: the port is `*` if the backend has none.
pub fn endpoint(addr: &str, port: &str) -> Result<Endpoint, Invalid> {
    let problem = |_| {
        Problem::new(
            "port",
            format!("`{port}` is not the port of a backend"),
            "1 to 65535, or * for the port that the client asked for",
        )
    };
    Ok(Endpoint {
        addr: address("address", bare(addr))?,
        port: match port {
            "*" => None,
            digits => Some(digits.parse::<NonZeroU16>().map_err(problem)?),
        },
    })
}

fn bare(text: &str) -> &str {
    let inner = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    inner.filter(|inner| inner.contains(':')).unwrap_or(text)
}

fn ports_text(protocol: core::Protocol, text: &str) -> Result<Ports, Problem> {
    match (protocol, text) {
        (core::Protocol::Icmp, "*") => Ok(Ports::None),
        (core::Protocol::Icmp, _) => Err(Problem::new(
            "port",
            format!("`{text}` is given with protocol icmp, which has no ports"),
            "* with icmp",
        )),
        (_, text) => text
            .parse()
            .map_err(|error: core::PortsTextError| from_text("port", &error)),
    }
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

impl TryFrom<&Share> for core::Share {
    type Error = Invalid;

    fn try_from(wire: &Share) -> Result<Self, Invalid> {
        let mut problems = Vec::new();
        let share = share("", wire.weight, wire.max_connections, &mut problems);
        share.ok_or_else(|| self::problems(problems.into_iter()))
    }
}

impl From<core::Share> for Share {
    fn from(share: core::Share) -> Self {
        Self {
            weight: share.weight.get().into(),
            max_connections: share.max_connections.map(|max| max.get().into()),
        }
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
                "an IPv4 and an IPv6 service may share a name, others may not",
            )
            .remedy("rename one, or leave it out"),
            DocumentError::TooManyProbes { .. } => from_text("check.intervalMs", error),
            DocumentError::DuplicateKey { .. } => from_text("", error),
            DocumentError::Overlap { key, other, .. } => Problem::new(
                "port",
                format!("the ports of service {key} overlap those of {other}"),
                "a port of a VIP and protocol is of one service",
            )
            .remedy("change the range of one"),
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
    let ports = keep(&mut problems, ports(path, wire));
    let policy = policy(path, wire, &mut problems);
    let mut backends = Vec::with_capacity(wire.backends.len());
    let mut of_backends = BTreeMap::new();
    for (index, backend) in wire.backends.iter().enumerate() {
        let path = format!("{path}backends[{index}].");
        let parsed = parse_backend(&path, backend, &mut problems);
        let own = backend.check.as_ref();
        let own = own.map(|own| check::check(&format!("{path}check."), own, &mut problems));
        if let Some(((endpoint, _), Some(own))) = parsed.zip(own) {
            of_backends.insert(endpoint, own);
        }
        backends.extend(parsed);
    }
    let (Some(vip), Some(ports), Some(mut policy)) = (vip, ports, policy) else {
        return Err(problems);
    };
    policy.checks.of_backends = of_backends;
    if !problems.is_empty() {
        return Err(problems); // of backends
    }
    let key = ServiceKey {
        vip,
        ports,
        protocol: wire.protocol.into(),
    };
    core::Service::new(key, wire.name.clone(), policy, backends).map_err(|errors| {
        errors
            .iter()
            .map(|error| service_problem(&field(&error.path()), error))
            .collect()
    })
}

fn ports(path: &str, wire: &Service) -> Result<Ports, Problem> {
    let field = |name: &str| format!("{path}{name}");
    let number = |name: &str, value: Option<i64>| {
        let number = value.map(|value| unsigned(&field(name), value, PORT_RULE));
        number.transpose()
    };
    let (port, last) = (
        number("port", wire.port)?,
        number("portMax", wire.port_max)?,
    );
    Ports::new(wire.protocol.into(), port, last)
        .map_err(|error| from_text(&field(error.path()), &error))
}

const PORT_RULE: &str = "1 to 65535, or 0 for any port";

fn policy(path: &str, wire: &Service, problems: &mut Vec<Problem>) -> Option<Policy> {
    let field = |name: &str| format!("{path}{name}");
    let mode = keep(problems, mode(&field("tunnelPort"), wire));
    let selection = keep(problems, selection(&field("maglevSize"), wire));
    let persist = optional(problems, &field("persist"), wire.persist, persist);
    let idle = optional(
        problems,
        &field("idleTimeout"),
        wire.idle_timeout,
        idle_timeout,
    );
    let allowed = prefixes(&field("allowedSources"), &wire.allowed_sources, problems);
    let denied = prefixes(&field("deniedSources"), &wire.denied_sources, problems);
    let mss_clamp = optional(problems, &field("mssClamp"), wire.mss_clamp, mss_clamp);
    let announce = announce::parse(path, wire, problems);
    let of_service = match &wire.check {
        None => Some(None),
        Some(wire) => check::check(&field("check."), wire, problems),
    };
    Some(Policy {
        mode: mode?,
        selection: selection?,
        persist: persist?,
        no_backend: wire.no_backend.into(),
        idle: idle?,
        last_hop: wire.last_hop,
        mss_clamp: mss_clamp?,
        sources: Sources { allowed, denied },
        announce: announce?,
        checks: Checks {
            of_service: of_service?,
            of_backends: BTreeMap::new(),
        },
    })
}

fn parse_backend(
    path: &str,
    wire: &Backend,
    problems: &mut Vec<Problem>,
) -> Option<(Endpoint, core::Share)> {
    let addr = keep(problems, address(&format!("{path}address"), &wire.address));
    let port = optional(problems, &format!("{path}port"), wire.port, backend_port);
    let share = share(path, wire.weight, wire.max_connections, problems);
    Some((
        Endpoint {
            addr: addr?,
            port: port?,
        },
        share?,
    ))
}

fn share(
    path: &str,
    weight: i64,
    max_connections: Option<i64>,
    problems: &mut Vec<Problem>,
) -> Option<core::Share> {
    let weight = keep(problems, self::weight(&format!("{path}weight"), weight));
    let field = format!("{path}maxConnections");
    let max_connections = optional(problems, &field, max_connections, self::max_connections);
    Some(core::Share {
        weight: weight?,
        max_connections: max_connections?,
    })
}

/// Prefixes of a list, each once.
fn prefixes(field: &str, texts: &[String], problems: &mut Vec<Problem>) -> BTreeSet<Prefix> {
    let mut found = BTreeSet::new();
    for (index, text) in texts.iter().enumerate() {
        let field = format!("{field}[{index}]");
        let prefix = text.parse::<Prefix>();
        let Some(prefix) = keep(problems, prefix.map_err(|error| from_text(&field, &error))) else {
            continue;
        };
        if !found.insert(prefix) {
            let problem = Problem::new(field, format!("{prefix} is there twice"), "");
            problems.push(problem.remedy("list each prefix once"));
        }
    }
    found
}

/// What may be left out: `Some(None)` is that.
fn optional<T>(
    problems: &mut Vec<Problem>,
    field: &str,
    value: Option<i64>,
    parse: impl Fn(&str, i64) -> Result<T, Problem>,
) -> Option<Option<T>> {
    let parsed = value.map(|value| parse(field, value));
    keep(problems, parsed.transpose())
}

fn keep<T>(problems: &mut Vec<Problem>, result: Result<T, Problem>) -> Option<T> {
    result.map_err(|problem| problems.push(problem)).ok()
}

fn address(field: &str, text: &str) -> Result<IpAddr, Problem> {
    text.parse().map_err(|_| {
        let remedy = "an IPv6 address stands without brackets, as 2001:db8::1";
        let problem = Problem::new(
            field,
            format!("`{text}` is not an address"),
            "an IPv4 or IPv6 address",
        );
        match text.starts_with('[') {
            true => problem.remedy(remedy),
            false => problem,
        }
    })
}

fn backend_port(field: &str, value: i64) -> Result<NonZeroU16, Problem> {
    let problem = || {
        Problem::new(field, out_of_range(value), "1 to 65535")
            .remedy("leave it out for the port that the client asked for")
    };
    u16::try_from(value)
        .ok()
        .and_then(NonZeroU16::new)
        .ok_or_else(problem)
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

fn max_connections(field: &str, value: i64) -> Result<NonZeroU32, Problem> {
    let problem = || {
        Problem::new(field, out_of_range(value), format!("1 to {}", u32::MAX))
            .remedy("leave it out for no limit; weight 0 takes no connection")
    };
    u32::try_from(value)
        .ok()
        .and_then(NonZeroU32::new)
        .ok_or_else(problem)
}

fn idle_timeout(field: &str, value: i64) -> Result<IdleTimeout, Problem> {
    let rule = || format!("1 to {} seconds", IdleTimeout::MAX);
    let seconds = unsigned(field, value, rule())?;
    IdleTimeout::new(seconds).map_err(|_| {
        Problem::new(field, out_of_range(value), rule())
            .remedy("leave it out for the default of the protocol")
    })
}

fn persist(field: &str, value: i64) -> Result<Persist, Problem> {
    let rule = || format!("1 to {} seconds", Persist::MAX);
    let seconds = unsigned(field, value, rule())?;
    Persist::new(seconds).map_err(|_| {
        Problem::new(field, out_of_range(value), rule())
            .remedy("leave it out to choose for each connection by itself")
    })
}

fn mss_clamp(field: &str, value: i64) -> Result<MssClamp, Problem> {
    let rule = || format!("{} to {} bytes", MssClamp::MIN, MssClamp::MAX);
    let bytes = unsigned(field, value, rule())?;
    MssClamp::new(bytes).map_err(|_| {
        Problem::new(field, out_of_range(value), rule())
            .remedy("leave it out to leave what the ends announce alone")
    })
}

fn mode(field: &str, wire: &Service) -> Result<core::Mode, Problem> {
    let port = wire
        .tunnel_port
        .map(|value| unsigned(field, value, "1 to 65535"));
    core::Mode::from(wire.mode)
        .with_tunnel_port(port.transpose()?)
        .map_err(|error| from_text(field, &error))
}

/// What is below 0 is out of every range.
fn unsigned(field: &str, value: i64, rule: impl Into<String>) -> Result<u64, Problem> {
    u64::try_from(value).map_err(|_| Problem::new(field, out_of_range(value), rule))
}

fn selection(field: &str, wire: &Service) -> Result<Selection, Problem> {
    match (wire.select, wire.maglev_size) {
        (Select::Rr, None) => Ok(Selection::RoundRobin),
        (Select::Lc, None) => Ok(Selection::LeastConnections),
        (select @ (Select::Rr | Select::Lc), Some(value)) => Err(Problem::new(
            field,
            format!("{value} is given with `select: {}`", select.as_str()),
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
        Err(ValueError::MaglevSize { nearest, .. }) => {
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
        let Policy {
            mode,
            selection,
            persist,
            no_backend,
            idle,
            last_hop,
            mss_clamp,
            sources,
            announce,
            checks,
        } = &service.policy;
        let (port, port_max) = match service.key.ports {
            Ports::One(port) => (Some(port.get()), None),
            Ports::Range { first, last } => (Some(first.get()), Some(last.get())),
            Ports::Any => (Some(0), None),
            Ports::None => (None, None),
        };
        let (select, maglev_size) = match *selection {
            Selection::RoundRobin => (Select::Rr, None),
            Selection::LeastConnections => (Select::Lc, None),
            Selection::Maglev(size) if size == MaglevSize::DEFAULT => (Select::Maglev, None),
            Selection::Maglev(size) => (Select::Maglev, Some(size.get().into())),
        };
        let tunnel_port = match *mode {
            core::Mode::Gue { port } if port != core::Mode::GUE_PORT => Some(port.get().into()),
            _ => None,
        };
        let (announce, announce_interfaces, announce_when) = announce::fields(announce);
        let texts = |prefixes: &BTreeSet<Prefix>| prefixes.iter().map(Prefix::to_string).collect();
        let backends = service.backends.iter().map(|(endpoint, share)| Backend {
            address: endpoint.addr.to_string(),
            port: endpoint.port.map(|port| port.get().into()),
            weight: share.weight.get().into(),
            max_connections: share.max_connections.map(|max| max.get().into()),
            check: checks.of_backends.get(endpoint).map(|own| match own {
                Some(own) => (&**own).into(),
                None => check::none(),
            }),
        });
        Self {
            name: service.name.clone(),
            vip: service.key.vip.to_string(),
            port: port.map(Into::into),
            port_max: port_max.map(Into::into),
            protocol: service.key.protocol.into(),
            mode: (*mode).into(),
            tunnel_port,
            select,
            maglev_size,
            persist: persist.map(|persist| persist.get().into()),
            no_backend: (*no_backend).into(),
            idle_timeout: idle.map(|idle| idle.get().into()),
            last_hop: *last_hop,
            allowed_sources: texts(&sources.allowed),
            denied_sources: texts(&sources.denied),
            mss_clamp: mss_clamp.map(|clamp| clamp.get().into()),
            announce,
            announce_interfaces,
            announce_when,
            check: checks.of_service.as_ref().map(|check| (&**check).into()),
            backends: backends.collect(),
        }
    }
}

/// GUE's port is a field of its own on the wire.
impl From<Mode> for core::Mode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Dnat => Self::Dnat,
            Mode::Fullnat => Self::Fullnat,
            Mode::Onearm => Self::Onearm,
            Mode::Dsr => Self::Dsr,
            Mode::Ipip => Self::Ipip,
            Mode::Gue => Self::Gue {
                port: Self::GUE_PORT,
            },
        }
    }
}

impl From<core::Mode> for Mode {
    fn from(mode: core::Mode) -> Self {
        match mode {
            core::Mode::Dnat => Self::Dnat,
            core::Mode::Fullnat => Self::Fullnat,
            core::Mode::Onearm => Self::Onearm,
            core::Mode::Dsr => Self::Dsr,
            core::Mode::Ipip => Self::Ipip,
            core::Mode::Gue { .. } => Self::Gue,
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

same!(Protocol, core::Protocol: Tcp, Udp, Icmp);
same!(NoBackend, core::NoBackend: Reject, Drop, Pass);

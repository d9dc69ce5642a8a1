//! The events themselves, and how each is told.

use std::net::IpAddr;

use lb_api::control::{Actor, Generation};
use lb_api::wire::Timestamp;
use lb_core::addr::Mac;
use lb_core::intent::Source;
use lb_core::service::{Endpoint, ServiceKey};
use lb_core::status::Limit;

use super::catalogue::{self as types, Type};

/// Something that happened. Whoever knows of it says `events.emit(Event::...)`.
#[allow(
    dead_code,
    reason = "the catalogue is whole, whatever parts of it are told yet"
)]
#[derive(Clone, Debug)]
pub enum Event {
    Started {
        version: &'static str,
    },
    Reloaded {
        file: String,
    },
    ReloadRefused {
        problem: String,
    },
    Applied {
        source: Source,
        generation: Generation,
        actor: Actor,
        summary: String,
        comment: Option<String>,
    },
    Removed {
        source: Source,
        generation: Generation,
        actor: Actor,
    },
    RolledBack {
        source: Source,
        generation: Generation,
        of: u64,
        actor: Actor,
        summary: String,
    },
    /// A change was applied that reverts unless it is confirmed.
    Waiting {
        source: Source,
        generation: Generation,
        deadline: Timestamp,
    },
    Confirmed {
        source: Source,
        generation: Generation,
        actor: Actor,
    },
    /// `generation` has again the contents of `of` (0: the document is gone again).
    Reverted {
        source: Source,
        generation: Generation,
        of: u64,
        why: String,
    },
    /// It was reverted, but a restart would find the change that was not confirmed.
    RevertUnstored {
        source: Source,
        problem: String,
    },
    /// Rows of the tables that somebody else changed.
    Repaired {
        kind: &'static str,
        rows: u64,
    },
    Behind {
        failure: String,
    },
    Following,
    Attached {
        interface: String,
        mode: String,
        actor: Option<Actor>,
    },
    Detached {
        interface: String,
        actor: Option<Actor>,
    },
    Gone {
        interface: String,
        why: String,
    },
    Back {
        interface: String,
        mode: String,
    },
    /// The kernel refuses to attach the program.
    Refused {
        interface: String,
        why: String,
    },
    Unresolved {
        address: IpAddr,
        why: String,
    },
    Resolved {
        address: IpAddr,
    },
    LimitReached {
        limit: Limit,
        message: String,
    },
    LimitCleared {
        limit: Limit,
    },
    /// Packets are dropped because something is full.
    PacketsRefused {
        reason: &'static str,
        meaning: &'static str,
        packets: u64,
    },
    ServiceDown {
        source: Source,
        service: ServiceKey,
        why: String,
    },
    ServiceUp {
        source: Source,
        service: ServiceKey,
    },
    /// By its health checks. `detail`: what the last one said.
    BackendDown {
        service: ServiceKey,
        backend: Endpoint,
        detail: String,
    },
    BackendUp {
        service: ServiceKey,
        backend: Endpoint,
        detail: String,
    },
    /// Drained, disabled, enabled, at an operator's word.
    BackendState {
        service: Option<ServiceKey>,
        backend: Endpoint,
        state: String,
        actor: Actor,
    },
    Announced {
        vip: IpAddr,
        interface: String,
    },
    Withdrawn {
        vip: IpAddr,
        interface: String,
        why: String,
    },
    /// Somebody else answers for the VIP.
    Conflict {
        vip: IpAddr,
        interface: String,
        mac: Mac,
    },
    /// Somebody else has the VIP, which is therefore not announced.
    InUse {
        vip: IpAddr,
        interface: String,
        mac: Mac,
    },
    /// Nobody else answers for the VIP any more.
    Settled {
        vip: IpAddr,
        interface: String,
    },
    /// More of one type than are told one by one.
    More {
        what: &'static Type,
        count: usize,
    },
}

/// An event as journal and API have it.
#[derive(Debug)]
pub struct Told {
    pub what: &'static Type,
    pub message: String,
    pub fields: Vec<(&'static str, String)>,
}

/// `field(name => value, ...)`
macro_rules! fields {
    ($($name:ident = $value:expr),* $(,)?) => {
        vec![$((stringify!($name), $value.to_string())),*]
    };
}

impl Event {
    pub fn told(&self) -> Told {
        let (what, message, fields) = self.parts();
        Told {
            what,
            message,
            fields,
        }
    }

    fn parts(&self) -> (&'static Type, String, Vec<(&'static str, String)>) {
        match self {
            Self::Started { version } => (
                &types::STARTED,
                format!("loxid {version} runs"),
                fields![version = version],
            ),
            Self::Reloaded { file } => (
                &types::RELOADED,
                format!("the configuration was read again: {file}"),
                fields![file = file],
            ),
            Self::ReloadRefused { problem } => (
                &types::RELOAD_REFUSED,
                format!("the configuration is not valid, and the one before stays: {problem}"),
                fields![],
            ),
            Self::Applied {
                source,
                generation,
                actor,
                summary,
                comment,
            } => {
                let said = comment.as_ref().map(|text| format!(" ({text})"));
                let mut fields = fields![
                    document = source,
                    generation = generation,
                    actor = actor,
                    summary = summary
                ];
                fields.extend(comment.clone().map(|comment| ("comment", comment)));
                let said = said.unwrap_or_default();
                let message =
                    format!("document {source} is of generation {generation}: {summary}{said}");
                (&types::APPLIED, message, fields)
            }
            Self::Removed {
                source,
                generation,
                actor,
            } => (
                &types::REMOVED,
                format!("document {source} was removed (generation {generation})"),
                fields![document = source, generation = generation, actor = actor],
            ),
            Self::RolledBack {
                source,
                generation,
                of,
                actor,
                summary,
            } => (
                &types::ROLLED_BACK,
                format!(
                    "document {source} was rolled back to generation {of}, as generation {generation}: {summary}"
                ),
                fields![
                    document = source,
                    generation = generation,
                    of = of,
                    actor = actor,
                    summary = summary
                ],
            ),
            Self::Waiting {
                source,
                generation,
                deadline,
            } => (
                &types::WAITING,
                format!(
                    "document {source}: generation {generation} reverts at {deadline} unless it is confirmed (loxictl confirm)"
                ),
                fields![
                    document = source,
                    generation = generation,
                    deadline = deadline
                ],
            ),
            Self::Confirmed {
                source,
                generation,
                actor,
            } => (
                &types::CONFIRMED,
                format!("document {source}: generation {generation} is confirmed, and stays"),
                fields![document = source, generation = generation, actor = actor],
            ),
            Self::Reverted {
                source,
                generation,
                of,
                why,
            } => {
                let what = match of {
                    0 => "is gone again".to_owned(),
                    of => format!("is what generation {of} was"),
                };
                (
                    &types::REVERTED,
                    format!("document {source} {what}, as generation {generation}: {why}"),
                    fields![
                        document = source,
                        generation = generation,
                        of = of,
                        why = why
                    ],
                )
            }
            Self::RevertUnstored { source, problem } => (
                &types::REVERT_UNSTORED,
                format!("document {source} was reverted, but not on disk; trying again: {problem}"),
                fields![document = source],
            ),
            Self::Repaired { kind, rows } => (
                &types::REPAIRED,
                match *kind {
                    "attachment" => {
                        format!("somebody took the program off {rows} interfaces: attached again")
                    }
                    "group" => format!("{rows} interfaces had left a VIP's group: joined again"),
                    kind => format!(
                        "{rows} rows of the tables ({kind}) were changed by somebody else, and repaired"
                    ),
                },
                fields![table = kind, rows = rows],
            ),
            Self::Behind { failure } => (
                &types::BEHIND,
                format!("the tables do not follow the documents; trying again: {failure}"),
                fields![],
            ),
            Self::Following => (
                &types::FOLLOWING,
                "the tables follow the documents again".into(),
                fields![],
            ),
            Self::Attached {
                interface,
                mode,
                actor,
            } => {
                let mut fields = fields![interface = interface, mode = mode];
                fields.extend(actor.as_ref().map(|actor| ("actor", actor.to_string())));
                (
                    &types::ATTACHED,
                    format!("{interface} is attached ({mode})"),
                    fields,
                )
            }
            Self::Detached { interface, actor } => {
                let mut fields = fields![interface = interface];
                fields.extend(actor.as_ref().map(|actor| ("actor", actor.to_string())));
                (&types::DETACHED, format!("{interface} is detached"), fields)
            }
            Self::Gone { interface, why } => (
                &types::GONE,
                format!("{interface} is not attached any more: {why}"),
                fields![interface = interface],
            ),
            Self::Back { interface, mode } => (
                &types::BACK,
                format!("{interface} is attached again ({mode})"),
                fields![interface = interface, mode = mode],
            ),
            Self::Refused { interface, why } => (
                &types::REFUSED,
                format!("{interface} cannot be attached: {why}"),
                fields![interface = interface],
            ),
            Self::Unresolved { address, why } => (
                &types::UNRESOLVED,
                format!("next hop of backend {address} is not resolved: {why}"),
                fields![address = address],
            ),
            Self::Resolved { address } => (
                &types::RESOLVED,
                format!("next hop of backend {address} is resolved"),
                fields![address = address],
            ),
            Self::LimitReached { limit, message } => (
                &types::LIMIT_REACHED,
                message.clone(),
                fields![limit = limit],
            ),
            Self::LimitCleared { limit } => (
                &types::LIMIT_CLEARED,
                format!("{limit} is enough again"),
                fields![limit = limit],
            ),
            Self::PacketsRefused {
                reason,
                meaning,
                packets,
            } => (
                &types::PACKETS_REFUSED,
                format!(
                    "{packets} packets were dropped: {meaning} (`loxictl drops` says what to do)"
                ),
                fields![reason = reason, packets = packets],
            ),
            Self::ServiceDown {
                source,
                service,
                why,
            } => (
                &types::SERVICE_DOWN,
                format!("service {service} is down: {why}"),
                fields![service = service, document = source],
            ),
            Self::ServiceUp { source, service } => (
                &types::SERVICE_UP,
                format!("service {service} is up"),
                fields![service = service, document = source],
            ),
            Self::BackendDown {
                service,
                backend,
                detail,
            } => (
                &types::BACKEND_DOWN,
                format!("backend {backend} of {service} is down: {detail}"),
                fields![service = service, backend = backend],
            ),
            Self::BackendUp {
                service,
                backend,
                detail,
            } => (
                &types::BACKEND_UP,
                format!("backend {backend} of {service} is up: {detail}"),
                fields![service = service, backend = backend],
            ),
            Self::BackendState {
                service,
                backend,
                state,
                actor,
            } => {
                let mut fields = fields![backend = backend, state = state, actor = actor];
                fields.extend(service.map(|service| ("service", service.to_string())));
                let of = service.map(|service| format!(" of {service}"));
                let of = of.unwrap_or_default();
                (
                    &types::BACKEND_STATE,
                    format!("backend {backend}{of} is {state}"),
                    fields,
                )
            }
            Self::Announced { vip, interface } => (
                &types::ANNOUNCED,
                format!("{vip} is announced on {interface}"),
                fields![vip = vip, interface = interface],
            ),
            Self::Withdrawn {
                vip,
                interface,
                why,
            } => (
                &types::WITHDRAWN,
                format!("{vip} is not announced on {interface} any more: {why}"),
                fields![vip = vip, interface = interface],
            ),
            Self::Conflict {
                vip,
                interface,
                mac,
            } => (
                &types::CONFLICT,
                format!("{mac} on {interface} answers for {vip}, too"),
                fields![vip = vip, interface = interface, mac = mac],
            ),
            Self::InUse {
                vip,
                interface,
                mac,
            } => (
                &types::IN_USE,
                format!("{vip} is in use by {mac} on {interface}, and not announced"),
                fields![vip = vip, interface = interface, mac = mac],
            ),
            Self::Settled { vip, interface } => (
                &types::SETTLED,
                format!("nobody else answers for {vip} on {interface} any more"),
                fields![vip = vip, interface = interface],
            ),
            Self::More { what, count } => (
                what,
                format!("... and {count} more ({})", what.name),
                fields![count = count],
            ),
        }
    }
}

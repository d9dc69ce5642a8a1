//! What a service's outcome and paths mean to a person.

use super::Towards;
use super::rows::{Outcome, Rows};
use crate::paths::Path;
use crate::plane::Limits;
use crate::service::{Endpoint, Mode, NoBackend, Service, Weight};
use crate::status::*;
use crate::tables::BackendKey;

pub(super) fn of(
    service: &Service,
    outcome: &Outcome,
    rows: &Rows,
    towards: &Towards,
) -> ServiceStatus {
    let backends = service
        .backends
        .iter()
        .map(|(endpoint, weight)| {
            (
                *endpoint,
                backend(service, *endpoint, *weight, rows, towards),
            )
        })
        .collect();
    let id = match outcome {
        Outcome::Programmed(id) | Outcome::Kept(id, _) => Some(*id),
        Outcome::Refused(_) => None,
    };
    let mut status = ServiceStatus {
        id,
        programmed: programmed(),
        backends,
    };
    status.programmed = match outcome {
        Outcome::Programmed(_) => reachable(service, &status, towards),
        Outcome::Kept(_, limit) => exceeded(
            *limit,
            rows.limits,
            "it is forwarded as before its last change",
        ),
        Outcome::Refused(limit) => exceeded(*limit, rows.limits, "it is not forwarded"),
    };
    status
}

fn programmed() -> Condition {
    no(ProgrammedReason::Programmed, String::new()).yes()
}

fn no(reason: ProgrammedReason, message: String) -> Condition {
    Condition {
        status: false,
        reason,
        message,
    }
}

impl Condition {
    fn yes(self) -> Self {
        Self {
            status: true,
            ..self
        }
    }
}

fn exceeded(limit: Limit, limits: &Limits, so: &str) -> Condition {
    let (value, what) = match limit {
        Limit::Services => (limits.services, "services"),
        Limit::Backends => (
            limits.backends,
            "backends, all services' and retired ones together",
        ),
        Limit::Hops => (limits.hops, "next hops"),
        Limit::Vips => (limits.vips, "VIPs, the box's own addresses included"),
        Limit::Slots => (
            limits.slot_words.saturating_mul(4),
            "slots, a changed table's old and new ones",
        ),
        Limit::Members => (limits.members, "members, a changed list's old and new"),
        Limit::RouteNodes => (limits.route_nodes, "nodes of routes"),
    };
    let message = format!("no room among {value} {what}: {so}; raise {limit}, or remove a service");
    no(ProgrammedReason::LimitExceeded, message)
}

fn reachable(service: &Service, status: &ServiceStatus, towards: &Towards) -> Condition {
    if towards.paths.attached().next().is_none() {
        let message = "no interface is attached, so that no packet is seen: attach one (loxictl attach INTERFACE)";
        return no(ProgrammedReason::NoAttachedInterface, message.to_owned());
    }
    let fate = match service.policy.no_backend {
        NoBackend::Reject => "packets are rejected",
        NoBackend::Drop => "packets are dropped",
        NoBackend::Pass => "packets go to the box's own stack",
    };
    let yes = |message: String| no(ProgrammedReason::Programmed, message).yes();
    if service.backends.is_empty() {
        return yes(format!("there are no backends: {fate}"));
    }
    if service
        .backends
        .values()
        .all(|weight| *weight == Weight::DRAIN)
    {
        return yes(format!(
            "all backends are drained (weight 0): {fate} unless of a connection"
        ));
    }
    let count = |state| {
        status
            .backends
            .values()
            .filter(|backend| backend.state == state)
            .count()
    };
    let ready = count(BackendState::Ready);
    let unresolved = count(BackendState::Unresolved);
    let of = status.backends.len();
    if ready > 0 && unresolved == 0 {
        return yes(format!("{ready} of {of} backends are ready"));
    }
    let example = |state| {
        let found = status
            .backends
            .values()
            .find(|backend| backend.state == state);
        found.map_or("", |backend| backend.message.as_str())
    };
    if ready > 0 {
        return yes(format!(
            "{ready} of {of} backends are ready; packets to {unresolved} are dropped: {}",
            example(BackendState::Unresolved)
        ));
    }
    if unresolved > 0 {
        let message = example(BackendState::Unresolved).to_owned();
        return no(ProgrammedReason::NextHopUnresolved, message);
    }
    let first = status
        .backends
        .values()
        .find(|backend| backend.state != BackendState::Drained)
        .map_or("", |backend| backend.message.as_str());
    no(
        ProgrammedReason::NoUsableBackend,
        format!("no backend can be reached, {fate}: {first}"),
    )
}

fn backend(
    service: &Service,
    endpoint: Endpoint,
    weight: Weight,
    rows: &Rows,
    towards: &Towards,
) -> BackendStatus {
    let addr = endpoint.addr;
    let path = towards.found.get(&addr).unwrap_or(&Path::NoRoute);
    let (state, message) = match path {
        Path::NoRoute => (
            BackendState::NoRoute,
            format!("the box has no route to {addr}: add one (ip route add)"),
        ),
        Path::NotAttached { ifindex, link } => {
            let link = link
                .clone()
                .unwrap_or_else(|| format!("interface {ifindex}"));
            let message = format!(
                "the route to {addr} leads out of {link}, which is not attached: attach it (loxictl attach), or change the route"
            );
            (BackendState::NotAttached, message)
        }
        Path::OwnAddress => (
            BackendState::OwnAddress,
            format!("{addr} is an address of the box itself: a backend must be on another box"),
        ),
        Path::Out {
            source: None, link, ..
        } if service.policy.mode == Mode::Onearm => (
            BackendState::NoSource,
            format!(
                "{link} has no address to use as the source towards {addr}: add one, or use mode fullnat"
            ),
        ),
        Path::Out {
            neighbour,
            link,
            hop: None,
            ..
        } => (
            BackendState::Unresolved,
            format!(
                "{} on {link} does not answer ARP, the next hop of {addr}: is it up?",
                neighbour.1
            ),
        ),
        Path::Out { .. } if weight == Weight::DRAIN => (
            BackendState::Drained,
            "weight 0: keeps its connections and takes no other".to_owned(),
        ),
        Path::Out {
            neighbour, link, ..
        } if neighbour.1 == addr => (BackendState::Ready, format!("on {link}")),
        Path::Out {
            neighbour, link, ..
        } => (
            BackendState::Ready,
            format!("via {} on {link}", neighbour.1),
        ),
    };
    let id = rows.backend_id(&BackendKey {
        endpoint,
        protocol: service.key.protocol,
    });
    BackendStatus { id, state, message }
}

//! What a service's outcome and paths mean to a person.

use std::net::IpAddr;

use super::Towards;
use super::rows::{Outcome, Rows};
use crate::health::Standing;
use crate::paths::{Path, Paths};
use crate::plane::Limits;
use crate::service::{Endpoint, Mode, NoBackend, Protocol, Service, Weight};
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
        .map(|(endpoint, share)| {
            let standing = rows.standings.of(&service.key, endpoint);
            let weight = share.weight;
            let status = backend(service, *endpoint, (weight, standing), rows, towards);
            (*endpoint, status)
        })
        .collect();
    let id = match outcome {
        Outcome::Programmed(id) | Outcome::Kept(id, _) => Some(*id),
        Outcome::Refused(_) => None,
    };
    let mut status = ServiceStatus {
        id,
        programmed: programmed(),
        announcing: Announcing::Off,
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
        Limit::PortBlocks => (
            limits.port_blocks(),
            "blocks of ports, of which a range takes up to 30",
        ),
        Limit::Slots => (
            limits.slot_words.saturating_mul(4),
            "slots, a changed table's old and new ones",
        ),
        Limit::Members => (limits.members, "members, a changed list's old and new"),
        Limit::Sources => (
            limits.sources,
            "boundaries of sources, a changed list's old and new",
        ),
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
    if service.key.protocol == Protocol::Icmp {
        return yes(format!("pings to {} are answered", service.key.vip));
    }
    if service.backends.is_empty() {
        return yes(format!("there are no backends: {fate}"));
    }
    if service
        .backends
        .values()
        .all(|share| share.weight == Weight::DRAIN)
    {
        return yes(format!(
            "all backends are drained (weight 0): {fate} unless of a connection"
        ));
    }
    let by_hand = [BackendState::Drained, BackendState::Disabled];
    if status
        .backends
        .values()
        .all(|backend| by_hand.contains(&backend.state))
    {
        return yes(format!(
            "all backends are drained or disabled: {fate} unless of a connection"
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
        let ready = format!("{ready} of {of} backends are ready");
        return yes(match narrow_tunnel(service, towards) {
            Some(narrow) => format!("{ready}; {narrow}"),
            None => ready,
        });
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
    // What is wrong with the way to a backend is said before what its check says.
    let aside = [by_hand.as_slice(), &[BackendState::Down]].concat();
    let unreached = status
        .backends
        .values()
        .find(|backend| !aside.contains(&backend.state));
    match unreached {
        Some(backend) => no(
            ProgrammedReason::NoUsableBackend,
            format!("no backend can be reached, {fate}: {}", backend.message),
        ),
        None => no(
            ProgrammedReason::NoHealthyBackend,
            format!(
                "no backend is healthy, {fate} unless of a connection: {}",
                example(BackendState::Down)
            ),
        ),
    }
}

/// What is said of the first backend whose tunnel is too narrow for clients' packets.
fn narrow_tunnel(service: &Service, towards: &Towards) -> Option<String> {
    let mode = service.policy.mode;
    service.backends.keys().find_map(|endpoint| {
        let path = towards.found.get(&endpoint.addr)?;
        narrow(mode, endpoint.addr, path, towards.paths)
    })
}

/// By how much a tunnel to a backend is too narrow for packets as large as the links carry that
/// clients come by.
fn narrow(mode: Mode, addr: IpAddr, path: &Path, paths: &Paths) -> Option<String> {
    let Path::Out {
        neighbour,
        link,
        mtu,
        ..
    } = path
    else {
        return None;
    };
    let overhead = mode.overhead(addr);
    let packet = paths.largest_mtu_beside(neighbour.0)?;
    let needed = packet.saturating_add(overhead);
    if overhead == 0 || needed <= *mtu {
        return None;
    }
    let (missing, left) = (needed - mtu, mtu.saturating_sub(overhead));
    Some(format!(
        "the MTU {mtu} of {link} is {missing} bytes too small for packets of {packet} bytes from clients and the {overhead} that mode {mode} adds: clients are told MTU {left}; raise the MTU of {link} to {needed}"
    ))
}

fn backend(
    service: &Service,
    endpoint: Endpoint,
    (weight, standing): (Weight, Option<&Standing>),
    rows: &Rows,
    towards: &Towards,
) -> BackendStatus {
    let addr = endpoint.addr;
    let mode = service.policy.mode;
    let path = towards.found.get(&addr).unwrap_or(&Path::NoRoute);
    let failing = match standing {
        Some(Standing::Down(reason)) => Some(reason),
        _ => None,
    };
    let (state, message) = match path {
        _ if standing == Some(&Standing::Disabled) => (
            BackendState::Disabled,
            "disabled by hand: keeps its connections and takes no other; `loxictl enable ep` ends that"
                .to_owned(),
        ),
        _ if standing == Some(&Standing::Drained) => (
            BackendState::Drained,
            "drained by hand: keeps its connections and takes no other; `loxictl enable ep` ends that"
                .to_owned(),
        ),
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
            neighbour, link, ..
        } if mode == Mode::Dsr && neighbour.1 != addr => (
            BackendState::NotConnected,
            format!(
                "{addr} is behind the gateway {} on {link}, but mode dsr changes only MAC addresses and needs it on a connected link: use mode ipip or gue, or connect the box to its subnet",
                neighbour.1
            ),
        ),
        Path::Out {
            source: None, link, ..
        } if mode == Mode::Onearm => (
            BackendState::NoSource,
            format!(
                "{link} has no address to use as the source towards {addr}: add one, or use mode fullnat"
            ),
        ),
        Path::Out {
            source: None, link, ..
        } if mode.is_tunnel() => (
            BackendState::NoSource,
            format!(
                "{link} has no {} address to use as the source of the tunnel to {addr}: add one",
                family(addr)
            ),
        ),
        Path::Out { .. } if failing.is_some() => {
            (BackendState::Down, failing.cloned().unwrap_or_default())
        }
        Path::Out {
            neighbour,
            link,
            hop: None,
            ..
        } => (
            BackendState::Unresolved,
            format!(
                "{} on {link} does not answer {}, the next hop of {addr}: is it up?",
                neighbour.1,
                if neighbour.1.is_ipv4() {
                    "ARP"
                } else {
                    "neighbour discovery"
                }
            ),
        ),
        Path::Out { .. } if weight == Weight::DRAIN => (
            BackendState::Drained,
            "weight 0: keeps its connections and takes no other".to_owned(),
        ),
        Path::Out {
            neighbour, link, ..
        } => {
            let way = match neighbour.1 == addr {
                true => format!("on {link}"),
                false => format!("via {} on {link}", neighbour.1),
            };
            let message = match narrow(mode, addr, path, towards.paths) {
                Some(narrow) => format!("{way}; {narrow}"),
                None => way,
            };
            (BackendState::Ready, message)
        }
    };
    let id = rows.backend_id(&BackendKey {
        endpoint,
        protocol: service.key.protocol,
    });
    BackendStatus { id, state, message }
}

fn family(addr: IpAddr) -> &'static str {
    if addr.is_ipv4() { "IPv4" } else { "IPv6" }
}

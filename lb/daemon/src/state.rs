//! The snapshot that the API reads: documents, conditions, interfaces and counters, put together.

use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;

use lb_api::control::{Readiness, State, StoredDocument};
use lb_api::token::Tokens;
use lb_api::wire::{
    BackendState, BackendStatus, Condition, ConditionStatus, Confirmation, DataPlane, Health,
    HistoryEntry, InterfaceStatus, OperatorState, Path, ReasonCount, Service, ServiceStatus,
    Status, TableUsage, Traffic, WorkerStatus, XdpMode,
};
use lb_core::health::OperatorStates;
use lb_core::intent::Source;
use lb_core::service::{ServiceKey, Share};
use lb_core::status::{self, ProgrammedReason};
use lb_core::tables::{BackendId, ServiceId};
use lb_plane::attach;
use lb_plane::attach::Mode;
use lb_plane::netlink::RawFacts;
use lb_plane::queues::QueueStatus;
use lb_plane::stats::{self, Class, Totals, Usage};

use crate::announce::{self, Announcing, Shown};
use crate::health::Place;
use crate::recent::Recent;
use crate::reconcile::Outcome;

mod sockets;

/// What surprises people, though it is meant to be so.
const NOTES: [&str; 2] = [
    "packets that the box itself sends to a VIP do not pass XDP and are not balanced: try a service \
     from elsewhere, or with `loxictl test VIP:PORT`",
    "stopping loxid does not stop forwarding: `loxictl detach --all` does",
];

/// Counters as read on the last tick.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub totals: Totals,
    /// What was counted lately.
    pub recent: Recent,
    pub usage: Usage,
    pub services: BTreeMap<ServiceId, stats::Traffic>,
    pub backends: BTreeMap<BackendId, stats::Traffic>,
    /// Connections that limits and least connections count.
    pub loads: BTreeMap<BackendId, u64>,
    /// Queues in user space that are wanted or served.
    pub queues: Vec<QueueStatus>,
    /// How many source ports there are.
    pub source_ports: usize,
}

/// What the snapshot is made of.
pub struct Parts<'a> {
    pub instance: &'a str,
    pub kernel: &'a str,
    /// Seconds.
    pub uptime: u64,
    pub documents: &'a BTreeMap<Source, StoredDocument>,
    /// None: there is no plane, as `plane_failure` says.
    pub outcome: Option<&'a Outcome>,
    pub plane_failure: Option<&'a str>,
    pub facts: &'a RawFacts,
    pub figures: &'a Figures,
    pub warnings: &'a [String],
    /// Interfaces of the configuration file that an operator detached.
    pub detached: &'a BTreeSet<String>,
    /// None: nobody wants one.
    pub worker: Option<WorkerStatus>,
    /// How checks go, of those backends that are asked.
    pub healths: &'a BTreeMap<Place, Health>,
    pub operators: &'a OperatorStates,
    pub tokens: &'a Arc<Tokens>,
    /// None: there is no plane.
    pub announcing: Option<&'a Announcing>,
    /// The change that waits to be confirmed.
    pub confirmation: Option<Confirmation>,
    pub history: &'a Arc<Vec<HistoryEntry>>,
}

pub fn state(parts: &Parts) -> State {
    let services: Vec<_> = parts
        .documents
        .iter()
        .flat_map(|(source, stored)| {
            stored
                .document
                .services()
                .map(move |service| (source, stored, service))
        })
        .map(|(source, stored, service)| {
            let compiled = parts
                .outcome
                .and_then(|outcome| outcome.conditions.get(&(source.clone(), service.key)));
            service_status(source, stored, service, compiled, parts)
        })
        .collect();
    let interfaces = interfaces(parts);
    let failure = match parts.outcome {
        None => Some(
            parts
                .plane_failure
                .unwrap_or("there is no data plane yet")
                .to_owned(),
        ),
        Some(outcome) => outcome.failure.clone(),
    };
    let status = Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        instance: parts.instance.to_owned(),
        kernel: parts.kernel.to_owned(),
        uptime: parts.uptime,
        generation: parts
            .documents
            .values()
            .map(|stored| stored.generation.0)
            .max()
            .unwrap_or(0),
        conditions: conditions(failure.as_deref()),
        confirmation: parts.confirmation.clone(),
        warnings: [warnings(parts, &interfaces), announce::warnings(&services)].concat(),
        notes: NOTES.map(str::to_owned).to_vec(),
        data_plane: data_plane(&parts.figures.totals, &parts.figures.recent),
        tables: tables(parts),
        worker: parts.worker.clone(),
    };
    State {
        documents: parts.documents.clone(),
        services,
        interfaces,
        history: parts.history.clone(),
        status,
        tokens: parts.tokens.clone(),
        readiness: failure.map_or(Readiness::Ready, Readiness::NotReady),
    }
}

/// Services, and those of them that are not programmed.
pub fn degraded(state: &State) -> (usize, usize) {
    let is_programmed = |service: &&ServiceStatus| {
        let programmed = service
            .conditions
            .iter()
            .find(|condition| condition.kind == "Programmed");
        programmed.is_some_and(|condition| condition.status == ConditionStatus::True)
    };
    let programmed = state.services.iter().filter(is_programmed).count();
    (state.services.len(), state.services.len() - programmed)
}

fn service_status(
    source: &Source,
    stored: &StoredDocument,
    service: &lb_core::service::Service,
    compiled: Option<&status::ServiceStatus>,
    parts: &Parts,
) -> ServiceStatus {
    let spec = Service::from(service);
    let figures = parts.figures;
    let id = compiled.and_then(|compiled| compiled.id);
    let active = id
        .and_then(|id| figures.usage.active_by_service.get(&id))
        .copied();
    let counted = id.and_then(|id| figures.services.get(&id)).copied();
    let Shown {
        conditions,
        announcements,
    } = match compiled.zip(parts.announcing) {
        None => Shown::default(),
        Some((compiled, announcing)) => {
            announce::show(service.key.vip, &compiled.announcing, announcing)
        }
    };
    ServiceStatus {
        key: service.key.to_string(),
        name: service.name.clone(),
        source: source.to_string(),
        generation: stored.generation.0,
        conditions: [service_conditions(compiled, parts), conditions].concat(),
        announcements,
        backends: service
            .backends
            .iter()
            .map(|(endpoint, share)| {
                let compiled = compiled.and_then(|compiled| compiled.backends.get(endpoint));
                let place = (service.key, *endpoint);
                backend_status(&place, *share, compiled, parts)
            })
            .collect(),
        traffic: traffic(counted.unwrap_or_default(), active.unwrap_or(0)),
        spec,
    }
}

fn service_conditions(compiled: Option<&status::ServiceStatus>, parts: &Parts) -> Vec<Condition> {
    let Some(compiled) = compiled else {
        let message = parts
            .plane_failure
            .unwrap_or("the tables are being made")
            .to_owned();
        return vec![condition(
            "Programmed",
            ConditionStatus::Unknown,
            "Pending",
            message,
        )];
    };
    let programmed = &compiled.programmed;
    let mut conditions = vec![condition(
        "Programmed",
        truth(programmed.status),
        programmed.reason.as_str(),
        programmed.message.clone(),
    )];
    if programmed.reason == ProgrammedReason::Conflict {
        let message = programmed.message.clone();
        conditions.push(condition(
            "Shadowed",
            ConditionStatus::True,
            "Conflict",
            message,
        ));
    }
    conditions
}

fn backend_status(
    place: &Place,
    share: Share,
    compiled: Option<&status::BackendStatus>,
    parts: &Parts,
) -> BackendStatus {
    use status::BackendState as Compiled;
    let (key, endpoint) = place;
    let figures = parts.figures;
    let operator = OperatorState::from(parts.operators.of(key, endpoint));
    // Weight 0 needs no explanation, an operator's word does.
    let is_plain = |state| {
        state == Compiled::Ready || state == Compiled::Drained && operator == OperatorState::Enabled
    };
    let id = compiled.and_then(|compiled| compiled.id);
    let active = id
        .and_then(|id| figures.usage.active_by_backend.get(&id))
        .copied();
    let counted = id.and_then(|id| figures.backends.get(&id)).copied();
    let load = id.and_then(|id| figures.loads.get(&id)).copied();
    let load = load.unwrap_or(0);
    let max_connections = share.max_connections.map(NonZeroU32::get);
    let is_full = max_connections.is_some_and(|max| load >= max.into());
    BackendStatus {
        address: endpoint.addr.to_string(),
        port: endpoint.port.map(NonZeroU16::get),
        weight: share.weight.get(),
        max_connections,
        state: match compiled.map(|compiled| compiled.state) {
            None => BackendState::Unknown,
            Some(Compiled::Ready) if is_full => BackendState::Full,
            Some(Compiled::Ready) => BackendState::Active,
            Some(Compiled::Drained) => BackendState::Draining,
            Some(Compiled::Down | Compiled::Disabled) => BackendState::Down,
            Some(_) => BackendState::Unresolved,
        },
        message: compiled
            .filter(|compiled| !is_plain(compiled.state))
            .map(|compiled| compiled.message.clone())
            .unwrap_or_default(),
        load,
        health: parts.healths.get(place).cloned(),
        operator,
        traffic: traffic(counted.unwrap_or_default(), active.unwrap_or(0)),
    }
}

fn traffic(counted: stats::Traffic, active_connections: u64) -> Traffic {
    Traffic {
        packets_in: counted.packets_in,
        packets_out: counted.packets_out,
        bytes_in: counted.bytes_in,
        bytes_out: counted.bytes_out,
        connections: counted.connections,
        active_connections,
        dropped: counted.dropped,
    }
}

/// Every Ethernet link, and what should be attached and is not there.
fn interfaces(parts: &Parts) -> Vec<InterfaceStatus> {
    let states = parts.outcome.map(|outcome| &outcome.interfaces);
    let empty = BTreeMap::new();
    let states = states.unwrap_or(&empty);
    let links = &parts.facts.links;
    let mut names: Vec<&String> = links
        .iter()
        .filter(|(_, link)| !link.loopback)
        .map(|(name, _)| name)
        .collect();
    names.extend(states.keys().filter(|name| !links.contains_key(*name)));
    names.sort();
    let interface = |name: &&String| {
        let (link, state) = (links.get(*name), states.get(*name));
        let vlan = state.and_then(|state| state.vlan.as_ref());
        let attachment = state
            .and_then(|state| state.attachment.as_ref())
            .filter(|_| link.is_some() || vlan.is_some());
        let is_up = match vlan {
            Some(vlan) => vlan.up,
            None => link.is_some_and(|link| link.up),
        };
        let mut message = state.map(|state| state.message.clone()).unwrap_or_default();
        if attachment.is_none() && parts.detached.contains(*name) {
            message = format!(
                "detached by hand, though the configuration lists it: `loxictl attach {name}` attaches it"
            );
        }
        if attachment.is_some() && !is_up && message.is_empty() {
            message = format!("attached, but the link is down: `ip link set {name} up`");
        }
        let path = match attachment.map(|attachment| attachment.path) {
            None => Path::None,
            Some(attach::Path::Xdp) => Path::Xdp,
            Some(attach::Path::AfXdp) => Path::AfXdp,
        };
        let slot = state.and_then(|state| state.slot);
        let sockets = match vlan {
            Some(_) => Vec::new(),
            None => sockets::of(slot, &parts.figures.queues),
        };
        if path == Path::AfXdp && vlan.is_none() && message.is_empty() {
            message = sockets::trouble(&sockets).unwrap_or_default();
        }
        InterfaceStatus {
            name: (*name).clone(),
            ifindex: link.map_or(0, |link| link.ifindex),
            vlan: vlan.map(|vlan| vlan.tags.clone()),
            device: vlan.map(|vlan| vlan.device.clone()),
            slot: slot.map(|slot| slot.0),
            mode: match attachment.map(|attachment| attachment.mode) {
                None => XdpMode::None,
                Some(Mode::Native) => XdpMode::Native,
                Some(Mode::Generic) => XdpMode::Generic,
            },
            driver: attachment
                .and_then(|attachment| attachment.driver.clone())
                .or_else(|| link.and_then(|link| link.kind.clone())),
            queues: link.map_or(0, |link| link.rx_queues),
            mtu: vlan
                .map(|vlan| vlan.mtu)
                .or_else(|| link.map(|link| link.mtu))
                .unwrap_or(0),
            mac: vlan
                .map(|vlan| vlan.mac)
                .or_else(|| link.and_then(|link| link.mac))
                .map(|mac| mac.to_string())
                .unwrap_or_default(),
            path,
            why: state.map(|state| state.why.clone()).unwrap_or_default(),
            pending: state.is_some_and(|state| state.pending),
            sockets,
            attached: attachment.is_some()
                && is_up
                && (vlan.is_none() || state.is_some_and(|state| state.slot.is_some())),
            message,
        }
    };
    names.iter().map(interface).collect()
}

fn conditions(failure: Option<&str>) -> Vec<Condition> {
    let reconciled = match failure {
        None => condition(
            "Reconciled",
            ConditionStatus::True,
            "Reconciled",
            String::new(),
        ),
        Some(failure) => condition(
            "Reconciled",
            ConditionStatus::False,
            "Failed",
            failure.to_owned(),
        ),
    };
    let ready = Condition {
        kind: "Ready".into(),
        ..reconciled.clone()
    };
    vec![ready, reconciled]
}

fn warnings(parts: &Parts, interfaces: &[InterfaceStatus]) -> Vec<String> {
    let waits = parts.confirmation.iter().map(ToString::to_string);
    let mut warnings: Vec<String> = waits.chain(parts.warnings.iter().cloned()).collect();
    warnings.extend(parts.plane_failure.map(str::to_owned));
    let worker = parts.worker.iter().map(|worker| worker.message.clone());
    warnings.extend(worker.filter(|message| !message.is_empty()));
    let Some(outcome) = parts.outcome else {
        return warnings;
    };
    if !interfaces
        .iter()
        .any(|interface| interface.mode != XdpMode::None)
    {
        warnings.push(
            "no interface is attached: no packet is seen; `loxictl attach IF` attaches one".into(),
        );
    }
    let said = interfaces
        .iter()
        .filter(|interface| !interface.message.is_empty());
    warnings.extend(said.map(
        |interface| match interface.message.contains(&interface.name) {
            true => interface.message.clone(),
            false => format!("{}: {}", interface.name, interface.message),
        },
    ));
    warnings.extend(outcome.notices.iter().map(|notice| notice.message.clone()));
    warnings
}

fn data_plane(totals: &Totals, recent: &Recent) -> DataPlane {
    let sum = |class: Class| {
        totals
            .reasons
            .iter()
            .filter(|reason| reason.class == class)
            .map(|reason| reason.count)
            .sum::<u64>()
    };
    let (tx, passed, dropped) = (sum(Class::Tx), sum(Class::Pass), sum(Class::Drop));
    let occurred = totals
        .reasons
        .iter()
        .filter(|reason| reason.class != Class::Tx && reason.count > 0);
    DataPlane {
        // Of the same reading as the reasons: the sums always agree.
        rx: tx + passed + dropped,
        tx,
        passed,
        dropped,
        window: recent.window_ms(),
        reasons: occurred
            .map(|reason| ReasonCount {
                reason: reason.name.to_owned(),
                class: if reason.class == Class::Drop {
                    "drop"
                } else {
                    "pass"
                }
                .to_owned(),
                packets: reason.count,
                recent: recent.of(reason.name),
                meaning: reason.meaning.to_owned(),
                remedy: reason.remedy.to_owned(),
            })
            .collect(),
    }
}

fn tables(parts: &Parts) -> Vec<TableUsage> {
    let Some(outcome) = parts.outcome else {
        return Vec::new();
    };
    let connections = &parts.figures.usage.tables;
    let connections = connections.iter().map(|table| {
        // As limits call it.
        let name = match table.name {
            "conn6" => "connections6",
            "affinity" => "affinities",
            _ => "connections",
        };
        (name, table.used, table.capacity)
    });
    connections
        .chain(outcome.usage.iter().copied())
        .map(|(name, used, capacity)| TableUsage {
            name: name.to_owned(),
            used,
            capacity,
        })
        .collect()
}

fn condition(kind: &str, status: ConditionStatus, reason: &str, message: String) -> Condition {
    Condition {
        kind: kind.into(),
        status,
        reason: reason.into(),
        message,
    }
}

fn truth(value: bool) -> ConditionStatus {
    if value {
        ConditionStatus::True
    } else {
        ConditionStatus::False
    }
}

/// Keys of services by their rows, of those that have one.
pub fn rows(outcome: &Outcome) -> BTreeMap<ServiceId, ServiceKey> {
    let with_row = |((_, key), status): (&(Source, ServiceKey), &status::ServiceStatus)| {
        Some((status.id?, *key))
    };
    outcome.conditions.iter().filter_map(with_row).collect()
}

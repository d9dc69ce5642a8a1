//! Services: what they carry, and how they are.

use lb_api::wire::{BackendState, ConditionStatus, ServiceStatus};

use super::page::{Page, Sample};
use super::{Sources, traffic};
use crate::state::Figures;

const STATES: [(BackendState, &str); 6] = [
    (BackendState::Active, "active"),
    (BackendState::Draining, "draining"),
    (BackendState::Full, "full"),
    (BackendState::Down, "down"),
    (BackendState::Unresolved, "unresolved"),
    (BackendState::Unknown, "unknown"),
];

pub fn add(page: &mut Page, sources: &Sources) {
    let Figures {
        services, usage, ..
    } = sources.figures;
    let rows: Vec<_> = sources
        .plane
        .iter()
        .flat_map(|(outcome, _)| crate::state::rows(outcome))
        .map(|(id, key)| traffic::Row {
            name: key.to_string(),
            protocol: key.protocol,
            traffic: services.get(&id).copied().unwrap_or_default(),
            active: usage.active_by_service.get(&id).copied().unwrap_or(0),
        })
        .collect();
    traffic::add(page, "service", &rows);
    let services = &sources.state.services;
    let programmed: Vec<_> = services
        .iter()
        .map(|service| {
            let labels = [service.key.as_str(), service.source.as_str()];
            (labels, is_programmed(service).into())
        })
        .collect();
    page.gauges(
        "loxid_service_up",
        "1: packets are forwarded as the document says.",
        ["service", "source"],
        &programmed,
    );
    let states: Vec<_> = services.iter().flat_map(backends_by_state).collect();
    page.gauges(
        "loxid_service_backends",
        "Backends of a service, by state.",
        ["service", "source", "state"],
        &states,
    );
}

fn is_programmed(service: &ServiceStatus) -> bool {
    service.conditions.iter().any(|condition| {
        condition.kind == "Programmed" && condition.status == ConditionStatus::True
    })
}

fn backends_by_state(service: &ServiceStatus) -> [Sample<&str, 3>; STATES.len()] {
    STATES.map(|(state, name)| {
        let backends = service.backends.iter();
        let count = backends.filter(|backend| backend.state == state).count();
        let labels = [service.key.as_str(), service.source.as_str(), name];
        (labels, count as f64)
    })
}

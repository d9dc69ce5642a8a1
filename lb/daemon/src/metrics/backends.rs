//! Backends: what they carry, and what they are to services.

use std::collections::BTreeMap;

use lb_api::wire::{BackendState, BackendStatus, ServiceStatus};
use lb_core::service::{Endpoint, Protocol};
use lb_core::tables::BackendId;

use super::page::{Page, Sample};
use super::{Sources, traffic};
use crate::reconcile::Outcome;
use crate::state::Figures;

pub fn add(page: &mut Page, sources: &Sources) {
    let Figures {
        backends, usage, ..
    } = sources.figures;
    let rows: Vec<_> = sources
        .plane
        .iter()
        .flat_map(|(outcome, _)| endpoints(outcome))
        .map(|(id, (endpoint, protocol))| traffic::Row {
            name: endpoint.to_string(),
            protocol,
            traffic: backends.get(&id).copied().unwrap_or_default(),
            active: usage.active_by_backend.get(&id).copied().unwrap_or(0),
        })
        .collect();
    traffic::add(page, "backend", &rows);
    loads(page, sources);
    let services = &sources.state.services;
    page.gauges(
        "loxid_backend_up",
        "1: the backend takes connections of a service.",
        ["service", "source", "backend"],
        &members(services, |backend| {
            (backend.state == BackendState::Active).into()
        }),
    );
    page.gauges(
        "loxid_backend_weight",
        "Weight of a backend in a service.",
        ["service", "source", "backend"],
        &members(services, |backend| backend.weight.into()),
    );
}

fn loads(page: &mut Page, sources: &Sources) {
    let loads = &sources.figures.loads;
    let rows = sources.plane.iter();
    let rows = rows.flat_map(|(outcome, _)| endpoints(outcome));
    let samples: Vec<_> = rows
        .map(|(id, (endpoint, protocol))| {
            let load = loads.get(&id).copied().unwrap_or(0);
            let labels = [endpoint.to_string(), protocol.to_string()];
            (labels, load as f64)
        })
        .collect();
    page.gauges(
        "loxid_backend_load",
        "Connections that limits and least connections count, those that rest after their end included.",
        ["backend", "protocol"],
        &samples,
    );
    let limits: Vec<_> = members_with(&sources.state.services, |backend| {
        backend.max_connections.map(f64::from)
    });
    page.gauges(
        "loxid_backend_max_connections",
        "Load of a backend from which on a service does not choose it.",
        ["service", "source", "backend"],
        &limits,
    );
}

/// Backend rows with their endpoints. A backend that several services lead to is there once.
fn endpoints(outcome: &Outcome) -> BTreeMap<BackendId, (Endpoint, Protocol)> {
    let mut rows = BTreeMap::new();
    for ((_, key), status) in &outcome.conditions {
        let with_row = status
            .backends
            .iter()
            .filter_map(|(endpoint, backend)| Some((backend.id?, *endpoint)));
        rows.extend(with_row.map(|(id, endpoint)| (id, (endpoint, key.protocol))));
    }
    rows
}

/// A sample for each backend of each service.
fn members(
    services: &[ServiceStatus],
    value: impl Fn(&BackendStatus) -> f64,
) -> Vec<Sample<String, 3>> {
    members_with(services, |backend| Some(value(backend)))
}

/// The same of those that have a value.
fn members_with(
    services: &[ServiceStatus],
    value: impl Fn(&BackendStatus) -> Option<f64>,
) -> Vec<Sample<String, 3>> {
    let mut samples = Vec::new();
    for service in services {
        samples.extend(service.backends.iter().filter_map(|backend| {
            let endpoint = endpoint(&backend.address, backend.port);
            let labels = [service.key.clone(), service.source.clone(), endpoint];
            Some((labels, value(backend)?))
        }));
    }
    samples
}

/// As an endpoint is displayed: without a port it is the address alone.
fn endpoint(address: &str, port: Option<u16>) -> String {
    match (port, address.contains(':')) {
        (None, _) => address.to_owned(),
        (Some(port), true) => format!("[{address}]:{port}"),
        (Some(port), false) => format!("{address}:{port}"),
    }
}

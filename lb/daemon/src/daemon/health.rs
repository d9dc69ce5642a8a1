//! Health: what is asked follows the documents, tables follow the answers, and operators' words
//! go before both. These are stored: they outlive restarts and documents.

use std::collections::BTreeMap;
use std::sync::Arc;

use lb_api::control::{Actor, ControlError, Generation};
use lb_api::wire::{self, BackendDescription, Invalid, Problem, ServiceBackend};
use lb_core::health::{OperatorState, PROBES_PER_SECOND_MAX, Verdict};
use lb_core::intent::{Document, Intent, Source};
use lb_core::service::{Endpoint, ServiceKey};

use super::Daemon;
use super::changes::storage;
use crate::events::Event;
use crate::failure::line;
use crate::health::{self, Monitor, Place};
use crate::reconcile::{DataPlane, Depth};

/// Documents whose checks are asked, by their generations.
pub(super) type Watched = BTreeMap<Source, Generation>;

impl<P: DataPlane> Daemon<P> {
    /// Answers come through this.
    pub fn monitor(&self) -> Monitor {
        self.monitor.clone()
    }

    /// A verdict changed: the tables follow at once.
    pub fn health_changed(&mut self) {
        if self.refresh_standings() {
            self.pass(Depth::Known);
        }
        for ((service, backend), change) in self.monitor.changes() {
            let detail = change.text;
            match (change.from, change.to) {
                (_, Verdict::Down) => self.events.emit(Event::BackendDown {
                    service,
                    backend,
                    detail,
                }),
                (Verdict::Down, Verdict::Up) => self.events.emit(Event::BackendUp {
                    service,
                    backend,
                    detail,
                }),
                // That a backend works from the beginning is no news.
                _ => {}
            }
        }
    }

    /// Before each pass: who is asked follows the documents.
    pub(super) fn watch_documents(&mut self) {
        let documents = self.documents.iter();
        let wanted: Watched = documents
            .map(|(source, stored)| (source.clone(), stored.generation))
            .collect();
        if wanted != self.watched {
            self.watched = wanted;
            self.warn_of_files();
            self.monitor.watch(&self.intent);
            self.refresh_standings();
        }
    }

    /// Files that were there when the document came, and are gone: nothing is asked with them.
    fn warn_of_files(&self) {
        for stored in self.documents.values() {
            if let Some((service, _, error)) = health::check_files(&stored.document) {
                tracing::warn!(service, "backends are not asked: {}", line(&error));
            }
        }
    }

    /// Whether somebody else stands aside.
    fn refresh_standings(&mut self) -> bool {
        let standings = self.monitor.standings(&self.intent, &self.operators);
        let is_other = standings != *self.standings;
        if is_other {
            self.standings = Arc::new(standings);
        }
        is_other
    }

    /// What documents may not ask for, which their own rules do not say: files that aren't there,
    /// and too many probes of all documents together.
    pub(super) fn check_health(
        &self,
        source: &Source,
        document: &Document,
    ) -> Result<(), ControlError> {
        if let Some((service, file, error)) = health::check_files(document) {
            let field = format!("services[{service}].check.caFile");
            let message = format!("`{file}` is no file of certificates: {}", line(&error));
            let problem = Problem::new(
                field,
                message,
                "a file on the appliance with certificates in PEM",
            );
            let remedy = "put the CA's certificate there, readable for loxid, or name another file";
            return Err(Invalid::one(problem.remedy(remedy)).into());
        }
        let mut documents = self.intent.documents.clone();
        documents.insert(source.clone(), document.clone());
        let before = health::demand(&self.intent).per_second();
        let demand = health::demand(&Intent { documents });
        // What was too much already may become less.
        if !demand.is_too_much() || demand.per_second() <= before {
            return Ok(());
        }
        let service = demand.greediest().map(|key| key.to_string());
        let field = format!("services[{}].check.intervalMs", service.unwrap_or_default());
        let message = format!(
            "the checks of all documents ask for {} probes a second",
            demand.per_second()
        );
        let rule = format!("{PROBES_PER_SECOND_MAX} probes a second at most");
        let problem = Problem::new(field, message, rule);
        Err(Invalid::one(problem.remedy("raise intervalMs, or check fewer backends")).into())
    }

    pub(super) fn set_operator_state(
        &mut self,
        service: Option<ServiceKey>,
        endpoint: Endpoint,
        state: OperatorState,
        actor: &Actor,
    ) -> Result<Vec<ServiceBackend>, ControlError> {
        let is_said = state == OperatorState::Enabled && self.operators.names(&endpoint);
        if self.places(service, &endpoint).is_empty() && !is_said {
            return Err(unknown(service, &endpoint));
        }
        let mut operators = self.operators.clone();
        operators.set(service, endpoint, state);
        if operators != self.operators {
            self.store.put_operators(&operators).map_err(storage)?;
            self.operators = operators;
            self.events.emit(Event::BackendState {
                service,
                backend: endpoint,
                state: state.to_string(),
                actor: actor.clone(),
            });
        }
        self.refresh_standings();
        self.pass(Depth::Known);
        // From here on there are no more connections: what is counted is what remains.
        self.collect(true);
        self.publish();
        let of_state = self.state.services.iter();
        let items = of_state.flat_map(|status| {
            let backends = status.backends.iter();
            backends.map(|backend| ServiceBackend {
                service: status.key.clone(),
                source: status.source.clone(),
                backend: backend.clone(),
            })
        });
        let wanted = service.map(|key| key.to_string());
        Ok(items
            .filter(|item| is_at(&item.backend, &endpoint))
            .filter(|item| wanted.as_ref().is_none_or(|key| *key == item.service))
            .collect())
    }

    pub(super) fn describe_backends(
        &self,
        service: Option<ServiceKey>,
        endpoint: Endpoint,
    ) -> Result<Vec<BackendDescription>, ControlError> {
        let described = self.places(service, &endpoint).into_iter();
        let described = described.filter_map(|(source, key)| {
            let document = &self.documents.get(&source)?.document;
            let checks = &document.get(&key)?.policy.checks;
            let (source, text) = (source.to_string(), key.to_string());
            let of_state = self.state.services.iter();
            let status = of_state
                .filter(|status| status.key == text && status.source == source)
                .flat_map(|status| &status.backends)
                .find(|backend| is_at(backend, &endpoint))?;
            let place: Place = (key, endpoint);
            Some(BackendDescription {
                service: text,
                source,
                backend: status.clone(),
                check: checks
                    .of(&endpoint)
                    .map(|check| wire::Check::from(&**check)),
                probes: self.monitor.probes(&place),
            })
        });
        let described: Vec<BackendDescription> = described.collect();
        match described.is_empty() {
            true => Err(unknown(service, &endpoint)),
            false => Ok(described),
        }
    }

    /// Services that have a backend: all, or one.
    fn places(
        &self,
        service: Option<ServiceKey>,
        endpoint: &Endpoint,
    ) -> Vec<(Source, ServiceKey)> {
        let mut found = Vec::new();
        for (source, stored) in &self.documents {
            let services = stored.document.services();
            let having = services
                .filter(|one| service.is_none_or(|key| one.key == key))
                .filter(|one| one.backends.contains_key(endpoint));
            found.extend(having.map(|one| (source.clone(), one.key)));
        }
        found
    }
}

fn is_at(backend: &wire::BackendStatus, endpoint: &Endpoint) -> bool {
    backend.address == endpoint.addr.to_string()
        && backend.port == endpoint.port.map(std::num::NonZeroU16::get)
}

fn unknown(service: Option<ServiceKey>, endpoint: &Endpoint) -> ControlError {
    let what = match service {
        Some(key) => format!("backend {endpoint} of service {key}"),
        None => format!("backend {endpoint} in any service"),
    };
    ControlError::NotFound { what }
}

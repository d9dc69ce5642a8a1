//! The fine-grained verbs: each is an edit of the document `api`.
//!
//! A service that another document has is that document's to change: an edit of it is a conflict
//! that names the source.

use std::collections::BTreeMap;

use lb_core::intent::{Document, Source};
use lb_core::service::{Endpoint, Service, ServiceKey, Share};

use crate::control::{ControlError, StoredDocument};
use crate::wire::{edit_problems, service_path};

/// One fine-grained change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// A conflict if it is there.
    CreateService(Service),
    /// Creates it, or replaces it whole.
    PutService(Service),
    DeleteService(ServiceKey),
    /// Adds a backend, or changes its share.
    PutBackend {
        service: ServiceKey,
        endpoint: Endpoint,
        share: Share,
    },
    DeleteBackend {
        service: ServiceKey,
        endpoint: Endpoint,
    },
}

impl Edit {
    /// The service that it edits.
    pub fn key(&self) -> ServiceKey {
        match self {
            Self::CreateService(service) | Self::PutService(service) => service.key,
            Self::DeleteService(key) => *key,
            Self::PutBackend { service, .. } | Self::DeleteBackend { service, .. } => *service,
        }
    }
}

/// What the document `api` is after an edit.
pub fn apply(
    edit: &Edit,
    documents: &BTreeMap<Source, StoredDocument>,
) -> Result<Document, ControlError> {
    let key = edit.key();
    owned_elsewhere(&key, documents)?;
    let empty = Document::default();
    let document = documents
        .get(&Source::Api)
        .map_or(&empty, |stored| &*stored.document);
    match edit {
        Edit::CreateService(_) if document.get(&key).is_some() => Err(ControlError::Conflict {
            message: format!("there is a service {key} already"),
            remedy: format!(
                "delete it first, or put it to replace it: PUT {}",
                service_path(&key)
            ),
        }),
        Edit::CreateService(service) | Edit::PutService(service) => with(document, service.clone()),
        Edit::DeleteService(_) => document.without(&key).ok_or_else(|| no_service(&key)),
        Edit::PutBackend {
            endpoint, share, ..
        } => {
            let mut service = existing(document, &key)?;
            service.backends.insert(*endpoint, *share);
            with(document, service)
        }
        Edit::DeleteBackend { endpoint, .. } => {
            let mut service = existing(document, &key)?;
            service.policy.checks.of_backends.remove(endpoint);
            service
                .backends
                .remove(endpoint)
                .ok_or_else(|| ControlError::NotFound {
                    what: format!("backend {endpoint} of service {key}"),
                })?;
            with(document, service)
        }
    }
}

fn owned_elsewhere(
    key: &ServiceKey,
    documents: &BTreeMap<Source, StoredDocument>,
) -> Result<(), ControlError> {
    let owner = documents
        .iter()
        .find(|(source, stored)| **source != Source::Api && stored.document.get(key).is_some());
    match owner {
        None => Ok(()),
        Some((source, _)) => Err(ControlError::Conflict {
            message: format!("service {key} is of the document `{source}`"),
            remedy: remedy(source),
        }),
    }
}

fn remedy(source: &Source) -> String {
    match source {
        Source::File => "edit the configuration file and reload".into(),
        Source::Kube(_) => "change it in the cluster".into(),
        Source::Api | Source::Named(_) => {
            format!("change that document: PUT /v1/documents/{source}")
        }
    }
}

fn with(document: &Document, service: Service) -> Result<Document, ControlError> {
    document
        .with(service)
        .map_err(|errors| edit_problems(&errors).into())
}

fn existing(document: &Document, key: &ServiceKey) -> Result<Service, ControlError> {
    document.get(key).cloned().ok_or_else(|| no_service(key))
}

fn no_service(key: &ServiceKey) -> ControlError {
    ControlError::NotFound {
        what: format!("service {key}"),
    }
}

//! Documents and their sources: everything that operators want, from every door.

use std::collections::BTreeMap;

use crate::service::{Service, ServiceKey};

/// Who a document is from. The order is precedence: where two documents claim one
/// `ServiceKey`, the first source wins and the other is reported.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// `file`: the configuration file's `services`.
    File,
    /// `api`: the fine-grained verbs, and whoever puts a document there.
    Api,
    /// `kube/NAME`: a cluster.
    Kube(String),
    /// Any other name: `[a-z0-9][a-z0-9-]{0,62}`.
    Named(String),
}

/// One source's services. Keys (and names) are unique: checked by the constructor.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Document {
    services: BTreeMap<ServiceKey, Service>,
}

/// All documents, by source.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Intent {
    pub documents: BTreeMap<Source, Document>,
}

//! Documents and their sources: everything that operators want, from every door.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::health::{Demand, PROBES_PER_SECOND_MAX, probe_targets};
use crate::service::{Service, ServiceError, ServiceKey};

mod claims;

use claims::Claims;

#[cfg(test)]
mod tests;

/// Longest name of a source, in bytes.
pub const MAX_SOURCE_BYTES: usize = 63;

/// Who a document is from. The order is precedence: where services of two documents have a port
/// of a VIP and protocol in common, the first source wins and the other is reported.
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

/// Text that names no source.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{value}` is not a source: use file, api, kube/NAME or NAME, where NAME is 1 to {max} of a-z, 0-9 and -, and does not start with -",
    max = MAX_SOURCE_BYTES
)]
pub struct SourceError {
    pub value: String,
}

/// One source's services. No two overlap, and names are unique: checked by the constructor.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Document {
    services: BTreeMap<ServiceKey, Service>,
}

/// What keeps a service out of a document; `index` is its place in the list given.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DocumentError {
    #[error(
        "service {key} is listed twice, first at services[{first}]: merge the two, or change one's port"
    )]
    DuplicateKey {
        index: usize,
        first: usize,
        key: ServiceKey,
    },
    #[error(
        "the ports of service {key} overlap those of {other}, at services[{first}]: change the range of one"
    )]
    Overlap {
        index: usize,
        first: usize,
        key: ServiceKey,
        other: ServiceKey,
    },
    #[error(
        "name `{name}` is used twice for VIPs of one family, first at services[{first}]: rename one, or leave it out"
    )]
    DuplicateName {
        index: usize,
        first: usize,
        name: String,
    },
    #[error(
        "the checks ask for {per_second} probes a second, most of them of service {key}, and {max} is the most: raise intervalMs, or check fewer backends",
        max = PROBES_PER_SECOND_MAX
    )]
    TooManyProbes {
        index: usize,
        key: ServiceKey,
        per_second: u64,
    },
    #[error("service {key} is not valid")]
    Service {
        index: usize,
        key: ServiceKey,
        #[source]
        source: ServiceError,
    },
}

impl DocumentError {
    /// The field within the document: `services[3].backends[2].address`.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Self::DuplicateKey { index, .. } | Self::Overlap { index, .. } => {
                format!("services[{index}]")
            }
            Self::DuplicateName { index, .. } => format!("services[{index}].name"),
            Self::TooManyProbes { index, .. } => format!("services[{index}].check.intervalMs"),
            Self::Service { index, source, .. } => format!("services[{index}].{}", source.path()),
        }
    }
}

/// All documents, by source.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Intent {
    pub documents: BTreeMap<Source, Document>,
}

/// The service that serves a key, and the source that it is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Winner<'a> {
    pub source: &'a Source,
    pub service: &'a Service,
}

/// A claim that lost: another document, earlier in order, has a service that it overlaps.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    pub loser: Source,
    pub key: ServiceKey,
    pub winner: Source,
    /// The key of the winner's service.
    pub served: ServiceKey,
}

impl Document {
    /// A document from its services, or everything that is wrong with them.
    ///
    /// # Errors
    /// All that apply, in the order given.
    pub fn new(services: Vec<Service>) -> Result<Self, Vec<DocumentError>> {
        let mut errors = Vec::new();
        let mut claims = Claims::default();
        let mut names = BTreeMap::new();
        for (index, service) in services.iter().enumerate() {
            let key = service.key;
            errors.extend(
                service
                    .check()
                    .into_iter()
                    .map(|source| DocumentError::Service { index, key, source }),
            );
            errors.extend(match claims.claim(key, index) {
                None => None,
                Some((other, &first)) if other == key => {
                    Some(DocumentError::DuplicateKey { index, first, key })
                }
                Some((other, &first)) => Some(DocumentError::Overlap {
                    index,
                    first,
                    key,
                    other,
                }),
            });
            let Some(name) = &service.name else { continue };
            // A name may be of two services: one for each family.
            let key = (name.as_str(), key.vip.is_ipv4());
            let first = *names.entry(key).or_insert(index);
            if first != index {
                errors.push(DocumentError::DuplicateName {
                    index,
                    first,
                    name: name.clone(),
                });
            }
        }
        errors.extend(too_many_probes(&services));
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self {
            services: services
                .into_iter()
                .map(|service| (service.key, service))
                .collect(),
        })
    }

    /// Its services, in the order of their keys.
    pub fn services(&self) -> impl ExactSizeIterator<Item = &Service> {
        self.services.values()
    }

    #[must_use]
    pub fn get(&self, key: &ServiceKey) -> Option<&Service> {
        self.services.get(key)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.services.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// The document with a service added, or put in the place of the one with its key. An index
    /// in an error is a place in the order of keys.
    ///
    /// # Errors
    /// The service is not valid, or its name is another's.
    pub fn with(&self, service: Service) -> Result<Self, Vec<DocumentError>> {
        let mut services = self.services.clone();
        services.insert(service.key, service);
        Self::new(services.into_values().collect())
    }

    /// The document without a service; None if there is none with this key.
    #[must_use]
    pub fn without(&self, key: &ServiceKey) -> Option<Self> {
        let mut services = self.services.clone();
        services.remove(key)?;
        Some(Self { services })
    }
}

fn too_many_probes(services: &[Service]) -> Option<DocumentError> {
    let mut demand = Demand::default();
    for service in services {
        demand.extend(probe_targets(service).map(|(_, target)| (service.key, target)));
    }
    let key = demand.greediest().filter(|_| demand.is_too_much())?;
    let is_greediest = |service: &Service| service.key == key;
    Some(DocumentError::TooManyProbes {
        index: services.iter().position(is_greediest).unwrap_or(0),
        key,
        per_second: demand.per_second(),
    })
}

impl Intent {
    /// Who serves each key, and who would but for a document earlier in order. The keys of
    /// winners do not overlap.
    #[must_use]
    pub fn merge(&self) -> (BTreeMap<ServiceKey, Winner<'_>>, Vec<Conflict>) {
        let mut winners = BTreeMap::new();
        let mut claims: Claims<&Source> = Claims::default();
        let mut conflicts = Vec::new();
        for (source, document) in &self.documents {
            for service in document.services() {
                match claims.claim(service.key, source) {
                    None => {
                        winners.insert(service.key, Winner { source, service });
                    }
                    Some((served, &winner)) => conflicts.push(Conflict {
                        loser: source.clone(),
                        key: service.key,
                        winner: winner.clone(),
                        served,
                    }),
                }
            }
        }
        (winners, conflicts)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => f.write_str("file"),
            Self::Api => f.write_str("api"),
            Self::Kube(name) => write!(f, "kube/{name}"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        let name = |name: &str| match is_name(name) {
            true => Ok(name.to_owned()),
            false => Err(SourceError {
                value: text.to_owned(),
            }),
        };
        match text.split_once('/') {
            Some(("kube", cluster)) => Ok(Self::Kube(name(cluster)?)),
            Some(_) => Err(SourceError {
                value: text.to_owned(),
            }),
            None if text == "file" => Ok(Self::File),
            None if text == "api" => Ok(Self::Api),
            None => Ok(Self::Named(name(text)?)),
        }
    }
}

fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=MAX_SOURCE_BYTES).contains(&text.len())
        && text.bytes().all(allowed)
        && !text.starts_with('-')
}

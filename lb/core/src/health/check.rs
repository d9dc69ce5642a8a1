//! What is asked of a backend, as operators define it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::Arc;

use super::values::{
    CaFile, HostHeader, HttpPath, Payload, ServerName, Statuses, Substring, Timing,
};
use crate::intent::Document;
use crate::service::{Endpoint, Ports, Service, ServiceKey};

/// A check: what is asked, how often, and how many equal answers in a row count.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Check {
    pub probe: Probe,
    pub timing: Timing,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Probe {
    /// An ICMP echo, which has no port.
    Ping,
    At {
        /// None: the port that the backend's connections go to.
        port: Option<NonZeroU16>,
        ask: Ask,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ask {
    /// A connection is accepted.
    Tcp,
    Udp(Exchange),
    Http(HttpRequest),
    Https(HttpRequest, Tls),
}

/// A datagram, and what has to come back.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Exchange {
    /// What is sent; may be empty.
    pub send: Payload,
    /// What the answer contains. None: anything is good, silence, too; only "port unreachable"
    /// is bad.
    pub expect: Option<Payload>,
}

/// A GET (RFC 9110, 9.3.1), and which answers are good.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HttpRequest {
    /// None: the backend's address and port.
    pub host: Option<HostHeader>,
    pub path: HttpPath,
    pub statuses: Statuses,
    /// What the body's first 64 KiB contain.
    pub body: Option<Substring>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tls {
    /// The name that is asked for (SNI) and that the certificate is for. None: the host header's
    /// name, else the backend's address.
    pub server_name: Option<ServerName>,
    pub trust: Trust,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trust {
    /// Certificates that this file's sign.
    Ca(CaFile),
    /// Any certificate: who answers isn't asked.
    Insecure,
}

/// A service's check, and what backends have instead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checks {
    /// None: backends are not asked.
    pub of_service: Option<Arc<Check>>,
    /// `Some(None)`: the backend is not asked, though others are.
    pub of_backends: BTreeMap<Endpoint, Option<Arc<Check>>>,
}

/// Somebody to ask, and what. Backends of several services that are asked the same at the same
/// place are asked once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    pub addr: IpAddr,
    /// None with `Probe::Ping`.
    pub port: Option<NonZeroU16>,
    pub check: Arc<Check>,
}

impl Probe {
    /// The word for it in documents.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::At { ask, .. } => match ask {
                Ask::Tcp => "tcp",
                Ask::Udp(_) => "udp",
                Ask::Http(_) => "http",
                Ask::Https(..) => "https",
            },
        }
    }

    /// The file with certificates that it needs.
    #[must_use]
    pub fn ca_file(&self) -> Option<&CaFile> {
        match self {
            Self::At {
                ask:
                    Ask::Https(
                        _,
                        Tls {
                            trust: Trust::Ca(file),
                            ..
                        },
                    ),
                ..
            } => Some(file),
            _ => None,
        }
    }
}

impl Checks {
    /// None: it is not asked.
    #[must_use]
    pub fn of(&self, endpoint: &Endpoint) -> Option<&Arc<Check>> {
        match self.of_backends.get(endpoint) {
            Some(own) => own.as_ref(),
            None => self.of_service.as_ref(),
        }
    }
}

impl Target {
    /// Whom a check asks for a backend; None: it has no port, and the check names none.
    #[must_use]
    pub fn new(key: &ServiceKey, endpoint: &Endpoint, check: &Arc<Check>) -> Option<Self> {
        let port = match &check.probe {
            Probe::Ping => None,
            Probe::At { port, .. } => {
                let own = match key.ports {
                    Ports::One(own) => Some(own),
                    Ports::Range { .. } | Ports::Any | Ports::None => None,
                };
                Some(port.or(endpoint.port).or(own)?)
            }
        };
        Some(Self {
            addr: endpoint.addr,
            port,
            check: Arc::clone(check),
        })
    }
}

/// Everybody that a service's checks ask, by backend.
pub fn probe_targets(service: &Service) -> impl Iterator<Item = (Endpoint, Target)> {
    let checks = &service.policy.checks;
    service.backends.keys().filter_map(|endpoint| {
        let target = Target::new(&service.key, endpoint, checks.of(endpoint)?)?;
        Some((*endpoint, target))
    })
}

impl Document {
    /// Everybody that its checks ask.
    pub fn probe_targets(&self) -> impl Iterator<Item = (ServiceKey, Endpoint, Target)> {
        self.services().flat_map(|service| {
            probe_targets(service).map(|(endpoint, target)| (service.key, endpoint, target))
        })
    }
}

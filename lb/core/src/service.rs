//! Services and backends: what one entry of a document says, in types that cannot be invalid.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU16;

use thiserror::Error;

use crate::addr::{AddressError, check_unicast};

mod text;
mod values;

pub use values::{IdleTimeout, MaglevSize, ValueError, Weight};

#[cfg(test)]
mod tests;

/// Most backends of one service.
pub const MAX_BACKENDS_PER_SERVICE: usize = 4096;
/// Longest name of a service, in bytes.
pub const MAX_NAME_BYTES: usize = 253;

/// Transport protocol of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    Tcp,
    Udp,
}

/// Where a service listens: unique over all documents. Displayed as `20.20.20.1:2020/tcp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceKey {
    pub vip: IpAddr,
    pub port: NonZeroU16,
    pub protocol: Protocol,
}

/// How packets reach a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// The destination is rewritten; the client's address is kept; replies pass the appliance.
    Dnat,
    /// The source is rewritten, too: to the VIP.
    Fullnat,
    /// The source is rewritten to the appliance's own address on the backend's subnet.
    Onearm,
}

/// How a backend is chosen for a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selection {
    /// Maglev hashing (Eisenbud et al., NSDI 2016) with a table of this many slots.
    Maglev(MaglevSize),
    /// Strict smooth weighted order over new connections.
    RoundRobin,
}

/// What a packet of a service without usable backend gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum NoBackend {
    /// TCP: RST; UDP: ICMP port unreachable.
    #[default]
    Reject,
    Drop,
    /// To the stack.
    Pass,
}

/// Address and port of a backend, unique within its service. Displayed as `31.31.31.1:8080`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    pub addr: IpAddr,
    pub port: NonZeroU16,
}

/// What a service does with its packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub mode: Mode,
    pub selection: Selection,
    pub no_backend: NoBackend,
    /// None: `IdleTimeout::default_of` the protocol.
    pub idle: Option<IdleTimeout>,
    /// Replies go back to the MAC address that the client's packets came from.
    pub last_hop: bool,
}

/// One service of a document. `backends` may be empty. Made by `Service::new`; a document checks
/// it again, so that a service changed by hand cannot enter one unchecked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub key: ServiceKey,
    /// What people call it; unique within a document if given.
    pub name: Option<String>,
    pub policy: Policy,
    pub backends: BTreeMap<Endpoint, Weight>,
}

/// What keeps parts from being a service. `path` says which field.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ServiceError {
    #[error("the VIP cannot be served")]
    Vip(#[source] AddressError),
    #[error("a name of {bytes} bytes is not from 1 to {max} bytes: shorten it or leave it out", max = MAX_NAME_BYTES)]
    NameLength { bytes: usize },
    #[error("name `{name}` has a space or control character: use visible characters only")]
    NameCharacter { name: String },
    #[error("{count} backends are more than {max}: split the service", max = MAX_BACKENDS_PER_SERVICE)]
    TooManyBackends { count: usize },
    #[error("backend {endpoint} cannot be used")]
    Backend {
        index: usize,
        endpoint: Endpoint,
        #[source]
        source: AddressError,
    },
    #[error(
        "backend {endpoint} is not of the family of its VIP {vip}: the families never mix, give an address of the VIP's family"
    )]
    FamilyMixed {
        index: usize,
        endpoint: Endpoint,
        vip: IpAddr,
    },
    #[error(
        "backend {endpoint} is listed twice, first at backends[{first}]: list it once, with the weight it should have"
    )]
    DuplicateBackend {
        index: usize,
        first: usize,
        endpoint: Endpoint,
    },
    #[error(
        "backend {endpoint} is the service itself, which would send packets in a circle: give the address of the server"
    )]
    BackendIsService { index: usize, endpoint: Endpoint },
}

impl ServiceError {
    /// The field within the service, in the words of the API: `vip`, `name`, `backends`,
    /// `backends[2].address`.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Self::Vip(_) => "vip".to_owned(),
            Self::NameLength { .. } | Self::NameCharacter { .. } => "name".to_owned(),
            Self::TooManyBackends { .. } => "backends".to_owned(),
            Self::Backend { index, .. } | Self::FamilyMixed { index, .. } => {
                format!("backends[{index}].address")
            }
            Self::DuplicateBackend { index, .. } | Self::BackendIsService { index, .. } => {
                format!("backends[{index}]")
            }
        }
    }
}

impl Service {
    /// A service from its parts, or everything that is wrong with them. The index in an error is
    /// the backend's place in `backends`.
    ///
    /// # Errors
    /// All that apply, in the order of the fields.
    pub fn new(
        key: ServiceKey,
        name: Option<String>,
        policy: Policy,
        backends: Vec<(Endpoint, Weight)>,
    ) -> Result<Self, Vec<ServiceError>> {
        let mut errors = Vec::new();
        let mut first_at = BTreeMap::new();
        for (index, &(endpoint, _)) in backends.iter().enumerate() {
            match first_at.get(&endpoint) {
                Some(&first) => {
                    errors.push(ServiceError::DuplicateBackend {
                        index,
                        first,
                        endpoint,
                    });
                }
                None => {
                    first_at.insert(endpoint, index);
                }
            }
        }
        let service = Self {
            key,
            name,
            policy,
            backends: backends.into_iter().collect(),
        };
        let place = |endpoint: &Endpoint| first_at.get(endpoint).copied().unwrap_or(0);
        errors.extend(service.errors(place));
        if errors.is_empty() {
            Ok(service)
        } else {
            Err(errors)
        }
    }

    /// Everything that is wrong with the service; the index in an error is the backend's place in
    /// the order of endpoints.
    #[must_use]
    pub fn check(&self) -> Vec<ServiceError> {
        self.errors(|endpoint| self.backends.range(..endpoint).count())
    }

    fn errors(&self, place: impl Fn(&Endpoint) -> usize) -> Vec<ServiceError> {
        let mut errors = Vec::new();
        let vip = self.key.vip;
        if let Err(error) = check_unicast(vip) {
            errors.push(ServiceError::Vip(error));
        }
        if let Some(name) = &self.name {
            if name.is_empty() || name.len() > MAX_NAME_BYTES {
                errors.push(ServiceError::NameLength { bytes: name.len() });
            } else if name.chars().any(|c| c.is_whitespace() || c.is_control()) {
                errors.push(ServiceError::NameCharacter { name: name.clone() });
            }
        }
        if self.backends.len() > MAX_BACKENDS_PER_SERVICE {
            errors.push(ServiceError::TooManyBackends {
                count: self.backends.len(),
            });
        }
        for endpoint in self.backends.keys() {
            errors.extend(self.backend_error(*endpoint, place(endpoint)));
        }
        errors
    }

    fn backend_error(&self, endpoint: Endpoint, index: usize) -> Option<ServiceError> {
        let vip = self.key.vip;
        if endpoint.addr.is_ipv4() != vip.is_ipv4() {
            return Some(ServiceError::FamilyMixed {
                index,
                endpoint,
                vip,
            });
        }
        if let Err(source) = check_unicast(endpoint.addr) {
            return Some(ServiceError::Backend {
                index,
                endpoint,
                source,
            });
        }
        if endpoint.addr == vip && endpoint.port == self.key.port {
            return Some(ServiceError::BackendIsService { index, endpoint });
        }
        None
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            mode: Mode::Dnat,
            selection: Selection::Maglev(MaglevSize::DEFAULT),
            no_backend: NoBackend::Reject,
            idle: None,
            last_hop: false,
        }
    }
}

//! What makes parts a service, and what is said of those that are none.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;

use thiserror::Error;

use super::*;
use crate::addr::{AddressError, Prefix, check_unicast};
use crate::health::Target;

/// One of the two lists of `Sources`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceList {
    Allowed,
    Denied,
}

/// What keeps parts from being a service. `path` says which field.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ServiceError {
    #[error("the VIP cannot be served")]
    Vip(#[source] AddressError),
    #[error(
        "portMax {last} is not above port {first}: give the lower as port and the higher as portMax, or leave portMax out"
    )]
    PortRange { first: NonZeroU16, last: NonZeroU16 },
    #[error(
        "port {ports} with protocol icmp, which has no ports: leave the port out, or use tcp or udp"
    )]
    IcmpPorts { ports: Ports },
    #[error("a {protocol} service needs a port: give 1 to 65535, or 0 for any port")]
    NoPorts { protocol: Protocol },
    #[error("a name of {bytes} bytes is not from 1 to {max} bytes: shorten it or leave it out", max = MAX_NAME_BYTES)]
    NameLength { bytes: usize },
    #[error("name `{name}` has a space or control character: use visible characters only")]
    NameCharacter { name: String },
    #[error(
        "persist {seconds} s with a selection other than maglev, on top of which it works: use select maglev, or leave persist out"
    )]
    PersistSelection { seconds: u32 },
    #[error(
        "mssClamp {bytes} with mode {mode}, in which SYN+ACK does not pass the appliance: use dnat, fullnat or onearm, or leave it out and set advmss on the backend's route"
    )]
    MssClampMode { bytes: u16, mode: Mode },
    #[error(
        "mssClamp {bytes} with protocol {protocol}, which has no segments: leave it out, or give TCP a service of its own"
    )]
    MssClampProtocol { bytes: u16, protocol: Protocol },
    #[error(
        "prefix {prefix} is not of the family of the VIP {vip}, whose clients have addresses of the same family: leave it out, or list it with a VIP of its family"
    )]
    SourceFamily {
        list: SourceList,
        prefix: Prefix,
        vip: IpAddr,
    },
    #[error(
        "prefix {prefix} is in allowedSources and in deniedSources, so that neither decides: remove it from one"
    )]
    SourceTwice { prefix: Prefix },
    #[error(
        "{count} backends of an icmp service, whose pings the appliance answers itself: leave backends out"
    )]
    IcmpBackends { count: usize },
    #[error("{count} backends are more than {max}: split the service", max = MAX_BACKENDS_PER_SERVICE)]
    TooManyBackends { count: usize },
    #[error(
        "{count} backends are more than {max}, the most where connections are counted (select lc, or maxConnections): split the service, or use neither",
        max = MAX_COUNTED_BACKENDS
    )]
    TooManyCounted { count: usize },
    #[error("backend {endpoint} cannot be used")]
    Backend {
        index: usize,
        endpoint: Endpoint,
        #[source]
        source: AddressError,
    },
    #[error(
        "backend {endpoint} is not of the family of its VIP {vip}, and mode {mode} does not translate: give an address of the VIP's family, or use a tunnel (mode ipip or gue)"
    )]
    FamilyMixed {
        index: usize,
        endpoint: Endpoint,
        vip: IpAddr,
        mode: Mode,
    },
    #[error(
        "backend {endpoint} has another port than the service {key}, and mode {mode} does not change ports: leave the backend's port out, or use dnat, fullnat or onearm"
    )]
    BackendPortChanged {
        index: usize,
        endpoint: Endpoint,
        key: ServiceKey,
        mode: Mode,
    },
    #[error(
        "backend {endpoint} has a port, but the service {key} has many, which packets keep: leave the backend's port out, or give the service one port"
    )]
    BackendPortOfMany {
        index: usize,
        endpoint: Endpoint,
        key: ServiceKey,
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
    #[error("a check with protocol icmp, which has no backends: leave it out")]
    IcmpCheck,
    #[error(
        "backend {endpoint} has no port, the service {key} has many, and the check of type {kind} names none: give the check a port"
    )]
    CheckPort {
        /// None: it is the service's check.
        index: Option<usize>,
        endpoint: Endpoint,
        key: ServiceKey,
        kind: &'static str,
    },
}

impl ServiceError {
    /// The field within the service, in the words of the API: `vip`, `name`, `backends`,
    /// `backends[2].address`.
    #[must_use]
    pub fn path(&self) -> String {
        let field = match self {
            Self::Vip(_) => "vip",
            Self::IcmpPorts { .. } | Self::NoPorts { .. } => "port",
            Self::PortRange { .. } => "portMax",
            Self::NameLength { .. } | Self::NameCharacter { .. } => "name",
            Self::IcmpCheck => "check",
            Self::CheckPort { index: None, .. } => "check.port",
            Self::CheckPort {
                index: Some(index), ..
            } => return format!("backends[{index}].check.port"),
            Self::PersistSelection { .. } => "persist",
            Self::MssClampMode { .. } | Self::MssClampProtocol { .. } => "mssClamp",
            Self::SourceFamily { list, .. } => list.as_str(),
            Self::SourceTwice { .. } => SourceList::Denied.as_str(),
            Self::IcmpBackends { .. }
            | Self::TooManyBackends { .. }
            | Self::TooManyCounted { .. } => "backends",
            Self::Backend { index, .. } | Self::FamilyMixed { index, .. } => {
                return format!("backends[{index}].address");
            }
            Self::BackendPortChanged { index, .. } | Self::BackendPortOfMany { index, .. } => {
                return format!("backends[{index}].port");
            }
            Self::DuplicateBackend { index, .. } | Self::BackendIsService { index, .. } => {
                return format!("backends[{index}]");
            }
        };
        field.to_owned()
    }
}

impl SourceList {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowedSources",
            Self::Denied => "deniedSources",
        }
    }
}

impl fmt::Display for SourceList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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
        backends: Vec<(Endpoint, Share)>,
    ) -> Result<Self, Vec<ServiceError>> {
        let mut errors = Vec::new();
        let mut first_at = BTreeMap::new();
        for (index, &(endpoint, _)) in backends.iter().enumerate() {
            let first = *first_at.entry(endpoint).or_insert(index);
            if first != index {
                errors.push(ServiceError::DuplicateBackend {
                    index,
                    first,
                    endpoint,
                });
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
        errors.extend(check_unicast(self.key.vip).err().map(ServiceError::Vip));
        errors.extend(self.ports_error());
        errors.extend(self.name_error());
        self.policy_errors(&mut errors);
        errors.extend(self.count_error());
        for endpoint in self.backends.keys() {
            errors.extend(self.backend_error(*endpoint, place(endpoint)));
            errors.extend(self.backend_port_error(*endpoint, &place));
        }
        self.checks_errors(&place, &mut errors);
        errors
    }

    fn checks_errors(&self, place: impl Fn(&Endpoint) -> usize, errors: &mut Vec<ServiceError>) {
        let checks = &self.policy.checks;
        if self.key.protocol == Protocol::Icmp && checks.of_service.is_some() {
            errors.push(ServiceError::IcmpCheck);
        }
        let mut is_said = false;
        for endpoint in self.backends.keys() {
            let Some(check) = checks.of(endpoint) else {
                continue;
            };
            if Target::new(&self.key, endpoint, check).is_some() {
                continue;
            }
            let index = checks.of_backends.get(endpoint).map(|_| place(endpoint));
            // What is wrong with the service's check is said once.
            if index.is_some() || !std::mem::replace(&mut is_said, true) {
                errors.push(ServiceError::CheckPort {
                    index,
                    endpoint: *endpoint,
                    key: self.key,
                    kind: check.probe.kind(),
                });
            }
        }
    }

    fn ports_error(&self) -> Option<ServiceError> {
        let protocol = self.key.protocol;
        match self.key.ports {
            Ports::None if protocol == Protocol::Icmp => None,
            Ports::None => Some(ServiceError::NoPorts { protocol }),
            ports if protocol == Protocol::Icmp => Some(ServiceError::IcmpPorts { ports }),
            Ports::Range { first, last } if last <= first => {
                Some(ServiceError::PortRange { first, last })
            }
            Ports::One(_) | Ports::Range { .. } | Ports::Any => None,
        }
    }

    fn name_error(&self) -> Option<ServiceError> {
        let name = self.name.as_ref()?;
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            return Some(ServiceError::NameLength { bytes: name.len() });
        }
        let invisible = name.chars().any(|c| c.is_whitespace() || c.is_control());
        invisible.then(|| ServiceError::NameCharacter { name: name.clone() })
    }

    fn policy_errors(&self, errors: &mut Vec<ServiceError>) {
        let Policy {
            mode,
            selection,
            persist,
            mss_clamp,
            sources,
            ..
        } = &self.policy;
        let vip = self.key.vip;
        if let Some(persist) = persist
            && !matches!(selection, Selection::Maglev(_))
        {
            let seconds = persist.get();
            errors.push(ServiceError::PersistSelection { seconds });
        }
        if let Some(clamp) = mss_clamp
            && !mode.is_two_sided()
        {
            let (bytes, mode) = (clamp.get(), *mode);
            errors.push(ServiceError::MssClampMode { bytes, mode });
        }
        if let Some(clamp) = mss_clamp
            && self.key.protocol != Protocol::Tcp
        {
            let (bytes, protocol) = (clamp.get(), self.key.protocol);
            errors.push(ServiceError::MssClampProtocol { bytes, protocol });
        }
        for (list, prefixes) in [
            (SourceList::Allowed, &sources.allowed),
            (SourceList::Denied, &sources.denied),
        ] {
            let foreign = |prefix: &&Prefix| prefix.addr().is_ipv4() != vip.is_ipv4();
            let error = |&prefix: &Prefix| ServiceError::SourceFamily { list, prefix, vip };
            errors.extend(prefixes.iter().filter(foreign).map(error));
        }
        let both = sources.allowed.intersection(&sources.denied);
        errors.extend(both.map(|&prefix| ServiceError::SourceTwice { prefix }));
    }

    fn count_error(&self) -> Option<ServiceError> {
        let count = self.backends.len();
        if self.key.protocol == Protocol::Icmp && count > 0 {
            Some(ServiceError::IcmpBackends { count })
        } else if count > MAX_BACKENDS_PER_SERVICE {
            Some(ServiceError::TooManyBackends { count })
        } else if count > MAX_COUNTED_BACKENDS && self.counts_connections() {
            Some(ServiceError::TooManyCounted { count })
        } else {
            None
        }
    }

    fn backend_error(&self, endpoint: Endpoint, index: usize) -> Option<ServiceError> {
        let (vip, mode) = (self.key.vip, self.policy.mode);
        if endpoint.addr.is_ipv4() != vip.is_ipv4() && !mode.is_tunnel() {
            return Some(ServiceError::FamilyMixed {
                index,
                endpoint,
                vip,
                mode,
            });
        }
        if let Err(source) = check_unicast(endpoint.addr) {
            return Some(ServiceError::Backend {
                index,
                endpoint,
                source,
            });
        }
        let same_port = |port: NonZeroU16| self.key.ports.contains(port.get());
        if endpoint.addr == vip && endpoint.port.is_none_or(same_port) {
            return Some(ServiceError::BackendIsService { index, endpoint });
        }
        None
    }

    /// Ports that no packet could have at the backend, and the one endpoint said in two ways.
    fn backend_port_error(
        &self,
        endpoint: Endpoint,
        place: impl Fn(&Endpoint) -> usize,
    ) -> Option<ServiceError> {
        let (key, mode) = (self.key, self.policy.mode);
        let port = endpoint.port?;
        let index = place(&endpoint);
        let Ports::One(own) = key.ports else {
            return Some(ServiceError::BackendPortOfMany {
                index,
                endpoint,
                key,
            });
        };
        if port != own {
            return (!mode.is_two_sided()).then_some(ServiceError::BackendPortChanged {
                index,
                endpoint,
                key,
                mode,
            });
        }
        let without = Endpoint {
            port: None,
            ..endpoint
        };
        let (first, index) = (place(&without).min(index), place(&without).max(index));
        let twice = self.backends.contains_key(&without);
        twice.then_some(ServiceError::DuplicateBackend {
            index,
            first,
            endpoint,
        })
    }
}

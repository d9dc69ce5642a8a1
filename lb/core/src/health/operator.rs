//! What operators say of backends, whatever documents and checks say: it outlives both.

use std::collections::BTreeMap;
use std::fmt;

use crate::service::{Endpoint, ServiceKey};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum OperatorState {
    /// As documents and checks say.
    #[default]
    Enabled,
    /// Keeps its connections and takes no other.
    Drained,
    /// Down, whatever checks say.
    Disabled,
}

/// States of backends: of one service, and of all.
///
/// What is said of one service goes before what is said of all. What is said of all replaces what
/// was said of single services before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperatorStates {
    /// Never `Enabled`.
    of_all: BTreeMap<Endpoint, OperatorState>,
    /// `Enabled` only where it differs from `of_all`.
    of_one: BTreeMap<(Endpoint, ServiceKey), OperatorState>,
}

impl OperatorStates {
    /// `service`: None: in all services, those to come included.
    pub fn set(&mut self, service: Option<ServiceKey>, endpoint: Endpoint, state: OperatorState) {
        let Some(key) = service else {
            self.of_one.retain(|(of, _), _| *of != endpoint);
            match state {
                OperatorState::Enabled => self.of_all.remove(&endpoint),
                other => self.of_all.insert(endpoint, other),
            };
            return;
        };
        let of_all = self.of_all.get(&endpoint).copied().unwrap_or_default();
        match state == of_all {
            true => self.of_one.remove(&(endpoint, key)),
            false => self.of_one.insert((endpoint, key), state),
        };
    }

    #[must_use]
    pub fn of(&self, key: &ServiceKey, endpoint: &Endpoint) -> OperatorState {
        let of_one = self.of_one.get(&(*endpoint, *key));
        let of = of_one.or_else(|| self.of_all.get(endpoint));
        of.copied().unwrap_or_default()
    }

    /// Whether anything is said of an endpoint.
    #[must_use]
    pub fn names(&self, endpoint: &Endpoint) -> bool {
        self.of_all.contains_key(endpoint) || self.of_one.keys().any(|(of, _)| of == endpoint)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.of_all.is_empty() && self.of_one.is_empty()
    }

    /// Everything that is said, so that `set` in this order makes the same again.
    pub fn iter(&self) -> impl Iterator<Item = (Option<ServiceKey>, Endpoint, OperatorState)> {
        let of_all = self.of_all.iter();
        let of_all = of_all.map(|(endpoint, state)| (None, *endpoint, *state));
        let of_one = self.of_one.iter();
        of_all.chain(of_one.map(|((endpoint, key), state)| (Some(*key), *endpoint, *state)))
    }
}

impl OperatorState {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Drained => "drained",
            Self::Disabled => "disabled",
        }
    }
}

impl fmt::Display for OperatorState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

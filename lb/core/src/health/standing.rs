//! Whether backends may have new connections: what compile is told of health.

use std::collections::BTreeMap;

use crate::service::{Endpoint, ServiceKey};

/// Why a backend stands aside. It keeps the connections it has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// An operator drains it.
    Drained,
    /// An operator forces it down.
    Disabled,
    /// Its check says so, for this reason.
    Down(String),
}

/// Backends that stand aside; all others take connections as their weights say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standings {
    aside: BTreeMap<(ServiceKey, Endpoint), Standing>,
}

impl Standings {
    #[must_use]
    pub fn of(&self, key: &ServiceKey, endpoint: &Endpoint) -> Option<&Standing> {
        match self.aside.is_empty() {
            true => None,
            false => self.aside.get(&(*key, *endpoint)),
        }
    }

    #[must_use]
    pub fn is_aside(&self, key: &ServiceKey, endpoint: &Endpoint) -> bool {
        self.of(key, endpoint).is_some()
    }
}

impl FromIterator<((ServiceKey, Endpoint), Standing)> for Standings {
    fn from_iter<T: IntoIterator<Item = ((ServiceKey, Endpoint), Standing)>>(all: T) -> Self {
        Self {
            aside: all.into_iter().collect(),
        }
    }
}

//! How many probes a second checks ask for.

use std::collections::{BTreeMap, BTreeSet};

use super::Target;
use crate::service::ServiceKey;

/// Most probes a second that all checks may ask for in total.
pub const PROBES_PER_SECOND_MAX: u64 = 10_000;

/// What checks ask for. Who is asked the same by several services is asked once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    targets: BTreeSet<Target>,
    /// In thousandths of a probe a second.
    total: u64,
    by_service: BTreeMap<ServiceKey, u64>,
}

impl Demand {
    pub fn add(&mut self, key: ServiceKey, target: Target) {
        let rate = 1_000_000 / u64::from(target.check.timing.interval_ms());
        if self.targets.insert(target) {
            self.total += rate;
            *self.by_service.entry(key).or_default() += rate;
        }
    }

    /// Probes a second, rounded up.
    #[must_use]
    pub fn per_second(&self) -> u64 {
        self.total.div_ceil(1000)
    }

    #[must_use]
    pub fn is_too_much(&self) -> bool {
        self.per_second() > PROBES_PER_SECOND_MAX
    }

    /// The service that asks for most.
    #[must_use]
    pub fn greediest(&self) -> Option<ServiceKey> {
        let services = self.by_service.iter();
        services.max_by_key(|(_, rate)| **rate).map(|(key, _)| *key)
    }
}

impl Extend<(ServiceKey, Target)> for Demand {
    fn extend<T: IntoIterator<Item = (ServiceKey, Target)>>(&mut self, targets: T) {
        for (key, target) in targets {
            self.add(key, target);
        }
    }
}

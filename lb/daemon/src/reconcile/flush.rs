//! Releasing connections: what follows publishing, and what is owed where that was cut off.

use lb_core::plane::Op;
use lb_core::tables::ServiceId;

use super::{DataPlane, Reconciler, what};
use crate::failure::chain;

impl<P: DataPlane> Reconciler<P> {
    /// Releases connections of services that are gone and were not flushed then.
    pub(super) fn flush_retiring(&mut self) -> Result<(), String> {
        let published = |id: &ServiceId| {
            self.have
                .as_ref()
                .is_some_and(|have| have.image.services.contains_key(id))
        };
        self.retiring.retain(|id| !published(id));
        while let Some(id) = self.retiring.first().copied() {
            let op = Op::FlushService(id);
            self.plane
                .apply(&op)
                .map_err(|error| chain("release connections", &error))?;
            self.retiring.remove(&id);
        }
        Ok(())
    }

    /// Releases connections that sources deny, of services where that is owed.
    pub(super) fn flush_denied(&mut self) -> Result<(), String> {
        let has_sources = |id: &ServiceId| {
            let row = self
                .have
                .as_ref()
                .and_then(|have| have.image.services.get(id));
            row.is_some_and(|row| row.sources.is_some())
        };
        self.denied.retain(has_sources);
        while let Some(id) = self.denied.first().copied() {
            let op = Op::FlushDenied(id);
            self.plane
                .apply(&op)
                .map_err(|error| chain(what(&op), &error))?;
            self.denied.remove(&id);
        }
        Ok(())
    }

    /// Flushes that were not done.
    pub(super) fn owe(&mut self, ops: &[Op]) {
        for op in ops {
            match op {
                Op::FlushService(id) => drop(self.retiring.insert(*id)),
                Op::FlushDenied(id) => drop(self.denied.insert(*id)),
                _ => {}
            }
        }
    }
}

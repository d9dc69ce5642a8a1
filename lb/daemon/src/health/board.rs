//! Who is asked, and what is known of them.

use std::collections::{BTreeMap, HashMap};

use lb_core::health::{Change, Machine, Outcome, Phase, ProbeRecord, Target, Verdict};
use prometheus::{Histogram, HistogramOpts};

use super::Place;

/// Somebody who is asked. Never given to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId(u64);

#[derive(Default)]
pub struct Board {
    entries: HashMap<TargetId, Entry>,
    ids: BTreeMap<Target, TargetId>,
    places: BTreeMap<Place, TargetId>,
    /// Of those the prober does not know yet.
    added: Vec<TargetId>,
    last_id: u64,
    /// That the daemon has not heard of.
    changes: Vec<(TargetId, Change)>,
    pub figures: Figures,
}

pub struct Entry {
    pub target: Target,
    pub machine: Machine,
    /// Why the verdict is what it is, for people.
    pub reason: String,
}

/// Sums since the daemon started.
#[derive(Clone)]
pub struct Figures {
    pub durations: Histogram,
    pub lateness: Histogram,
    pub probes: BTreeMap<(Outcome, Phase), u64>,
    pub transitions: u64,
}

impl Board {
    /// From now on these are asked, and nobody else.
    pub fn watch(&mut self, places: BTreeMap<Place, Target>) {
        let before = std::mem::take(&mut self.places);
        for (place, target) in places {
            let id = match self.ids.get(&target) {
                Some(id) => *id,
                None => self.add(target, before.get(&place).copied()),
            };
            self.places.insert(place, id);
        }
        let wanted: std::collections::BTreeSet<TargetId> = self.places.values().copied().collect();
        self.entries.retain(|id, _| wanted.contains(id));
        self.ids.retain(|_, id| wanted.contains(id));
    }

    /// What was known of the same backend under another check stays known.
    fn add(&mut self, target: Target, before: Option<TargetId>) -> TargetId {
        self.last_id += 1;
        let id = TargetId(self.last_id);
        let before = before.and_then(|id| self.entries.get(&id));
        let entry = Entry {
            target: target.clone(),
            machine: before
                .map(|entry| entry.machine.under_another_check())
                .unwrap_or_default(),
            reason: before.map(|entry| entry.reason.clone()).unwrap_or_default(),
        };
        self.entries.insert(id, entry);
        self.ids.insert(target, id);
        self.added.push(id);
        id
    }

    pub fn take_added(&mut self) -> Vec<(TargetId, Target)> {
        let added = std::mem::take(&mut self.added);
        let target = |id| Some((id, self.entries.get(&id)?.target.clone()));
        added.into_iter().filter_map(target).collect()
    }

    /// None: it is asked no more.
    pub fn target(&self, id: TargetId) -> Option<&Target> {
        self.entries.get(&id).map(|entry| &entry.target)
    }

    pub fn places(&self) -> impl Iterator<Item = (&Place, &Entry)> {
        let entry = |(place, id)| Some((place, self.entries.get(id)?));
        self.places.iter().filter_map(entry)
    }

    pub fn at(&self, place: &Place) -> Option<&Entry> {
        self.entries.get(self.places.get(place)?)
    }

    /// Takes note of a probe. Some: it changed what is known.
    pub fn observe(&mut self, id: TargetId, probe: ProbeRecord) -> Option<(Target, Change)> {
        self.figures.durations.observe(probe.took.as_secs_f64());
        *self
            .figures
            .probes
            .entry((probe.outcome, probe.phase))
            .or_default() += 1;
        let entry = self.entries.get_mut(&id)?;
        let timing = entry.target.check.timing;
        let change = entry.machine.observe(&timing, probe)?;
        entry.reason.clone_from(&change.text);
        if change.from != change.to && change.from != Verdict::Unknown {
            self.figures.transitions += 1;
        }
        let target = entry.target.clone();
        self.changes.push((id, change.clone()));
        Some((target, change))
    }

    /// What changed since this was asked last, for each backend whose check it is.
    pub fn take_changes(&mut self) -> Vec<(Place, Change)> {
        let changes = std::mem::take(&mut self.changes);
        let at = |(id, change): (TargetId, Change)| {
            let places = self.places.iter().filter(move |(_, of)| **of == id);
            places.map(move |(place, _)| (*place, change.clone()))
        };
        changes.into_iter().flat_map(at).collect()
    }
}

impl Default for Figures {
    fn default() -> Self {
        let histogram = |name, help, buckets: &[f64]| {
            let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            Histogram::with_opts(options).expect("a valid name, and buckets in order")
        };
        Self {
            durations: histogram(
                "loxid_health_check_duration_seconds",
                "Duration of health checks.",
                &[0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0],
            ),
            lateness: histogram(
                "loxid_health_lateness_seconds",
                "How long after their time health checks began.",
                &[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0],
            ),
            probes: BTreeMap::new(),
            transitions: 0,
        }
    }
}

//! The generations that are kept of all documents, as known without reading their files again.

use std::collections::{BTreeMap, BTreeSet};

use lb_api::wire::{HistoryAction, HistoryEntry};
use lb_core::intent::Source;

use super::journal::KEPT;
use super::record::Record;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub source: Source,
    pub record: Option<Record>,
    pub removed: bool,
    /// Why it can't be read.
    pub damaged: Option<String>,
}

/// By generation: these grow over all documents.
#[derive(Debug, Default)]
pub struct History(BTreeMap<u64, Kept>);

impl History {
    /// Older ones of the same document than the last `KEPT` go, as their files do.
    pub fn insert(&mut self, generation: u64, kept: Kept) {
        let source = kept.source.clone();
        self.0.insert(generation, kept);
        let of_source =
            |(generation, kept): (&u64, &Kept)| (kept.source == source).then_some(*generation);
        let gone: Vec<u64> = self
            .0
            .iter()
            .rev()
            .filter_map(of_source)
            .skip(KEPT)
            .collect();
        for generation in gone {
            self.0.remove(&generation);
        }
    }

    pub fn get(&self, generation: u64) -> Option<&Kept> {
        self.0.get(&generation)
    }

    /// Of a document, the oldest first.
    pub fn of_source(&self, source: &Source) -> impl DoubleEndedIterator<Item = u64> {
        let of_source = move |(generation, kept): (&u64, &Kept)| {
            (kept.source == *source).then_some(*generation)
        };
        self.0.iter().filter_map(of_source)
    }

    /// The generation that a document is of, whether it is there or removed; 0: it never was.
    pub fn current(&self, source: &Source) -> u64 {
        let is_whole = |generation: &u64| self.0[generation].damaged.is_none();
        self.of_source(source).rev().find(is_whole).unwrap_or(0)
    }

    pub fn oldest_and_newest(&self) -> Option<(u64, u64)> {
        Some((*self.0.keys().next()?, *self.0.keys().next_back()?))
    }

    /// As the API has them, the newest first.
    pub fn entries(&self) -> Vec<HistoryEntry> {
        let mut seen = BTreeSet::new();
        let entry = |(generation, kept): (&u64, &Kept)| {
            let is_whole = kept.damaged.is_none();
            let current = is_whole && seen.insert(kept.source.clone());
            entry(*generation, kept, current)
        };
        self.0.iter().rev().map(entry).collect()
    }
}

pub fn entry(generation: u64, kept: &Kept, current: bool) -> HistoryEntry {
    let record = kept.record.as_ref();
    let action = match kept.removed {
        true => HistoryAction::Remove,
        false => HistoryAction::Apply,
    };
    HistoryEntry {
        generation,
        source: kept.source.to_string(),
        current,
        action: record.map_or(action, |record| record.action),
        of: record.and_then(|record| record.of),
        time: record.map(|record| record.time),
        author: record.map(|record| record.author.clone()),
        comment: record.and_then(|record| record.comment.clone()),
        summary: record
            .map(|record| record.summary.clone())
            .unwrap_or_default(),
        damaged: kept.damaged.clone(),
    }
}

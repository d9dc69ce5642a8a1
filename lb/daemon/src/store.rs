//! What operators want, on disk: documents by source, and interfaces.
//!
//! ```text
//! <stateDir>/documents/<source>/<generation>.yaml    kube/prod is kube.prod
//! <stateDir>/interfaces/<generation>.yaml            attached and detached by hand
//! <stateDir>/operators/<generation>.yaml             backends drained and disabled by hand
//! <stateDir>/tokens.yaml                             hashes of tokens, and who has them
//! <stateDir>/confirm/waiting.yaml                    the change that reverts unless it is confirmed
//! ```
//! A change is one file, stored before it is applied: a crash leaves the old or the new. At a
//! start the newest valid generation of each wins, and damaged ones are reported. The last 20 of
//! each document are kept: together they are the history, since generations grow over all sources
//! and restarts. The document of source `file` is the configuration's and is not
//! stored.

mod file;
mod history;
mod journal;
mod operators;
mod record;
mod tokens;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lb_api::control::{Generation, StoredDocument};
use lb_api::token::Tokens;
use lb_api::wire::{self, AttachAs, HistoryEntry};
use lb_core::health::OperatorStates;
use lb_core::intent::{Document, Source};
use serde::{Deserialize, Serialize};

use history::{History, Kept};
use journal::{Entry, Journal};
pub use record::Record;
pub use waiting::Waiting;

#[cfg(test)]
mod tests;

/// What operators attached and detached, besides what the configuration file says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Interfaces {
    pub attached: BTreeMap<String, AttachAs>,
    /// Of those that the configuration file lists.
    pub detached: BTreeSet<String>,
}

/// Everything that was stored, as read at a start.
#[derive(Debug, Default)]
pub struct Loaded {
    pub documents: BTreeMap<Source, StoredDocument>,
    pub interfaces: Interfaces,
    pub operators: OperatorStates,
    /// A change of the document as it is that was not confirmed yet.
    pub waiting: Option<Waiting>,
    pub tokens: Tokens,
    /// Their file is there, and not what was written: there are none, and there were.
    pub tokens_damaged: bool,
    /// Files that were skipped, and why.
    pub warnings: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}", path.display())]
pub struct StoreError {
    pub what: &'static str,
    pub path: PathBuf,
    #[source]
    pub source: io::Error,
}

/// Why an earlier generation cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenerationError {
    #[error("generation {generation} is not kept")]
    Gone {
        generation: u64,
        /// The oldest and the newest of all that are.
        kept: Option<(u64, u64)>,
    },
    #[error("generation {generation} cannot be used: {why}")]
    Damaged { generation: u64, why: String },
}

/// An earlier generation of a document.
#[derive(Clone, Debug)]
pub struct Earlier {
    pub source: Source,
    pub entry: HistoryEntry,
    /// None: the document was removed.
    pub document: Option<Document>,
}

pub struct Store {
    dir: PathBuf,
    generation: u64,
    history: History,
}

impl Store {
    /// Reads everything that is stored. What cannot be read is skipped and said, as long as the
    /// directories can be listed.
    pub fn open(dir: &Path) -> Result<(Store, Loaded), StoreError> {
        let mut store = Store {
            dir: dir.to_owned(),
            generation: 0,
            history: History::default(),
        };
        let mut loaded = Loaded::default();
        for (source, journal) in store.documents()? {
            let newest = store.newest(
                &journal,
                &source.to_string(),
                &mut loaded.warnings,
                read_document,
            )?;
            let used = newest.as_ref().map(|(generation, _)| generation.0);
            store.remember(&source, &journal, used, &mut loaded.warnings)?;
            if let Some((generation, document)) = newest {
                let document = Arc::new(document);
                loaded.documents.insert(
                    source,
                    StoredDocument {
                        generation,
                        document,
                    },
                );
            }
        }
        let journal = store.interfaces();
        let parse =
            |body: &str| lb_api::parse::yaml(body.as_bytes()).map_err(|error| error.to_string());
        let newest = store.newest(&journal, "interfaces", &mut loaded.warnings, parse)?;
        loaded.interfaces = newest.map(|(_, interfaces)| interfaces).unwrap_or_default();
        let journal = store.operators();
        let newest = store.newest(&journal, "operators", &mut loaded.warnings, operators::read)?;
        loaded.operators = newest.map(|(_, operators)| operators).unwrap_or_default();
        loaded.waiting = store.waiting(&mut loaded.warnings);
        match tokens::read(dir) {
            Ok(found) => loaded.tokens = found.unwrap_or_default(),
            Err(why) => {
                loaded.tokens_damaged = true;
                loaded.warnings.push(format!(
                    "{} is damaged: {why}; no token is valid: make them anew with `loxictl token create`",
                    tokens::path(dir).display()
                ));
            }
        }
        Ok((store, loaded))
    }

    /// Gives out the next generation: of a change that is not stored, or of one that is about to be.
    pub fn next_generation(&mut self) -> Generation {
        self.generation += 1;
        Generation(self.generation)
    }

    /// Stores a source's document (None: removed) as the next generation.
    pub fn put_document(
        &mut self,
        source: &Source,
        document: Option<&Document>,
        record: Record,
    ) -> Result<Generation, StoreError> {
        let body = document.map(|document| lb_api::parse::to_yaml(&wire::Document::from(document)));
        let generation = self.append(&self.journal(source), Some(&record), body)?;
        let kept = Kept {
            source: source.clone(),
            record: Some(record),
            removed: document.is_none(),
            damaged: None,
        };
        self.history.insert(generation.0, kept);
        Ok(generation)
    }

    /// The generation that the next change will have.
    pub fn coming_generation(&self) -> Generation {
        Generation(self.generation + 1)
    }

    /// Stores what is to be confirmed. Its generation is the coming one.
    pub fn put_waiting(&mut self, waiting: &Waiting) -> Result<(), StoreError> {
        waiting::put(&self.dir, waiting)
            .map_err(|source| self.failed("write", waiting::path(&self.dir), source))
    }

    pub fn remove_waiting(&mut self) -> Result<(), StoreError> {
        waiting::remove(&self.dir)
            .map_err(|source| self.failed("remove", waiting::path(&self.dir), source))
    }

    /// Generations that are kept, the newest first.
    pub fn history(&self) -> Vec<HistoryEntry> {
        self.history.entries()
    }

    /// The generation of a document before one of its own that is whole; 0: there is none.
    pub fn before(&self, source: &Source, generation: u64) -> u64 {
        let is_before = |other: &u64| {
            let kept = self.history.get(*other);
            *other < generation && kept.is_some_and(|kept| kept.damaged.is_none())
        };
        self.history
            .of_source(source)
            .rev()
            .find(is_before)
            .unwrap_or(0)
    }

    /// Reads a generation that is kept.
    pub fn earlier(&self, Generation(generation): Generation) -> Result<Earlier, GenerationError> {
        let kept = self.history.get(generation);
        let kept = kept.ok_or_else(|| GenerationError::Gone {
            generation,
            kept: self.history.oldest_and_newest(),
        })?;
        let damaged = |why| GenerationError::Damaged { generation, why };
        let entry = self.journal(&kept.source).read(generation);
        let entry = entry.map_err(|error| damaged(error.to_string()))?;
        let document = entry.body.as_deref().map(read_document).transpose();
        let current = self.history.current(&kept.source) == generation;
        Ok(Earlier {
            source: kept.source.clone(),
            document: document.map_err(damaged)?,
            entry: history::entry(generation, kept, current),
        })
    }

    pub fn put_interfaces(&mut self, interfaces: &Interfaces) -> Result<(), StoreError> {
        let journal = self.interfaces();
        self.append(&journal, None, Some(lb_api::parse::to_yaml(interfaces)))
            .map(drop)
    }

    pub fn put_operators(&mut self, states: &OperatorStates) -> Result<(), StoreError> {
        let journal = self.operators();
        self.append(&journal, None, Some(operators::write(states)))
            .map(drop)
    }

    pub fn put_tokens(&self, tokens: &Tokens) -> Result<(), StoreError> {
        tokens::put(&self.dir, tokens)
            .map_err(|source| self.failed("write", tokens::path(&self.dir), source))
    }

    fn append(
        &mut self,
        journal: &Journal,
        record: Option<&Record>,
        body: Option<String>,
    ) -> Result<Generation, StoreError> {
        let generation = self.generation + 1;
        let entry = Entry {
            generation,
            record: record.cloned(),
            body,
        };
        journal
            .append(&entry)
            .map_err(|source| self.failed("write", journal.path(generation), source))?;
        Ok(self.next_generation())
    }

    /// Looks at every generation of a document that is kept. `used`: the one that is the document;
    /// what is newer was found damaged before.
    fn remember(
        &mut self,
        source: &Source,
        journal: &Journal,
        used: Option<u64>,
        warnings: &mut Vec<String>,
    ) -> Result<(), StoreError> {
        let generations = journal.generations();
        let generations =
            generations.map_err(|error| self.failed("list", journal.path(0), error))?;
        let mut damaged = BTreeMap::new();
        for generation in generations.into_iter().rev() {
            let mut kept = Kept {
                source: source.clone(),
                record: None,
                removed: false,
                damaged: None,
            };
            match journal.read(generation) {
                Ok(entry) => {
                    kept.removed = entry.body.is_none();
                    kept.record = entry.record;
                    let is_unusable = used.is_some_and(|used| generation > used) && !kept.removed;
                    kept.damaged = is_unusable.then(|| "this version cannot read it".into());
                }
                Err(error) => {
                    kept.damaged = Some(error.what.clone());
                    damaged.insert(generation, error);
                }
            }
            self.history.insert(generation, kept);
        }
        // Newer ones were said when the document was looked for.
        let current = self.history.current(source);
        for error in damaged.range(..current).map(|(_, error)| error) {
            warnings.push(format!("{source}: {error}; it cannot be rolled back to"));
        }
        Ok(())
    }

    /// What waits to be confirmed, if the document is what waits.
    fn waiting(&mut self, warnings: &mut Vec<String>) -> Option<Waiting> {
        let path = waiting::path(&self.dir);
        let found = match waiting::read(&self.dir) {
            Ok(found) => found?,
            Err(why) => {
                warnings.push(format!(
                    "{} is damaged: {why}; a change that waited to be confirmed stays: `loxictl history` shows it, \
                     `loxictl rollback` takes it back",
                    path.display()
                ));
                return None;
            }
        };
        let source: Option<Source> = found.source.parse().ok();
        let waits = source.is_some_and(|source| self.history.current(&source) == found.generation);
        if waits {
            return Some(found);
        }
        // Of a change that a crash kept from being stored, or of one that was reverted. No other
        // may have its number, as long as the file is there.
        self.generation = self.generation.max(found.generation);
        if let Err(error) = self.remove_waiting() {
            warnings.push(crate::failure::line(&error));
        }
        None
    }

    /// The newest generation that is whole, if it was not removed.
    fn newest<T>(
        &mut self,
        journal: &Journal,
        what: &str,
        warnings: &mut Vec<String>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<(Generation, T)>, StoreError> {
        let generations = journal.generations();
        let generations =
            generations.map_err(|source| self.failed("list", journal.path(0), source))?;
        self.generation = self
            .generation
            .max(generations.first().copied().unwrap_or(0));
        let mut skipped = 0;
        for generation in generations {
            let entry = journal
                .read(generation)
                .map_err(|damaged| damaged.to_string());
            let value = entry.and_then(|entry| match entry.body {
                None => Ok(None),
                Some(body) => parse(&body).map(Some).map_err(|error| {
                    format!(
                        "{} cannot be used: {error}",
                        journal.path(generation).display()
                    )
                }),
            });
            match value {
                Ok(value) => {
                    if skipped > 0 {
                        warnings.push(format!("{what}: generation {generation} is used instead"));
                    }
                    return Ok(value.map(|value| (Generation(generation), value)));
                }
                Err(error) => warnings.push(format!("{what}: {error}; skipped")),
            }
            skipped += 1;
        }
        if skipped > 0 {
            warnings.push(format!(
                "{what}: no stored generation is whole; none is used: apply it again"
            ));
        }
        Ok(None)
    }

    fn documents(&self) -> Result<Vec<(Source, Journal)>, StoreError> {
        let dir = self.dir.join("documents");
        let entries = match std::fs::read_dir(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|error| self.failed("list", dir, error))?,
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let source = |name: &String| name.replacen('.', "/", 1).parse::<Source>().ok();
        let journal = |name: String| {
            Some((
                source(&name)?,
                Journal::new(self.dir.join("documents").join(name)),
            ))
        };
        Ok(names.filter_map(journal).collect())
    }

    fn interfaces(&self) -> Journal {
        Journal::new(self.dir.join("interfaces"))
    }

    fn operators(&self) -> Journal {
        Journal::new(self.dir.join("operators"))
    }

    fn journal(&self, source: &Source) -> Journal {
        Journal::new(self.dir.join("documents").join(directory(source)))
    }

    fn failed(&self, what: &'static str, path: PathBuf, source: io::Error) -> StoreError {
        StoreError { what, path, source }
    }
}

/// Names of sources have no dot, so that this is reversible.
fn directory(source: &Source) -> String {
    source.to_string().replacen('/', ".", 1)
}

fn read_document(body: &str) -> Result<Document, String> {
    let document: wire::Document =
        lb_api::parse::yaml(body.as_bytes()).map_err(|error| error.to_string())?;
    Document::try_from(&document).map_err(|error| error.to_string())
}

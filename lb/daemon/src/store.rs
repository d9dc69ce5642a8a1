//! What operators want, on disk: documents by source, and interfaces.
//!
//! ```text
//! <stateDir>/documents/<source>/<generation>.yaml    kube/prod is kube.prod
//! <stateDir>/interfaces/<generation>.yaml            attached and detached by hand
//! ```
//! A change is one file, stored before it is applied: a crash leaves the old or the new. At a
//! start the newest valid generation of each wins, and damaged ones are reported. Generations grow
//! over all sources and restarts. The document of source `file` is the configuration's and is not
//! stored.

mod journal;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lb_api::control::{Generation, StoredDocument};
use lb_api::wire::{self, AttachAs};
use lb_core::intent::{Document, Source};
use serde::{Deserialize, Serialize};

use journal::{Entry, Journal};

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

pub struct Store {
    dir: PathBuf,
    generation: u64,
}

impl Store {
    /// Reads everything that is stored. What cannot be read is skipped and said, as long as the
    /// directories can be listed.
    pub fn open(dir: &Path) -> Result<(Store, Loaded), StoreError> {
        let mut store = Store {
            dir: dir.to_owned(),
            generation: 0,
        };
        let mut loaded = Loaded::default();
        for (source, journal) in store.documents()? {
            let newest = store.newest(
                &journal,
                &source.to_string(),
                &mut loaded.warnings,
                read_document,
            )?;
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
    ) -> Result<Generation, StoreError> {
        let body = document.map(|document| lb_api::parse::to_yaml(&wire::Document::from(document)));
        let journal = Journal::new(self.dir.join("documents").join(directory(source)));
        self.append(&journal, body)
    }

    pub fn put_interfaces(&mut self, interfaces: &Interfaces) -> Result<(), StoreError> {
        let journal = self.interfaces();
        self.append(&journal, Some(lb_api::parse::to_yaml(interfaces)))
            .map(drop)
    }

    fn append(
        &mut self,
        journal: &Journal,
        body: Option<String>,
    ) -> Result<Generation, StoreError> {
        let generation = self.generation + 1;
        let path = journal.path(generation);
        journal
            .append(&Entry { generation, body })
            .map_err(|source| StoreError {
                what: "write",
                path,
                source,
            })?;
        Ok(self.next_generation())
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
        let generations = generations.map_err(|source| self.unlisted(journal.path(0), source))?;
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
            entries => entries.map_err(|source| self.unlisted(dir, source))?,
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

    fn unlisted(&self, path: PathBuf, source: io::Error) -> StoreError {
        StoreError {
            what: "list",
            path,
            source,
        }
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

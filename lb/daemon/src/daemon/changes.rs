//! Changes of documents: checked, stored, applied.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use lb_api::control::{Actor, ControlError, Generation, Precondition, StoredDocument};
use lb_api::edit::{self, Edit};
use lb_api::wire::{Applied, changes};
use lb_core::intent::{Document, Source};

use super::Daemon;
use crate::failure::line;
use crate::reconcile::{DataPlane, Depth};
use crate::store::StoreError;

impl<P: DataPlane> Daemon<P> {
    pub(super) fn put_document(
        &mut self,
        source: Source,
        document: Document,
        precondition: &Precondition,
        dry_run: bool,
        actor: &Actor,
    ) -> Result<Applied, ControlError> {
        self.change(source, Some(document), precondition, dry_run, actor)
    }

    pub(super) fn delete_document(
        &mut self,
        source: Source,
        precondition: &Precondition,
        dry_run: bool,
        actor: &Actor,
    ) -> Result<Applied, ControlError> {
        if source != Source::File && !self.documents.contains_key(&source) {
            precondition.check(None)?;
            return Err(ControlError::NotFound {
                what: format!("document {source}"),
            });
        }
        self.change(source, None, precondition, dry_run, actor)
    }

    pub(super) fn edit(
        &mut self,
        edit: &Edit,
        precondition: &Precondition,
        dry_run: bool,
        actor: &Actor,
    ) -> Result<Applied, ControlError> {
        let document = edit::apply(edit, &self.documents)?;
        self.change(Source::Api, Some(document), precondition, dry_run, actor)
    }

    fn change(
        &mut self,
        source: Source,
        document: Option<Document>,
        precondition: &Precondition,
        dry_run: bool,
        actor: &Actor,
    ) -> Result<Applied, ControlError> {
        if source == Source::File {
            return Err(ControlError::Conflict {
                message: "the document `file` is the configuration file's".into(),
                remedy: "edit `services` there and reload: systemctl reload loxid".into(),
            });
        }
        let current = self.documents.get(&source);
        let generation = current.map(|stored| stored.generation);
        precondition.check(generation)?;
        if let Some(document) = &document {
            self.check_room(document)?;
        }
        let changes = changes(current.map(|stored| &*stored.document), document.as_ref());
        let is_same = changes.is_empty() && current.is_some() == document.is_some();
        let mut applied = Applied {
            source: source.to_string(),
            generation: generation.unwrap_or_default().0,
            dry_run,
            changes,
        };
        if dry_run || is_same {
            return Ok(applied);
        }
        let Generation(number) = self
            .store
            .put_document(&source, document.as_ref())
            .map_err(storage)?;
        applied.generation = number;
        match document {
            Some(document) => {
                let generation = Generation(number);
                let stored = StoredDocument {
                    generation,
                    document: Arc::new(document.clone()),
                };
                self.intent.documents.insert(source.clone(), document);
                self.documents.insert(source.clone(), stored);
            }
            None => {
                self.intent.documents.remove(&source);
                self.documents.remove(&source);
            }
        }
        let summary: Vec<String> = applied
            .changes
            .iter()
            .take(20)
            .map(|change| format!("{:?} {}", change.kind, change.service).to_lowercase())
            .collect();
        tracing::info!(
            %actor, document = %source, generation = number, changes = applied.changes.len(),
            "document changed: {}", summary.join(", ")
        );
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        self.own.last_apply = Some(since_epoch.as_secs_f64());
        self.pass(Depth::Known);
        Ok(applied)
    }

    fn check_room(&self, document: &Document) -> Result<(), ControlError> {
        let limits = self.config.limits;
        let members: usize = document
            .services()
            .map(|service| service.backends.len())
            .sum();
        let is_over = [
            ("services", document.len(), limits.services),
            ("members", members, limits.members),
        ];
        match is_over
            .iter()
            .find(|(_, count, limit)| *count as u64 > u64::from(*limit))
        {
            None => Ok(()),
            Some((what, count, limit)) => Err(ControlError::TooLarge {
                message: format!("the document has {count} {what}, and limits.{what} is {limit}"),
                remedy: format!(
                    "raise limits.{what} in the configuration, for which the tables are made anew"
                ),
            }),
        }
    }
}

pub(super) fn storage(error: StoreError) -> ControlError {
    let message = line(&error);
    tracing::error!("a change was refused: {message}");
    ControlError::Storage {
        message,
        remedy: "nothing was changed; make room there, or make it writable".into(),
    }
}

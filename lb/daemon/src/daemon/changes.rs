//! Changes of documents: checked, stored, applied.
//!
//! ```text
//!   what is to be confirmed is stored    first: a crash after this changes nothing
//!   the document is stored               a crash after this: it is applied, and reverts in time
//!   applied, told, answered
//! ```

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use lb_api::control::{Actor, ControlError, Generation, Precondition, StoredDocument, Terms};
use lb_api::edit::{self, Edit};
use lb_api::wire::{self, Applied, Change, HistoryAction, Problem, Timestamp, changes, summary};
use lb_core::intent::{Document, Source};

use super::Daemon;
use super::confirmation::Awaited;
use crate::confirm::{Deadline, Moment};
use crate::events::Event;
use crate::failure::line;
use crate::reconcile::{DataPlane, Depth};
use crate::store::{Record, StoreError, Waiting};

/// A document that somebody wants in the place of the one that is there.
pub(super) struct Wanted<'a> {
    pub source: Source,
    /// None: it is to be removed.
    pub document: Option<Document>,
    pub precondition: &'a Precondition,
    pub dry_run: bool,
    pub terms: Terms,
    pub actor: &'a Actor,
    /// The generation that is rolled back to.
    pub of: Option<u64>,
}

impl<P: DataPlane> Daemon<P> {
    pub(super) fn put_document(
        &mut self,
        source: Source,
        document: Document,
        precondition: &Precondition,
        dry_run: bool,
        terms: Terms,
        actor: &Actor,
    ) -> Result<Applied, ControlError> {
        self.change(Wanted {
            source,
            document: Some(document),
            precondition,
            dry_run,
            terms,
            actor,
            of: None,
        })
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
        self.change(Wanted {
            source,
            document: None,
            precondition,
            dry_run,
            terms: Terms::default(),
            actor,
            of: None,
        })
    }

    pub(super) fn edit(
        &mut self,
        edit: &Edit,
        precondition: &Precondition,
        dry_run: bool,
        actor: &Actor,
    ) -> Result<Applied, ControlError> {
        let document = edit::apply(edit, &self.documents)?;
        self.change(Wanted {
            source: Source::Api,
            document: Some(document),
            precondition,
            dry_run,
            terms: Terms::default(),
            actor,
            of: None,
        })
    }

    pub(super) fn change(&mut self, wanted: Wanted) -> Result<Applied, ControlError> {
        let source = &wanted.source;
        if *source == Source::File {
            return Err(ControlError::Conflict {
                message: "the document `file` is the configuration file's".into(),
                remedy: "edit `services` there and reload: systemctl reload loxid".into(),
            });
        }
        let current = self.documents.get(source);
        let generation = current.map(|stored| stored.generation);
        wanted.precondition.check(generation)?;
        if let Some(document) = &wanted.document {
            self.check_room(document)?;
            self.check_interfaces(source, document, &self.config.vlans)?;
            self.check_health(source, document)?;
        }
        let changes = changes(
            current.map(|stored| &*stored.document),
            wanted.document.as_ref(),
        );
        let is_same = changes.is_empty() && current.is_some() == wanted.document.is_some();
        let mut applied = Applied {
            source: source.to_string(),
            generation: generation.unwrap_or_default().0,
            dry_run: wanted.dry_run,
            confirm_until: None,
            changes,
        };
        if wanted.dry_run || is_same {
            return Ok(applied);
        }
        self.check_nothing_waits(&wanted)?;
        let awaited = self.await_confirmation(&wanted)?;
        let record = record(&wanted, &applied.changes);
        let stored = self
            .store
            .put_document(source, wanted.document.as_ref(), record);
        let generation = match stored {
            Ok(generation) => generation,
            Err(error) => {
                self.forget_unstored(awaited.is_some());
                return Err(storage(error));
            }
        };
        applied.generation = generation.0;
        applied.confirm_until = awaited
            .as_ref()
            .map(|awaited| awaited.waiting.deadline.wall);
        self.tell_change(&wanted, generation, &applied.changes);
        if let Some(awaited) = &awaited {
            self.events.emit(Event::Waiting {
                source: source.clone(),
                generation,
                deadline: awaited.waiting.deadline.wall,
            });
        }
        if awaited.is_some() {
            self.awaited = awaited;
        }
        self.replace(wanted.source, wanted.document, generation);
        self.pass(Depth::Known);
        Ok(applied)
    }

    /// Makes a stored document what the next pass forwards.
    pub(super) fn replace(
        &mut self,
        source: Source,
        document: Option<Document>,
        generation: Generation,
    ) {
        match document {
            Some(document) => {
                let stored = StoredDocument {
                    generation,
                    document: Arc::new(document.clone()),
                };
                self.intent.documents.insert(source.clone(), document);
                self.documents.insert(source, stored);
            }
            None => {
                self.intent.documents.remove(&source);
                self.documents.remove(&source);
            }
        }
        self.history = Arc::new(self.store.history());
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        self.own.last_apply = Some(since_epoch.as_secs_f64());
    }

    /// What waits is reverted whole, so nothing may be built on it; and one change waits at a time.
    fn check_nothing_waits(&self, wanted: &Wanted) -> Result<(), ControlError> {
        let Some(awaited) = &self.awaited else {
            return Ok(());
        };
        let is_of_it = awaited.source == wanted.source;
        if !is_of_it && wanted.terms.confirm.is_none() {
            return Ok(());
        }
        let (field, rule) = match is_of_it {
            true => (
                "source",
                "a document doesn't change while a change of it waits",
            ),
            false => ("confirm", "one change waits at a time"),
        };
        let waiting = &awaited.waiting;
        let message = format!(
            "generation {} of document {} waits to be confirmed until {}",
            waiting.generation, waiting.source, waiting.deadline.wall
        );
        Err(ControlError::Blocked(Problem::new(field, message, rule).remedy(
            "`loxictl confirm` keeps it, `loxictl confirm --cancel` takes it back; then try again",
        )))
    }

    /// Stores what the change reverts to, if it is to be confirmed.
    fn await_confirmation(&mut self, wanted: &Wanted) -> Result<Option<Awaited>, ControlError> {
        let Some(span) = wanted.terms.confirm else {
            return Ok(None);
        };
        let now = Moment::now();
        let current = self.documents.get(&wanted.source);
        let waiting = Waiting {
            source: wanted.source.to_string(),
            generation: self.store.coming_generation().0,
            before: current.map_or(0, |stored| stored.generation.0),
            author: wanted.actor.to_string(),
            comment: wanted
                .terms
                .comment
                .as_ref()
                .map(|comment| comment.as_str().to_owned()),
            applied: now.wall,
            deadline: Deadline::after(span, &now),
            document: current.map(|stored| wire::Document::from(&*stored.document)),
        };
        if let Err(error) = self.store.put_waiting(&waiting) {
            self.forget_unstored(true);
            return Err(storage(error));
        }
        Ok(Some(Awaited {
            source: wanted.source.clone(),
            document: current.map(|stored| (*stored.document).clone()),
            waiting,
            due: now.instant + span,
            is_reverted: false,
        }))
    }

    /// What was to be confirmed was not stored. Its number is not given to another change: the
    /// file that waits for it may be there, and must not be taken for the other's.
    fn forget_unstored(&mut self, is_awaited: bool) {
        if is_awaited {
            self.store.next_generation();
            if let Err(error) = self.store.remove_waiting() {
                tracing::error!("{}", line(&error));
            }
        }
    }

    fn tell_change(&self, wanted: &Wanted, generation: Generation, changes: &[Change]) {
        let (source, actor) = (wanted.source.clone(), wanted.actor.clone());
        let summary = summary(changes);
        let comment = wanted.terms.comment.as_ref();
        self.events.emit(match (wanted.of, &wanted.document) {
            (Some(of), _) => Event::RolledBack {
                source,
                generation,
                of,
                actor,
                summary,
            },
            (None, Some(_)) => Event::Applied {
                source,
                generation,
                actor,
                summary,
                comment: comment.map(|comment| comment.as_str().to_owned()),
            },
            (None, None) => Event::Removed {
                source,
                generation,
                actor,
            },
        });
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

fn record(wanted: &Wanted, changes: &[Change]) -> Record {
    let action = match (wanted.of, &wanted.document) {
        (Some(_), _) => HistoryAction::Rollback,
        (None, Some(_)) => HistoryAction::Apply,
        (None, None) => HistoryAction::Remove,
    };
    let comment = wanted.terms.comment.as_ref();
    Record {
        time: Timestamp::of(SystemTime::now()),
        author: wanted.actor.to_string(),
        action,
        of: wanted.of,
        summary: summary(changes),
        comment: comment.map(|comment| comment.as_str().to_owned()),
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

//! The change that waits to be confirmed: kept by a word, else taken back in time.
//!
//! Taking back is for the moment in which somebody has cut himself off: it happens even if it
//! can't be stored. What waits stays on disk then, so that a restart reverts, too, and storing is
//! tried again.

use std::time::{Duration, Instant, SystemTime};

use lb_api::control::{Actor, ControlError, Generation, Precondition};
use lb_api::wire::{Applied, Confirmation, HistoryAction, Problem, Timestamp, changes, summary};
use lb_core::intent::{Document, Source};

use super::Daemon;
use super::changes::storage;
use crate::confirm::Moment;
use crate::events::Event;
use crate::failure::line;
use crate::reconcile::{DataPlane, Depth};
use crate::store::{Record, Waiting};

/// How soon storing a revert is tried again.
const STORE_AGAIN: Duration = Duration::from_secs(5);

/// What waits, as long as the daemon runs.
#[derive(Clone, Debug)]
pub(super) struct Awaited {
    pub source: Source,
    /// What it reverts to.
    pub document: Option<Document>,
    pub waiting: Waiting,
    pub due: Instant,
    /// It was taken back, and that is not stored yet.
    pub is_reverted: bool,
}

impl<P: DataPlane> Daemon<P> {
    /// When something is to be done about what waits.
    pub fn confirmation_at(&self) -> Option<Instant> {
        self.awaited.as_ref().map(|awaited| awaited.due)
    }

    /// Its time is over.
    pub fn confirmation_due(&mut self) {
        let Some(awaited) = &self.awaited else {
            return;
        };
        let why = format!(
            "it was not confirmed within {} s",
            awaited.waiting.deadline.seconds
        );
        self.take_back(&why, "loxid");
        self.pass(Depth::Known);
    }

    /// As the API shows it.
    pub(super) fn confirmation(&self) -> Option<Confirmation> {
        let awaited = self
            .awaited
            .as_ref()
            .filter(|awaited| !awaited.is_reverted)?;
        let left = awaited.due.saturating_duration_since(Instant::now());
        let waiting = &awaited.waiting;
        Some(Confirmation {
            source: waiting.source.clone(),
            generation: waiting.generation,
            before: waiting.before,
            deadline: waiting.deadline.wall,
            remaining: left.as_secs() + u64::from(left.subsec_nanos() > 0),
            author: waiting.author.clone(),
            comment: waiting.comment.clone(),
        })
    }

    pub(super) fn confirm(
        &mut self,
        precondition: &Precondition,
        actor: &Actor,
    ) -> Result<Confirmation, ControlError> {
        let confirmation = self.confirmation().ok_or_else(|| self.nothing_waits())?;
        precondition.check(Some(Generation(confirmation.generation)))?;
        self.store.remove_waiting().map_err(storage)?;
        let Some(awaited) = self.awaited.take() else {
            return Err(self.nothing_waits());
        };
        self.events.emit(Event::Confirmed {
            source: awaited.source,
            generation: Generation(confirmation.generation),
            actor: actor.clone(),
        });
        self.publish();
        Ok(confirmation)
    }

    /// At an operator's word, before its time is over.
    pub(super) fn revert(
        &mut self,
        precondition: &Precondition,
        actor: &Actor,
    ) -> Result<Applied, ControlError> {
        let confirmation = self.confirmation().ok_or_else(|| self.nothing_waits())?;
        precondition.check(Some(Generation(confirmation.generation)))?;
        let author = actor.to_string();
        let applied = self.take_back(&format!("{author} took it back"), &author);
        self.pass(Depth::Known);
        applied.ok_or_else(|| self.nothing_waits())
    }

    /// What waited when the daemon ended: the rest of its time counts on. What is overdue is taken
    /// back before the first pass, for which the box is not known yet.
    pub(super) fn resume_waiting(&mut self, waiting: Option<Waiting>) {
        let Some(waiting) = waiting else {
            return;
        };
        let document = waiting
            .document
            .as_ref()
            .map(Document::try_from)
            .transpose();
        let (Ok(source), Ok(document)) = (waiting.source.parse::<Source>(), document) else {
            self.warnings.push(format!(
                "what generation {} of document {} would revert to is not valid here: it stays; \
                 `loxictl rollback` takes it back",
                waiting.generation, waiting.source
            ));
            return;
        };
        let now = Moment::now();
        let left = waiting.deadline.remaining(&now);
        tracing::info!(
            document = waiting.source,
            generation = waiting.generation,
            left_s = left.as_secs_f64(),
            "a change waits to be confirmed"
        );
        self.awaited = Some(Awaited {
            source,
            document,
            waiting,
            due: now.instant + left,
            is_reverted: false,
        });
        if left.is_zero() {
            self.take_back(
                "its time to be confirmed ended while loxid did not run",
                "loxid",
            );
        }
    }

    /// The next pass forwards what was before.
    fn take_back(&mut self, why: &str, author: &str) -> Option<Applied> {
        let awaited = self.awaited.clone()?;
        let current = self.documents.get(&awaited.source);
        let changes = changes(
            current.map(|stored| &*stored.document),
            awaited.document.as_ref(),
        );
        let record = Record {
            time: Timestamp::of(SystemTime::now()),
            author: author.to_owned(),
            action: HistoryAction::Revert,
            of: Some(awaited.waiting.before),
            summary: summary(&changes),
            comment: Some(why.to_owned()),
        };
        let stored = self
            .store
            .put_document(&awaited.source, awaited.document.as_ref(), record);
        let generation = match stored {
            Ok(generation) => {
                // Left there it counts for nothing: the document is of another generation.
                if let Err(error) = self.store.remove_waiting() {
                    tracing::warn!("{}", line(&error));
                }
                self.awaited = None;
                generation
            }
            Err(error) => {
                self.events.emit(Event::RevertUnstored {
                    source: awaited.source.clone(),
                    problem: line(&error),
                });
                if let Some(awaited) = &mut self.awaited {
                    awaited.due = Instant::now() + STORE_AGAIN;
                    awaited.is_reverted = true;
                }
                self.store.next_generation()
            }
        };
        if !awaited.is_reverted {
            self.events.emit(Event::Reverted {
                source: awaited.source.clone(),
                generation,
                of: awaited.waiting.before,
                why: why.to_owned(),
            });
        }
        self.replace(awaited.source.clone(), awaited.document, generation);
        Some(Applied {
            source: awaited.source.to_string(),
            generation: generation.0,
            dry_run: false,
            confirm_until: None,
            changes,
        })
    }

    fn nothing_waits(&self) -> ControlError {
        let newest = self.history.iter().find(|entry| entry.current);
        let message = match newest {
            Some(entry) => format!(
                "generation {} of document {} stays already, and no other change waits to be confirmed",
                entry.generation, entry.source
            ),
            None => "no change waits to be confirmed".into(),
        };
        let problem = Problem::new("confirmation", message, "there must be a change that waits");
        ControlError::Blocked(problem.remedy(
            "it was confirmed, or is reverted: `loxictl history` says; `loxictl apply --confirm 60s` makes one",
        ))
    }
}

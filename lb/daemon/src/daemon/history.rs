//! Earlier generations: shown, and made the document again.

use lb_api::control::{Actor, ControlError, Generation, Precondition, Terms};
use lb_api::wire::{Applied, Document, HistoryDetail, Problem, changes};

use super::Daemon;
use super::changes::Wanted;
use crate::reconcile::DataPlane;
use crate::store::GenerationError;

impl<P: DataPlane> Daemon<P> {
    pub(super) fn rollback(
        &mut self,
        generation: Generation,
        precondition: &Precondition,
        dry_run: bool,
        terms: Terms,
        actor: &Actor,
    ) -> Result<Applied, ControlError> {
        let earlier = self.store.earlier(generation).map_err(refused)?;
        self.change(Wanted {
            source: earlier.source,
            document: earlier.document,
            precondition,
            dry_run,
            terms,
            actor,
            of: Some(generation.0),
        })
    }

    pub(super) fn history_detail(
        &self,
        generation: Generation,
    ) -> Result<HistoryDetail, ControlError> {
        let earlier = self.store.earlier(generation).map_err(refused)?;
        let before = self.store.before(&earlier.source, generation.0);
        // One that is not kept, or can't be read, is as good as none: everything is new.
        let old = self.store.earlier(Generation(before)).ok();
        let old = old.and_then(|old| old.document);
        Ok(HistoryDetail {
            changes: changes(old.as_ref(), earlier.document.as_ref()),
            entry: earlier.entry,
            document: earlier.document.as_ref().map(Document::from),
            before,
        })
    }
}

fn refused(error: GenerationError) -> ControlError {
    match &error {
        GenerationError::Gone { kept, .. } => {
            let rule = match kept {
                None => "no document was stored yet".into(),
                Some((oldest, newest)) => format!(
                    "one of those that are kept (the last 20 of each document): {oldest} to {newest}"
                ),
            };
            ControlError::Gone(
                Problem::new("generation", error.to_string(), rule)
                    .remedy("`loxictl history` lists them"),
            )
        }
        GenerationError::Damaged { .. } => ControlError::Blocked(
            Problem::new("generation", error.to_string(), "its file must be whole").remedy(
                "`loxictl history` lists others; or apply the document from where it is kept",
            ),
        ),
    }
}

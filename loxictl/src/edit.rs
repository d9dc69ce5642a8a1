//! A change of a part of a document: read it, edit it, put it back if nobody was faster.

use lb_api::wire::{Applied, Document};
use lb_core::intent::Source;

use crate::failure::{Failure, Kind, Result};
use crate::session::{Precondition, Session};

/// How often an edit begins again because somebody else changed the document meanwhile.
const ATTEMPTS_MAX: u32 = 8;

/// Edits a source's document, all or nothing. `edit` gets what is there: an empty document if
/// nothing is, and is called again when somebody else was faster.
pub async fn edit(
    session: &Session,
    source: &Source,
    dry_run: bool,
    edit: impl Fn(&mut Document) -> Result<()>,
) -> Result<Applied> {
    let mut attempt = 1;
    loop {
        let (mut document, precondition) = match session.document(source).await? {
            Some((document, generation)) => (document, Precondition::Generation(vec![generation])),
            None => (Document::default(), Precondition::Absent),
        };
        edit(&mut document)?;
        match session
            .put_document(source, &document, precondition, dry_run)
            .await
        {
            Err(Failure {
                kind: Kind::Conflict,
                ..
            }) if attempt < ATTEMPTS_MAX => attempt += 1,
            answer => return answer,
        }
    }
}

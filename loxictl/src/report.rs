//! What a change did, told to the person who asked for it.

use lb_api::wire::{Applied, ChangeKind};

use crate::failure::Result;
use crate::output::Format;
use crate::session::Session;

/// A line for each service that changed, on stderr; with `-o json|yaml|name` data on stdout.
pub fn applied(session: &Session, applied: &Applied) -> Result<()> {
    told(applied);
    match session.output.format {
        Format::Table | Format::Wide => Ok(()),
        Format::Json | Format::Yaml => session.output.value(applied),
        Format::Name => {
            let keys: String = applied
                .changes
                .iter()
                .map(|change| format!("{}\n", change.service))
                .collect();
            session.output.text(&keys)
        }
    }
}

/// The lines on stderr alone.
pub fn told(applied: &Applied) {
    let trial = if applied.dry_run { " (dry run)" } else { "" };
    for change in &applied.changes {
        let verb = match change.kind {
            ChangeKind::Add => "added",
            ChangeKind::Change => "changed",
            ChangeKind::Remove => "removed",
        };
        eprintln!("{} {verb}{trial}", change.service);
    }
    match (applied.changes.is_empty(), applied.dry_run) {
        (true, _) => eprintln!("document {}: nothing to change{trial}", applied.source),
        (false, true) => eprintln!("document {}: nothing was changed{trial}", applied.source),
        (false, false) => eprintln!(
            "document {}: generation {}",
            applied.source, applied.generation
        ),
    }
    if let Some(until) = applied.confirm_until {
        eprintln!("it reverts at {until} unless it is confirmed: loxictl confirm");
    }
}

//! `loxictl history`: who changed which document when, and to what.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use lb_api::wire::{HistoryAction, HistoryDetail, HistoryEntry};
use lb_core::intent::Source;

use crate::commands::diff;
use crate::diff::diff as compare;
use crate::failure::Result;
use crate::output::{Format, Listed};
use crate::session::Session;
use crate::table::{Cell, Column, Tone, column, wide};

#[cfg(test)]
mod tests;

/// Show earlier generations of documents: who, when, what, why
#[derive(Args, Debug)]
#[command(after_help = "\
The last 20 generations of each document are kept, the newest comes first. The document `file`
is the configuration file's and has no history here.

Examples:
  loxictl history
  loxictl history --source web
  loxictl history show 12                    how it differs from the one before
  loxictl history show 12 --document > lb.yaml
  loxictl rollback 12")]
pub struct History {
    #[command(subcommand)]
    what: Option<What>,

    /// Only of this document
    #[arg(long, value_name = "NAME")]
    source: Option<Source>,
}

#[derive(Subcommand, Debug)]
enum What {
    Show(Show),
}

/// Show one generation
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  loxictl history show 12
  loxictl history show 12 --document         the document itself, as it can be applied
  loxictl history show 12 -o json")]
struct Show {
    #[arg(value_name = "GENERATION")]
    generation: u64,

    /// Print the document as it was, instead of how it differs from the one before
    #[arg(long)]
    document: bool,
}

impl History {
    pub async fn run(self, session: &Session) -> Result<()> {
        if let Some(What::Show(show)) = self.what {
            return show.run(session).await;
        }
        let entries = session.history(self.source.as_ref()).await?;
        if entries.is_empty() && matches!(session.output.format, Format::Table | Format::Wide) {
            eprintln!("no document was stored yet: `loxictl apply -f FILE` makes one");
        }
        session.output.list(&entries)
    }
}

impl Show {
    async fn run(self, session: &Session) -> Result<()> {
        let detail = session.generation(self.generation).await?;
        if self.document {
            return match &detail.document {
                Some(document) => session.output.value(document),
                None => {
                    eprintln!(
                        "document {} was removed by generation {}",
                        detail.entry.source, self.generation
                    );
                    session.output.text("services: []\n")
                }
            };
        }
        match session.output.format {
            Format::Json | Format::Yaml => session.output.value(&detail),
            Format::Name => session.output.text(&format!("{}\n", self.generation)),
            Format::Table | Format::Wide => {
                let text = page(&detail);
                let text = diff::coloured(&text, session.output.colour);
                session.output.text(&text)
            }
        }
    }
}

/// A head, and what changed.
fn page(detail: &HistoryDetail) -> String {
    let entry = &detail.entry;
    let mut text = format!(
        "generation {} of document {}",
        entry.generation, entry.source
    );
    if entry.current {
        text += " (current)";
    }
    text += "\n";
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            text += &format!("{name:<8} {value}\n");
        }
    };
    line("time", entry.time.map(|time| time.to_string()));
    line("author", entry.author.clone());
    line("action", Some(action(entry)));
    line("comment", entry.comment.clone());
    line(
        "summary",
        Some(entry.summary.clone()).filter(|text| !text.is_empty()),
    );
    let (mut old, mut new) = (BTreeMap::new(), BTreeMap::new());
    for change in &detail.changes {
        diff::insert(&mut old, &change.service, change.old.as_ref());
        diff::insert(&mut new, &change.service, change.new.as_ref());
    }
    let before = match detail.before {
        0 => "nothing".to_owned(),
        before => format!("generation {before}"),
    };
    text += &format!("\n--- {before}\n+++ generation {}\n", entry.generation);
    text + &compare(&old, &new)
}

/// `apply`, `rollback to 5`.
fn action(entry: &HistoryEntry) -> String {
    let action = entry.action.as_str();
    match (entry.action, entry.of) {
        (HistoryAction::Rollback | HistoryAction::Revert, Some(0)) => {
            format!("{action} to nothing")
        }
        (_, Some(of)) => format!("{action} to {of}"),
        (_, None) => action.to_owned(),
    }
}

impl Listed for HistoryEntry {
    const COLUMNS: &'static [Column] = &[
        column("GENERATION"),
        column("DOCUMENT"),
        column("TIME"),
        column("AUTHOR"),
        column("ACTION"),
        column("SUMMARY"),
        column("COMMENT"),
        wide("CURRENT"),
    ];

    fn cells(&self) -> Vec<Cell> {
        let summary = match &self.damaged {
            Some(why) => Cell::toned(format!("damaged: {why}"), Tone::Bad),
            None => Cell::maybe(Some(&self.summary).filter(|text| !text.is_empty())),
        };
        vec![
            match self.current {
                true => Cell::toned(format!("{}*", self.generation), Tone::Good),
                false => self.generation.into(),
            },
            Cell::from(&self.source),
            Cell::maybe(self.time.map(lb_api::wire::Timestamp::to_second)),
            Cell::maybe(self.author.as_ref()),
            action(self).into(),
            summary,
            Cell::maybe(self.comment.as_ref()),
            (if self.current { "yes" } else { "no" }).into(),
        ]
    }

    fn key(&self) -> String {
        self.generation.to_string()
    }
}

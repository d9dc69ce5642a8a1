//! `loxictl diff`: what `apply` would change.

use std::collections::BTreeMap;

use clap::Args;
use lb_api::wire::Service;
use lb_core::intent::Source;

use crate::diff::diff;
use crate::document::Files;
use crate::failure::{Failure, Result};
use crate::output::{Format, yaml};
use crate::session::Session;

/// Show what apply would change; exit code 8 if anything
#[derive(Args, Debug)]
#[command(after_help = "\
Exit code 0: nothing differs; 8: something does. Defaults are written out on both sides, so
that a default that is said and one that isn't are the same.

Examples:
  loxictl diff -f lb.yaml
  loxictl diff -f lb.yaml -o json            the changes, as the API has them
  loxictl diff -f lb.yaml && echo unchanged")]
pub struct Diff {
    #[command(flatten)]
    files: Files,

    /// The document to compare with
    #[arg(long, value_name = "NAME", default_value = "api")]
    source: Source,
}

impl Diff {
    pub async fn run(self, session: &Session) -> Result<()> {
        let document = self.files.read()?;
        let applied = session.diff(&self.source, &document).await?;
        if session.output.format == Format::Json || session.output.format == Format::Yaml {
            session.output.value(&applied)?;
        }
        if applied.changes.is_empty() {
            return Ok(());
        }
        match session.output.format {
            Format::Json | Format::Yaml => {}
            Format::Name => {
                let keys: String = applied
                    .changes
                    .iter()
                    .map(|change| format!("{}\n", change.service))
                    .collect();
                session.output.text(&keys)?;
            }
            Format::Table | Format::Wide => {
                let (mut old, mut new) = (BTreeMap::new(), BTreeMap::new());
                for change in &applied.changes {
                    insert(&mut old, &change.service, change.old.as_ref());
                    insert(&mut new, &change.service, change.new.as_ref());
                }
                let head = format!(
                    "--- document {} (generation {})\n+++ files\n",
                    self.source, applied.generation
                );
                session.output.text(&coloured(
                    &(head + &diff(&old, &new)),
                    session.output.colour,
                ))?;
            }
        }
        Err(Failure::different())
    }
}

pub fn insert(side: &mut BTreeMap<String, String>, key: &str, service: Option<&Service>) {
    if let Some(service) = service {
        side.insert(key.to_owned(), yaml(service));
    }
}

/// Minus red, plus green, hunks cyan.
pub fn coloured(text: &str, colour: bool) -> String {
    if !colour {
        return text.to_owned();
    }
    let paint = |line: &str| match line.as_bytes().first() {
        Some(b'-') => format!("\x1b[31m{line}\x1b[0m\n"),
        Some(b'+') => format!("\x1b[32m{line}\x1b[0m\n"),
        Some(b'@') => format!("\x1b[36m{line}\x1b[0m\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(paint).collect()
}

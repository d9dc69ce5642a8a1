//! `loxictl apply`: a document becomes what the files say.

use std::time::Duration;

use clap::Args;

use lb_api::control::{Generation, Terms};
use lb_api::wire::{Comment, parse_span};
use lb_core::intent::Source;

use crate::document::Files;
use crate::failure::Result;
use crate::report;
use crate::session::{ChangeOptions, Precondition, Session};

#[cfg(test)]
mod tests;

/// Make a document what the files say: atomically, all of it or nothing
#[derive(Args, Debug)]
#[command(after_help = "\
A document is everything one source wants, and apply replaces it whole: a service that the
files don't have is removed. Look first with `loxictl diff -f FILE`.

With --confirm the change reverts by itself unless `loxictl confirm` comes within the time,
also if loxid is restarted meanwhile: for changes that may cut you off.

Examples:
  loxictl apply -f lb.yaml
  loxictl apply -f lb.yaml --confirm 60s --comment new-pool
  loxictl confirm                            it works: keep it
  loxictl apply -f /etc/loxid/services/      every *.yaml, *.yml and *.json there, as one document
  loxictl apply -f lb.yaml --source web      next to the document `api`, not instead of it
  loxictl apply -f lb.yaml --dry-run         validate, and say what would change
  generate | loxictl apply -f - --if-match 7   only if it is still generation 7

A document:
  services:
    - vip: 20.20.20.1
      port: 2020
      protocol: tcp
      mode: dnat            # dnat (default), onearm, fullnat
      select: maglev        # maglev (default), rr
      backends:
        - { address: 31.31.31.1, port: 8080, weight: 1 }")]
pub struct Apply {
    #[command(flatten)]
    files: Files,

    /// The document to replace
    #[arg(long, value_name = "NAME", default_value = "api")]
    source: Source,

    /// Say what would change, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Only if the document is of this generation (0: only if there is none), else exit code 4
    #[arg(long, value_name = "GENERATION")]
    if_match: Option<u64>,

    #[command(flatten)]
    how: How,
}

/// How a change is remembered, and whether it stays.
#[derive(Args, Clone, Debug, Default)]
pub struct How {
    /// Revert by itself unless `loxictl confirm` comes within this time: 90, 60s, 5m, 1h
    #[arg(long, value_name = "TIME", value_parser = span)]
    confirm: Option<Duration>,

    /// What `loxictl history` says of the change: one line
    #[arg(long, value_name = "TEXT", value_parser = comment)]
    comment: Option<Comment>,
}

impl How {
    pub fn terms(self) -> Terms {
        Terms {
            comment: self.comment,
            confirm: self.confirm,
        }
    }
}

fn span(text: &str) -> std::result::Result<Duration, String> {
    let span = parse_span(text).ok_or_else(|| {
        format!("`{text}` is no time: whole seconds, minutes or hours, such as 60s, 5m or 1h")
    })?;
    let seconds = span.as_secs().to_string();
    lb_api::wire::confirm_span("--confirm", &seconds).map_err(|problem| problem.to_string())
}

fn comment(text: &str) -> std::result::Result<Comment, String> {
    Comment::new("--comment", text).map_err(|problem| problem.to_string())
}

/// `--if-match` as the API has it.
pub fn precondition(if_match: Option<u64>) -> Precondition {
    match if_match {
        None => Precondition::None,
        Some(0) => Precondition::Absent,
        Some(generation) => Precondition::Generation(vec![Generation(generation)]),
    }
}

impl Apply {
    pub async fn run(self, session: &Session) -> Result<()> {
        let document = self.files.read()?;
        // A trial without precondition is a diff, which whoever may look may ask for.
        let applied = match (self.if_match, self.dry_run) {
            (None, true) => session.diff(&self.source, &document).await?,
            (if_match, dry_run) => {
                let options = ChangeOptions {
                    precondition: precondition(if_match),
                    dry_run,
                    terms: self.how.terms(),
                };
                session.put(&self.source, &document, &options).await?
            }
        };
        report::applied(session, &applied)
    }
}

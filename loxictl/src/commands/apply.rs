//! `loxictl apply`: a document becomes what the files say.

use clap::Args;

use lb_core::intent::Source;

use crate::document::Files;
use crate::failure::Result;
use crate::report;
use crate::session::{Precondition, Session};
use lb_api::control::Generation;

/// Make a document what the files say: atomically, all of it or nothing
#[derive(Args, Debug)]
#[command(after_help = "\
A document is everything one source wants, and apply replaces it whole: a service that the
files don't have is removed. Look first with `loxictl diff -f FILE`.

Examples:
  loxictl apply -f lb.yaml
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
}

impl Apply {
    pub async fn run(self, session: &Session) -> Result<()> {
        let document = self.files.read()?;
        let precondition = match self.if_match {
            None => Precondition::None,
            Some(0) => Precondition::Absent,
            Some(generation) => Precondition::Generation(vec![Generation(generation)]),
        };
        // A trial without precondition is a diff, which whoever may look may ask for.
        let applied = match (&precondition, self.dry_run) {
            (Precondition::None, true) => session.diff(&self.source, &document).await?,
            _ => {
                session
                    .put_document(&self.source, &document, precondition, self.dry_run)
                    .await?
            }
        };
        report::applied(session, &applied)
    }
}

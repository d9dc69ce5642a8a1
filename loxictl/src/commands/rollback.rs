//! `loxictl rollback`: an earlier generation is the document again.

use clap::Args;

use crate::commands::apply::{How, precondition};
use crate::failure::Result;
use crate::report;
use crate::session::{ChangeOptions, Session};

/// Make an earlier generation the document again
#[derive(Args, Debug)]
#[command(after_help = "\
The generation's contents become a new generation of its document, so that a rollback can be
rolled back. The last 20 generations of each document are kept. A generation that is not kept
any more: exit code 3.

Examples:
  loxictl rollback 12
  loxictl rollback 12 --dry-run              say what would change
  loxictl rollback 12 --confirm 60s --comment web-was-slow
  loxictl rollback 12 --if-match 14          only if the document is still generation 14")]
pub struct Rollback {
    /// As `loxictl history` has it
    #[arg(value_name = "GENERATION")]
    generation: u64,

    /// Say what would change, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Only if the document is of this generation (0: only if there is none), else exit code 4
    #[arg(long, value_name = "GENERATION")]
    if_match: Option<u64>,

    #[command(flatten)]
    how: How,
}

impl Rollback {
    pub async fn run(self, session: &Session) -> Result<()> {
        let options = ChangeOptions {
            precondition: precondition(self.if_match),
            dry_run: self.dry_run,
            terms: self.how.terms(),
        };
        let applied = session.rollback(self.generation, &options).await?;
        report::applied(session, &applied)
    }
}

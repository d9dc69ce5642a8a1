//! `loxictl confirm`: the change that waits stays, or is taken back.

use clap::Args;

use crate::failure::Result;
use crate::output::Format;
use crate::report;
use crate::session::Session;

/// Keep the change that was applied with --confirm, or take it back
#[derive(Args, Debug)]
#[command(after_help = "\
One change waits at a time; `loxictl status` shows it and when it reverts. Nothing waits: exit
code 4.

Examples:
  loxictl confirm
  loxictl confirm --generation 12            only if that is what waits
  loxictl confirm --cancel                   revert now, without waiting")]
pub struct Confirm {
    /// Take it back now
    #[arg(long, visible_alias = "revert")]
    cancel: bool,

    /// Only if this generation is what waits, else exit code 4
    #[arg(long, value_name = "GENERATION")]
    generation: Option<u64>,
}

impl Confirm {
    pub async fn run(self, session: &Session) -> Result<()> {
        if self.cancel {
            let applied = session.revert(self.generation).await?;
            return report::applied(session, &applied);
        }
        let confirmed = session.confirm(self.generation).await?;
        eprintln!(
            "document {}: generation {} is confirmed",
            confirmed.source, confirmed.generation
        );
        match session.output.format {
            Format::Table | Format::Wide => Ok(()),
            Format::Name => session.output.text(&format!("{}\n", confirmed.generation)),
            Format::Json | Format::Yaml => session.output.value(&confirmed),
        }
    }
}

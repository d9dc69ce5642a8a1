//! `loxictl export`: a document as `apply` takes it.

use clap::Args;

use lb_core::intent::Source;

use crate::failure::{Failure, Result};
use crate::output::{Format, serialized};
use crate::session::Session;

/// Print a document as apply takes it
#[derive(Args, Debug)]
#[command(after_help = "\
Prints YAML, or JSON with -o json.

Examples:
  loxictl export > lb.yaml                   and back: loxictl apply -f lb.yaml
  loxictl export --source file               what the configuration file has
  loxictl get documents                      which documents there are")]
pub struct Export {
    /// The document to print
    #[arg(long, value_name = "NAME", default_value = "api")]
    source: Source,
}

impl Export {
    pub async fn run(self, session: &Session) -> Result<()> {
        let Some((document, _)) = session.document(&self.source).await? else {
            return Err(no_document(&self.source));
        };
        let format = match session.output.format {
            Format::Json => Format::Json,
            _ => Format::Yaml,
        };
        session.output.text(&serialized(&document, format)?)
    }
}

/// Nobody made it yet.
pub fn no_document(source: &Source) -> Failure {
    Failure::not_found(format!("there is no document `{source}`"))
        .remedy("`loxictl get documents` lists them; apply or create makes one")
}

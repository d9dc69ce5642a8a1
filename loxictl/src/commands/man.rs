//! `loxictl man`: manual pages, one for each command.

use std::path::PathBuf;

use clap::{Args, CommandFactory};

use crate::cli::Cli;
use crate::failure::{Failure, Result};

/// Write the manual pages (loxictl.1 and one for each command) into a directory
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  loxictl man /usr/local/share/man/man1 && man loxictl")]
pub struct Man {
    /// A directory; it is made if missing
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

impl Man {
    pub fn run(self) -> Result<()> {
        let failed = |error| Failure::runtime(format!("{}: {error}", self.directory.display()));
        std::fs::create_dir_all(&self.directory).map_err(failed)?;
        clap_mangen::generate_to(
            Cli::command().disable_help_subcommand(true),
            &self.directory,
        )
        .map_err(failed)
    }
}

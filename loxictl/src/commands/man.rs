//! `loxictl man`: manual pages, one for each command.

use std::path::{Path, PathBuf};

use clap::builder::Resettable;
use clap::{Args, CommandFactory};

use crate::cli::Cli;
use crate::failure::{Failure, Result};

#[cfg(test)]
mod tests;

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
        let mut command = Cli::command().disable_help_subcommand(true);
        command.build();
        write_pages(command, &self.directory).map_err(failed)
    }
}

fn write_pages(command: clap::Command, directory: &Path) -> std::io::Result<()> {
    for subcommand in command.get_subcommands() {
        write_pages(subcommand.clone(), directory)?;
    }
    // What stands after the options is laid out by hand: the page must not fill its lines.
    let notes = command.get_after_help().map(ToString::to_string);
    let man = clap_mangen::Man::new(command.after_help(Resettable::Reset));
    let mut page = Vec::new();
    man.render(&mut page)?;
    page.extend(
        notes
            .as_deref()
            .map(as_it_is)
            .unwrap_or_default()
            .into_bytes(),
    );
    std::fs::write(directory.join(man.get_filename()), page)
}

/// A section in roff whose lines stay as they are (groff_man(7)).
fn as_it_is(text: &str) -> String {
    let line = |line: &str| {
        let escaped = line.replace('\\', "\\e").replace('-', "\\-");
        match escaped.starts_with(['.', '\'']) {
            true => format!("\\&{escaped}\n"),
            false => escaped + "\n",
        }
    };
    let lines: String = text.lines().map(line).collect();
    format!(".SH NOTES\n.nf\n{lines}.fi\n")
}

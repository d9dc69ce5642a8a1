//! `loxictl completion`: what a shell needs to complete our words.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::failure::{Failure, Result};
use crate::session::Session;

/// Print the completion script of a shell
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  loxictl completion bash > /etc/bash_completion.d/loxictl
  loxictl completion zsh > \"${fpath[1]}/_loxictl\"
  loxictl completion fish > ~/.config/fish/completions/loxictl.fish
  source <(loxictl completion bash)          for this shell only")]
pub struct Completion {
    /// bash, zsh or fish
    #[arg(value_parser = ["bash", "zsh", "fish"])]
    shell: String,
}

impl Completion {
    pub fn run(self, session: &Session) -> Result<()> {
        let shell = match self.shell.as_str() {
            "zsh" => Shell::Zsh,
            "fish" => Shell::Fish,
            _ => Shell::Bash,
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "loxictl", &mut script);
        let script = String::from_utf8(script)
            .map_err(|error| Failure::runtime(format!("the script: {error}")))?;
        session.output.text(&script)
    }
}

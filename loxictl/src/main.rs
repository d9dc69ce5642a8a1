//! `loxictl`: the command line of loxid. Data goes to stdout, talk to stderr.
#![forbid(unsafe_code)]

mod cli;
mod commands;
mod contexts;
mod diff;
mod document;
mod edit;
mod failure;
mod listing;
mod output;
mod place;
mod report;
mod session;
mod table;
mod watch;
mod words;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::failure::{Failure, Result};
use crate::session::Session;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if failure.has_message() {
                eprintln!("error: {failure}");
            }
            failure.exit_code()
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::runtime(format!("starting: {error}")))?;
    runtime.block_on(dispatch(cli))
}

async fn dispatch(cli: Cli) -> Result<()> {
    let session = match &cli.command {
        Command::Completion(_) | Command::Man(_) | Command::Context(_) => {
            Session::offline(&cli.global)
        }
        _ => Session::new(&cli.global)?,
    };
    match cli.command {
        Command::Apply(apply) => apply.run(&session).await,
        Command::Diff(diff) => diff.run(&session).await,
        Command::Export(export) => export.run(&session).await,
        Command::Confirm(confirm) => confirm.run(&session).await,
        Command::History(history) => history.run(&session).await,
        Command::Rollback(rollback) => rollback.run(&session).await,
        Command::Create(create) => create.run(&session).await,
        Command::Delete(delete) => delete.run(&session).await,
        Command::Get(get) => get.run(&session).await,
        Command::Describe(describe) => describe.run(&session).await,
        Command::Drain(drain) => drain.run(&session).await,
        Command::Enable(enable) => enable.run(&session).await,
        Command::Disable(disable) => disable.run(&session).await,
        Command::Status(status) => status.run(&session).await,
        Command::Events(events) => events.run(&session).await,
        Command::Drops(drops) => drops.run(&session).await,
        Command::Doctor(doctor) => doctor.run(&session).await,
        Command::Bundle(bundle) => bundle.run(&session).await,
        Command::Attach(attach) => attach.run(&session).await,
        Command::Detach(detach) => detach.run(&session).await,
        Command::Test(test) => test.run(&session).await,
        Command::Token(token) => token.run(&session).await,
        Command::Context(context) => context.run(&cli.global),
        Command::Completion(completion) => completion.run(&session),
        Command::Man(man) => man.run(),
    }
}

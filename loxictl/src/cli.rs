//! The words of the command line. Each command's own words stand beside what it does.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::builder::TypedValueParser;
use clap::builder::styling::{AnsiColor, Styles};
use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use crate::commands::{
    apply, attach, bundle, completion, confirm, context, create, delete, describe, detach, diff,
    disable, doctor, drain, drops, enable, events, export, get, history, man, rollback, status,
    test, token,
};
use crate::output::Format;
use lb_api::client::{CredentialFiles, Target};

#[cfg(test)]
mod tests;

/// Where loxid listens unless somebody says otherwise.
pub const DEFAULT_SERVER: &str = "unix:///run/loxid/loxid.sock";

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Yellow.on_default().bold())
    .usage(AnsiColor::Yellow.on_default().bold())
    .literal(AnsiColor::Green.on_default())
    .placeholder(AnsiColor::Cyan.on_default());

const EXAMPLES: &str = "\
Examples:
  loxictl attach eth0                        balance what arrives on eth0
  loxictl create lb 20.20.20.1 --tcp=2020:8080 --endpoints=31.31.31.1:1,32.32.32.1:1
  loxictl status                             does it forward, and if not, why?
  loxictl test 20.20.20.1:2020               make a real connection through it
  loxictl create lb 2001:db8::80 --port=80 --endpoints='[2001:db8:1::1]:8080'
  loxictl get ep                             backends and their counters
  loxictl describe ep 31.31.31.1:8080        what its health checks said
  loxictl drain ep 31.31.31.1:8080 --wait    no new connections, until none is left
  loxictl export > lb.yaml                   everything as one document ...
  loxictl apply -f lb.yaml                   ... which can be edited and applied

Exit codes:
  0 done   1 failed   2 wrong usage or document   3 not found   4 conflict
  6 loxid unreachable   8 diff is not empty";

/// Drive loxid, the layer-4 load balancer
#[derive(Parser, Debug)]
#[command(
    name = "loxictl",
    version,
    styles = STYLES,
    after_help = EXAMPLES,
    max_term_width = 100,
    arg_required_else_help = true,
    disable_help_subcommand = true,
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Where loxid listens: unix:///PATH, https://HOST:PORT or http://HOST:PORT [default: the
    /// current context's, else unix:///run/loxid/loxid.sock]
    #[arg(long, global = true, value_name = "URL", env = "LOXID_SERVER", value_parser = ServerParser)]
    pub server: Option<Target>,

    /// The appliance of this name (see `loxictl context`); it goes before --server
    #[arg(long, global = true, value_name = "NAME", env = "LOXID_CONTEXT")]
    pub context: Option<String>,

    #[command(flatten)]
    pub credentials: Credentials,

    /// How to print data: table, wide (more columns), json, yaml or name (only the keys)
    #[arg(
        short,
        long,
        global = true,
        value_name = "FORMAT",
        default_value = "table"
    )]
    #[arg(hide_possible_values = true)]
    pub output: Format,

    /// No colour, also on a terminal (as a non-empty NO_COLOR)
    #[arg(long, global = true)]
    pub no_color: bool,
}

/// clap would repeat a value that is none, and with it a password in it.
#[derive(Clone)]
struct ServerParser;

impl TypedValueParser for ServerParser {
    type Value = Target;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Target, clap::Error> {
        let parsed = value.to_string_lossy().parse::<Target>();
        parsed.map_err(|error| {
            let message = format!("--server: {error}\n");
            command.clone().error(ErrorKind::ValueValidation, message)
        })
    }
}

/// Secrets come from files: what is on a command line everybody can read.
#[derive(clap::Args, Debug)]
pub struct Credentials {
    /// A file with a token, which only you may read
    #[arg(long, global = true, value_name = "FILE", env = "LOXID_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,

    /// Certificates of CAs that may have signed the server's; the system's if not said
    #[arg(long, global = true, value_name = "FILE", env = "LOXID_CA_FILE")]
    pub ca_file: Option<PathBuf>,

    /// A certificate of your own, where the server asks for one
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub cert_file: Option<PathBuf>,

    /// Its key, which only you may read
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub key_file: Option<PathBuf>,
}

impl Credentials {
    pub fn files(&self) -> CredentialFiles {
        CredentialFiles {
            token_file: self.token_file.clone(),
            ca_file: self.ca_file.clone(),
            certificate_file: self.cert_file.clone(),
            key_file: self.key_file.clone(),
        }
    }
}

#[derive(Subcommand, Debug)]
pub enum Command {
    Apply(apply::Apply),
    Diff(diff::Diff),
    Export(export::Export),
    Confirm(confirm::Confirm),
    History(history::History),
    Rollback(rollback::Rollback),
    Create(create::Create),
    Delete(delete::Delete),
    Get(get::Get),
    Describe(describe::Describe),
    Drain(drain::Drain),
    Enable(enable::Enable),
    Disable(disable::Disable),
    Status(status::Status),
    Events(events::Events),
    Drops(drops::Drops),
    Doctor(doctor::Doctor),
    Bundle(bundle::Bundle),
    Attach(attach::Attach),
    Detach(detach::Detach),
    Test(test::Test),
    Token(token::Token),
    Context(context::Context),
    Completion(completion::Completion),
    Man(man::Man),
}

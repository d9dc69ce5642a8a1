//! The words of the command line. Each command's own words stand beside what it does.

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Parser, Subcommand};

use crate::commands::{
    apply, attach, completion, create, delete, detach, diff, export, get, man, status, test,
};
use crate::output::Format;
use lb_api::client::Target;

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
    /// Where loxid listens: unix:///PATH or http://HOST:PORT
    #[arg(long, global = true, value_name = "URL", env = "LOXID_SERVER", default_value = DEFAULT_SERVER)]
    pub server: Target,

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

#[derive(Subcommand, Debug)]
pub enum Command {
    Apply(apply::Apply),
    Diff(diff::Diff),
    Export(export::Export),
    Create(create::Create),
    Delete(delete::Delete),
    Get(get::Get),
    Status(status::Status),
    Attach(attach::Attach),
    Detach(detach::Detach),
    Test(test::Test),
    Completion(completion::Completion),
    Man(man::Man),
}

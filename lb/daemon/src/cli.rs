//! The command line of `loxid`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Where the configuration is read from when the command line does not say. It may be absent there.
pub const DEFAULT_CONFIG: &str = "/etc/loxid/loxid.yaml";

/// loxid, an external layer-4 load balancer on XDP.
///
/// Stopping loxid keeps packets forwarded: program, tables and connections are pinned. What it is
/// told is said by loxictl, by REST, or by the services of its configuration file.
#[derive(Debug, Parser)]
#[command(name = "loxid", version, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(flatten)]
    pub options: Options,
    #[command(subcommand)]
    pub command: Option<Command>,
}

const EXIT_CODES: &str = "Exit codes: 0 stopped on request, 1 runtime error, 2 configuration or usage, \
3 another loxid (or worker) of the same instance runs.\n\
Signals: HUP reads the configuration again; TERM and INT stop loxid, and forwarding goes on.";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the configuration, and print what is wrong with line and column.
    Check,
    /// Forward what AF_XDP interfaces receive, in a process of its own (the daemon starts it
    /// unless told otherwise).
    Worker {
        /// Take the queues over, one by one, from the worker that serves them; that one ends.
        #[arg(long)]
        replace: bool,
    },
}

/// What the command line may say instead of the configuration.
#[derive(Debug, Default, Clone, Args)]
pub struct Options {
    /// Configuration file [default: /etc/loxid/loxid.yaml, which may be absent].
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Name of this instance: its pins, lock and socket are apart from those of others.
    #[arg(long, global = true, value_name = "NAME")]
    pub instance: Option<String>,
    /// Directory of the stored documents.
    #[arg(long, global = true, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Where the BPF file system is mounted.
    #[arg(long, global = true, value_name = "DIR")]
    pub bpffs: Option<PathBuf>,
    /// Directory of the lock and of the API's socket.
    #[arg(long, global = true, value_name = "DIR")]
    pub run_dir: Option<PathBuf>,
}

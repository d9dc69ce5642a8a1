//! `loxid`: the shell around everything that is decided elsewhere.
//!
//! ```text
//!   main      command line, configuration, locks, plane, exit codes
//!     listen  the API's sockets (lb-api serves them)
//!     serve   the loop: one event at a time
//!       daemon      what an event does: store, apply, answer
//!         store     documents on disk
//!         reconcile the only writer of the plane
//!         state     the snapshot that the API reads
//!         metrics   the same for Prometheus
//!     worker  another process of the same program, which forwards in user space
//! ```
#![forbid(unsafe_code)]

mod announce;
mod cli;
mod clock;
mod config;
mod confirm;
mod daemon;
mod events;
mod failure;
mod health;
mod listen;
mod lock;
mod logging;
mod memlock;
mod metrics;
mod notify;
mod recent;
mod reconcile;
mod serve;
mod state;
mod store;
mod supervise;
#[cfg(test)]
mod testing;
mod worker;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use lb_api::server::Requests;
use lb_plane::netlink::Watcher;
use lb_plane::{KernelPlane, Note, OpenError, OpenOptions};
use sha2::{Digest, Sha256};

use cli::{Cli, Command, Options};
use config::Config;
use daemon::Daemon;
use events::Events;
use lock::LockError;
use store::Store;
use supervise::{How, Supervisor};

/// Why loxid ends, as its exit code.
enum Failure {
    Runtime(anyhow::Error),
    Configuration(String),
    /// Another loxid of the same instance runs.
    Running(String),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::Runtime(error.into())
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Some(Command::Check) => check(&cli.options),
        Some(Command::Worker { replace }) => worker::run(&cli.options, replace),
        None => run(cli.options),
    };
    let (code, message) = match result {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Runtime(error)) => (1, format!("{error:#}")),
        Err(Failure::Configuration(message)) => (2, message),
        Err(Failure::Running(message)) => (3, message),
    };
    eprintln!("{message}");
    ExitCode::from(code)
}

fn load(options: &Options) -> Result<Config, Failure> {
    Config::load(options).map_err(|error| Failure::Configuration(failure::line(&error)))
}

fn check(options: &Options) -> Result<(), Failure> {
    let config = load(options)?;
    for warning in &config.warnings {
        eprintln!("warning: {warning}");
    }
    match &config.file {
        Some(file) => println!("{}: good", file.display()),
        None => println!("{}: absent, the defaults are good", cli::DEFAULT_CONFIG),
    }
    Ok(())
}

#[tokio::main(worker_threads = 2)]
async fn run(options: Options) -> Result<(), Failure> {
    let config = load(&options)?;
    let level = logging::start(&config.log_level);
    let lock = lock::take(&config.state_dir);
    let _lock = lock.map_err(|error| match error {
        LockError::Held { .. } => Failure::Running(error.to_string()),
        LockError::Io { .. } => Failure::Runtime(error.into()),
    })?;
    listen::make_directory(&config.run_dir)?;
    let stored = Store::open(&config.state_dir)?;
    let tokens = &stored.1.tokens;
    let known = (!stored.1.tokens_damaged).then_some(tokens);
    listen::check(&config, known).map_err(Failure::Configuration)?;
    let (plane, mut notes) = open_plane(&config)?;
    let opened = listen::open(&config, tokens).await?;
    notes.extend(opened.warnings);
    for warning in config
        .warnings
        .iter()
        .chain(&stored.1.warnings)
        .chain(&notes)
    {
        tracing::warn!("{warning}");
    }
    let watcher = Watcher::new().context("cannot watch the network")?;
    let (handle, seat) = lb_api::control::channel();
    let requests = Arc::new(Requests::default());
    let router = lb_api::server::router(handle, requests.clone());
    let serve_api = || {
        tokio::spawn(lb_api::server::serve(
            opened.listeners,
            router,
            lb_api::server::Limits::default(),
            |connection| {
                tokio::spawn(connection);
            },
        ));
    };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        instance = config.instance,
        socket = %config.unix.path.display(),
        "loxid runs"
    );
    let supervisor = Supervisor::new(How::of(&options, &config));
    let events = Events::new(seat.events.clone());
    let mut daemon = Daemon::new(options, config, stored, plane, notes, requests, events);
    daemon.supervise_with(supervisor);
    let daemon = daemon.with_certificates(opened.certificates);
    tokio::spawn(health::run(daemon.monitor()));
    serve::run(daemon, watcher, seat, level, serve_api).await?;
    Ok(())
}

/// Notes that are worth a look as long as the daemon runs; the others are logged.
fn lasting(notes: &[Note]) -> Vec<String> {
    let (lasting, passing): (Vec<_>, Vec<_>) = notes.iter().partition(|note| {
        matches!(
            note,
            Note::LimitKept { .. } | Note::SecretKept | Note::OtherAbi { .. }
        )
    });
    for note in passing {
        tracing::info!("{note}");
    }
    lasting.iter().map(ToString::to_string).collect()
}

/// Programs that the kernel refuses, though the other one will do. Its words are for the log.
fn refused(plane: &KernelPlane) -> Vec<String> {
    let refused = [
        (
            plane.forwarder(),
            "the kernel refuses the forwarding program, as the log says: interfaces are forwarded by the worker, over AF_XDP",
        ),
        (
            plane.redirector(),
            "the kernel refuses the program that gives packets to the worker, as the log says: there is no datapath afxdp",
        ),
    ];
    let said = refused.into_iter().filter_map(|(loaded, message)| {
        let log = loaded.err()?;
        tracing::error!("{message}; the kernel says:\n{log}");
        Some(message.to_owned())
    });
    said.collect()
}

/// The plane, or why there is none though loxid should run: the kernel rejected the program, and
/// the one before keeps forwarding.
fn open_plane(config: &Config) -> Result<(Result<KernelPlane, String>, Vec<String>), Failure> {
    let options = OpenOptions {
        instance: config.instance.clone(),
        bpffs: config.bpffs.clone(),
        run_dir: config.run_dir.clone(),
        limits: config.limits.for_plane(),
        source_ports: config.source_ports.first()..=config.source_ports.last(),
        tunnel_sources: config.tunnel_sources,
        hash_secret: config
            .hash_secret
            .as_ref()
            .map(|secret| Sha256::digest(secret).into()),
        ..OpenOptions::default()
    };
    match KernelPlane::open(&options) {
        Ok((plane, notes)) => {
            let mut notes = lasting(&notes);
            notes.extend(refused(&plane));
            Ok((Ok(plane), notes))
        }
        Err(error @ OpenError::AlreadyRunning { .. }) => Err(Failure::Running(error.to_string())),
        Err(
            error @ (OpenError::Instance(_)
            | OpenError::Limit(_)
            | OpenError::TunnelSource(_)
            | OpenError::SourcePorts { .. }),
        ) => Err(Failure::Configuration(failure::line(&error))),
        Err(error @ OpenError::Rejected { .. }) => {
            tracing::error!("{error}");
            let message = "the kernel rejects the program, as the log says: what was attached keeps forwarding as it was";
            Ok((Err(message.to_owned()), Vec::new()))
        }
        Err(error) => Err(Failure::Runtime(
            anyhow::Error::new(error).context("cannot open the data plane"),
        )),
    }
}

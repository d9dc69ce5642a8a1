//! `loxictl drain`: a backend keeps its connections and takes no other.

use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use lb_api::client::ConnectionsRequest;
use lb_api::wire::{ConnectionState, OperatorState, parse_span};
use lb_core::service::ServiceKey;

use crate::commands::enable::{said, set};
use crate::failure::{Failure, Kind, Result};
use crate::place::Place;
use crate::session::Session;

/// How often what remains is counted.
const INTERVAL: Duration = Duration::from_secs(1);

/// Take a backend out of service without cutting its connections
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  loxictl drain ep 31.31.31.1:8080                  in all services that lead to it
  loxictl drain ep web/31.31.31.1:8080              in the service named web only
  loxictl drain ep 20.20.20.1:2020/tcp/31.31.31.1:8080 --wait --timeout 10m
  loxictl enable ep 31.31.31.1:8080                 ... and back")]
pub struct Drain {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    Ep(DrainEp),
}

/// Drain a backend: it keeps its connections and takes no other
#[derive(Args, Debug)]
#[command(visible_aliases = ["endpoint", "backend"])]
#[command(after_help = "\
It stays drained until `loxictl enable ep`, whatever documents say: also when they are applied
again, and when loxid or the box starts again. Without SERVICE that is so in all services,
those to come included.

Exit codes: 0 drained (with --wait: no connection is left), 1 connections are left after the
timeout (it stays drained), 3 there is no such backend.

Examples:
  loxictl drain ep 31.31.31.1:8080
  loxictl drain ep web/31.31.31.1:8080 --wait --timeout 10m")]
struct DrainEp {
    /// The backend, as `loxictl get ep` shows it; with a service's key or name before a slash: in
    /// that one only
    #[arg(value_name = "[SERVICE/]IP:PORT")]
    place: Place,

    /// Wait until it has no connection left, and say meanwhile how many it has
    #[arg(long)]
    wait: bool,

    /// With --wait: give up after this time (90, 90s, 10m, 1h); it stays drained
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = span, requires = "wait")]
    timeout: Duration,
}

fn span(text: &str) -> std::result::Result<Duration, String> {
    parse_span(text).ok_or_else(|| format!("`{text}` is no time such as 90, 90s, 10m or 1h"))
}

impl Drain {
    pub async fn run(self, session: &Session) -> Result<()> {
        let What::Ep(drain) = self.what;
        let key = drain.place.key(session).await?;
        let set = set(session, key, &drain.place, OperatorState::Drained).await?;
        said(session, &drain.place, &set, "drained")?;
        if drain.wait {
            drain.until_empty(session, key).await?;
        }
        Ok(())
    }
}

impl DrainEp {
    async fn until_empty(&self, session: &Session, key: Option<ServiceKey>) -> Result<()> {
        let begun = Instant::now();
        let mut told = None;
        loop {
            let left = self.left(session, key).await?;
            if left == 0 {
                eprintln!("{}: no connection is left", self.place.endpoint);
                return Ok(());
            }
            if told != Some(left) {
                eprintln!("{}: connections left: {left}", self.place.endpoint);
                told = Some(left);
            }
            if begun.elapsed() >= self.timeout {
                let message = format!(
                    "{} is not empty after {} s, connections left: {left}; it stays drained",
                    self.place.endpoint,
                    self.timeout.as_secs()
                );
                return Err(Failure::new(Kind::Runtime, message).remedy(
                    "wait longer (--timeout), stop the server all the same, or `loxictl enable ep`",
                ));
            }
            tokio::time::sleep(INTERVAL.min(self.timeout)).await;
        }
    }

    /// Connections that live. Those of one service are looked for one by one, since a backend's
    /// counters are of all services that lead to it.
    async fn left(&self, session: &Session, key: Option<ServiceKey>) -> Result<u64> {
        let Some(key) = key else {
            let backends = session.describe_backend(None, &self.place.endpoint).await?;
            // Of a protocol's services all have the same count.
            let counts = backends.iter().map(|one| {
                let protocol = one.service.rsplit('/').next().unwrap_or_default();
                (protocol, one.backend.traffic.active_connections)
            });
            let by_protocol: std::collections::BTreeMap<_, _> = counts.collect();
            return Ok(by_protocol.values().sum());
        };
        let mut request = ConnectionsRequest {
            service: Some(key.to_string()),
            backend: Some(self.place.endpoint.to_string()),
            limit: Some(1000),
            ..ConnectionsRequest::default()
        };
        let mut left = 0;
        loop {
            let page = session.connections(&request).await?;
            let lives = |state| !matches!(state, ConnectionState::Closed | ConnectionState::Reset);
            left += page.items.iter().filter(|one| lives(one.state)).count() as u64;
            match page.next {
                None => return Ok(left),
                next => request.cursor = next,
            }
        }
    }
}

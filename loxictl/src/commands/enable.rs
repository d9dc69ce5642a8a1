//! `loxictl enable`: what was drained or disabled by hand takes connections again.

use clap::{Args, Subcommand};
use lb_api::wire::{OperatorState, ServiceBackend};
use lb_core::service::ServiceKey;

use crate::failure::Result;
use crate::output::Format;
use crate::place::Place;
use crate::session::Session;

/// Put a drained or disabled backend back into service
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  loxictl enable ep 31.31.31.1:8080                 in all services
  loxictl enable ep web/31.31.31.1:8080             in one, though it stays drained in the others")]
pub struct Enable {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    Ep(EnableEp),
}

/// Enable a backend: documents and checks decide about it again
#[derive(Args, Debug)]
#[command(visible_aliases = ["endpoint", "backend"])]
#[command(after_help = "\
Examples:
  loxictl enable ep 31.31.31.1:8080
  loxictl enable ep 20.20.20.1:2020/tcp/31.31.31.1:8080")]
struct EnableEp {
    /// The backend, as `loxictl get ep` shows it; with a service's key or name before a slash: in
    /// that one only
    #[arg(value_name = "[SERVICE/]IP:PORT")]
    place: Place,
}

impl Enable {
    pub async fn run(self, session: &Session) -> Result<()> {
        let What::Ep(EnableEp { place }) = self.what;
        let key = place.key(session).await?;
        let set = set(session, key, &place, OperatorState::Enabled).await?;
        said(session, &place, &set, "enabled")
    }
}

pub async fn set(
    session: &Session,
    key: Option<ServiceKey>,
    place: &Place,
    state: OperatorState,
) -> Result<Vec<ServiceBackend>> {
    session
        .set_operator_state(key.as_ref(), &place.endpoint, state)
        .await
}

/// What was done, for people on stderr; for programs the backends.
pub fn said(session: &Session, place: &Place, set: &[ServiceBackend], what: &str) -> Result<()> {
    if matches!(session.output.format, Format::Json | Format::Yaml) {
        return session.output.value(&set);
    }
    let services: Vec<&str> = set.iter().map(|backend| backend.service.as_str()).collect();
    match services.as_slice() {
        [] => eprintln!("{}: {what}; no service leads to it", place.endpoint),
        some => eprintln!("{}: {what} in {}", place.endpoint, some.join(", ")),
    }
    Ok(())
}

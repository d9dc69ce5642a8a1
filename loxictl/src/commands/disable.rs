//! `loxictl disable`: a backend is down, whatever its check says.

use clap::{Args, Subcommand};
use lb_api::wire::OperatorState;

use crate::commands::enable::{said, set};
use crate::failure::Result;
use crate::place::Place;
use crate::session::Session;

/// Force a backend down
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  loxictl disable ep 31.31.31.1:8080                in all services
  loxictl disable ep web/31.31.31.1:8080            in one
  loxictl enable ep 31.31.31.1:8080                 ... and back")]
pub struct Disable {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    Ep(DisableEp),
}

/// Disable a backend: it is down, whatever its check says
#[derive(Args, Debug)]
#[command(visible_aliases = ["endpoint", "backend"])]
#[command(after_help = "\
It takes no new connection and keeps those it has. It stays disabled until `loxictl enable ep`,
also when documents are applied again, and when loxid or the box starts again.

Examples:
  loxictl disable ep 31.31.31.1:8080
  loxictl disable ep web/31.31.31.1:8080")]
struct DisableEp {
    /// The backend, as `loxictl get ep` shows it; with a service's key or name before a slash: in
    /// that one only
    #[arg(value_name = "[SERVICE/]IP:PORT")]
    place: Place,
}

impl Disable {
    pub async fn run(self, session: &Session) -> Result<()> {
        let What::Ep(DisableEp { place }) = self.what;
        let key = place.key(session).await?;
        let set = set(session, key, &place, OperatorState::Disabled).await?;
        said(session, &place, &set, "disabled")
    }
}

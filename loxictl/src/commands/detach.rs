//! `loxictl detach`: what really stops forwarding.

use clap::Args;

use crate::failure::{Failure, Result};
use crate::session::Session;

/// STOP forwarding on an interface (stopping loxid doesn't)
#[derive(Args, Debug)]
#[command(after_help = "\
THIS IS WHAT STOPS FORWARDING. Stopping, killing or upgrading loxid does not: the program
stays attached, and connections go on. Detaching takes the program off the interface at
once: packets for services that arrive there then go to the box's own stack, and the
connections over it break. Services and documents stay as they are; attach again and they
are forwarded again.

Examples:
  loxictl detach eth0
  loxictl detach --all                       every attached interface: the box balances nothing")]
pub struct Detach {
    /// Its name
    #[arg(
        value_name = "INTERFACE",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    interface: Option<String>,

    /// Every attached interface
    #[arg(long)]
    all: bool,
}

impl Detach {
    pub async fn run(self, session: &Session) -> Result<()> {
        let names = match self.interface {
            Some(name) => vec![name],
            None => attached(session).await?,
        };
        if names.is_empty() {
            eprintln!("nothing is attached");
        }
        let mut failed = None;
        for name in &names {
            match session.detach(name).await {
                Ok(()) => eprintln!("{name} detached: what arrives there is not balanced"),
                Err(failure) if names.len() == 1 => return Err(failure),
                Err(failure) => {
                    eprintln!("{name}: {failure}");
                    failed = Some(failure.kind);
                }
            }
        }
        match failed {
            Some(kind) => Err(Failure::new(kind, "not every interface could be detached")),
            None => Ok(()),
        }
    }
}

/// What is attached, and what was and has vanished.
async fn attached(session: &Session) -> Result<Vec<String>> {
    let interfaces = session.interfaces().await?;
    let held = interfaces
        .into_iter()
        .filter(|interface| interface.attached || interface.slot.is_some());
    Ok(held.map(|interface| interface.name).collect())
}

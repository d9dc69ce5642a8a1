//! `loxictl delete`: services, by file or in loxicmd's words.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use lb_api::wire::{Document, Protocol, Service};
use lb_core::intent::Source;
use lb_core::service::Ports;

use crate::document::{Files, key};
use crate::edit::edit;
use crate::failure::{Failure, Kind, Result};
use crate::report;
use crate::session::Session;
use crate::words;

/// Delete services: those that files name, or by address and port
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
All of them are deleted, or none. With -f what counts is vip, ports and protocol; the rest of
a service may differ. Their connections end; other services aren't touched.

Examples:
  loxictl delete lb 20.20.20.1 --tcp=2020
  loxictl delete lb 20.20.20.1 --tcp=80,443 --udp=53
  loxictl delete lb --name=web
  loxictl delete -f lb.yaml --ignore-not-found"
)]
pub struct Delete {
    #[command(subcommand)]
    what: Option<What>,

    /// A file, a directory, or - for standard input, with the services to delete
    #[arg(short, long = "file", value_name = "FILE|DIR|-", required = true)]
    files: Vec<PathBuf>,

    #[command(flatten)]
    how: How,
}

#[derive(Subcommand, Debug)]
enum What {
    Lb(DeleteLb),
}

/// Delete load-balanced services by address and port, or by name
#[derive(Args, Debug)]
#[command(visible_aliases = ["loadbalancer", "service"])]
#[command(after_help = "\
Examples:
  loxictl delete lb 20.20.20.1 --tcp=2020
  loxictl delete lb 20.20.20.1 --tcp=80,443 --udp=53
  loxictl delete lb 20.20.20.1 --tcp=5000-5999 --udp=any
  loxictl delete lb 20.20.20.1 --port=80 --protocol=tcp
  loxictl delete lb 20.20.20.9 --protocol=icmp
  loxictl delete lb --name=web")]
struct DeleteLb {
    /// The address that clients connect to
    #[arg(value_name = "VIP", required_unless_present = "name")]
    vip: Option<IpAddr>,

    /// TCP ports of the services: PORT, FIRST-LAST or any, as they were created
    #[arg(long, value_name = "PORTS", value_delimiter = ',', value_parser = words::ports, requires = "vip")]
    tcp: Vec<Ports>,

    /// UDP ports of the services
    #[arg(long, value_name = "PORTS", value_delimiter = ',', value_parser = words::ports, requires = "vip")]
    udp: Vec<Ports>,

    /// Ports of one service
    #[arg(long, value_name = "PORTS", value_parser = words::ports, requires = "vip",
          conflicts_with_all = ["tcp", "udp"])]
    port: Option<Ports>,

    /// With --port: tcp (if not said) or udp. Without: icmp
    #[arg(long, value_name = "PROTOCOL", value_parser = words::protocol, requires = "vip",
          conflicts_with_all = ["tcp", "udp"])]
    protocol: Option<Protocol>,

    /// The service of this name, instead of VIP and ports
    #[arg(long, conflicts_with = "vip")]
    name: Option<String>,

    #[command(flatten)]
    how: How,
}

#[derive(Args, Debug)]
struct How {
    /// The document to delete from
    #[arg(long, value_name = "NAME", default_value = "api")]
    source: Source,

    /// A service that isn't there is no error
    #[arg(long)]
    ignore_not_found: bool,

    /// Say what would be deleted, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// One service to delete.
enum Target {
    Key(String),
    Name(String),
}

impl Delete {
    pub async fn run(self, session: &Session) -> Result<()> {
        let (targets, how) = match self.what {
            Some(What::Lb(lb)) => (lb.targets()?, lb.how),
            None => {
                let document = Files { files: self.files }.read()?;
                (
                    document
                        .services
                        .iter()
                        .map(|service| Target::Key(key(service)))
                        .collect(),
                    self.how,
                )
            }
        };
        let result = edit(session, &how.source, how.dry_run, |document| {
            remove(document, &targets, &how)
        })
        .await;
        match result {
            Ok(applied) => report::applied(session, &applied),
            Err(failure) if failure.kind == Kind::NotFound => {
                Err(elsewhere(session, failure, &targets, &how).await)
            }
            Err(failure) => Err(failure),
        }
    }
}

impl DeleteLb {
    fn targets(&self) -> Result<Vec<Target>> {
        if let Some(name) = &self.name {
            return Ok(vec![Target::Name(name.clone())]);
        }
        let Some(vip) = self.vip else {
            return Err(Failure::usage(
                "which service? VIP with --tcp, --udp or --port, or --name",
            ));
        };
        let one = match (self.protocol, self.port) {
            (Some(Protocol::Icmp), None) => Some((Protocol::Icmp, Ports::None)),
            (Some(Protocol::Icmp), Some(_)) => {
                return Err(Failure::usage("icmp has no ports: leave out --port"));
            }
            (protocol, Some(ports)) => Some((protocol.unwrap_or(Protocol::Tcp), ports)),
            (_, None) => None,
        };
        if let Some((protocol, ports)) = one {
            return Ok(vec![Target::Key(words::key(vip, ports, protocol))]);
        }
        if self.tcp.is_empty() && self.udp.is_empty() {
            return Err(Failure::usage(format!(
                "which service of {vip}? --tcp=PORT, --udp=PORT, --port=PORT or --protocol=icmp"
            ))
            .remedy("`loxictl get lb` lists them"));
        }
        let tcp = self.tcp.iter().map(|ports| (ports, Protocol::Tcp));
        let all = tcp.chain(self.udp.iter().map(|ports| (ports, Protocol::Udp)));
        Ok(all
            .map(|(ports, protocol)| Target::Key(words::key(vip, *ports, protocol)))
            .collect())
    }
}

impl Target {
    fn is(&self, service: &Service) -> bool {
        match self {
            Self::Key(wanted) => *wanted == key(service),
            Self::Name(wanted) => service.name.as_ref() == Some(wanted),
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key(key) => write!(f, "service {key}"),
            Self::Name(name) => write!(f, "service named `{name}`"),
        }
    }
}

/// Removes all targets, or says which of them aren't there.
fn remove(document: &mut Document, targets: &[Target], how: &How) -> Result<()> {
    let missing = |target: &&Target| !document.services.iter().any(|service| target.is(service));
    let missing: BTreeSet<String> = targets
        .iter()
        .filter(missing)
        .map(ToString::to_string)
        .collect();
    if !missing.is_empty() && !how.ignore_not_found {
        let missing: Vec<String> = missing.into_iter().collect();
        return Err(Failure::not_found(format!(
            "there is no {} in the document `{}`; nothing was deleted",
            missing.join(", no "),
            how.source
        )));
    }
    document
        .services
        .retain(|service| !targets.iter().any(|target| target.is(service)));
    Ok(())
}

/// Adds where the service is, if another document has it.
async fn elsewhere(session: &Session, failure: Failure, targets: &[Target], how: &How) -> Failure {
    let services = session.services().await.unwrap_or_default();
    let found = services.iter().find(|status| {
        status.source != how.source.to_string()
            && targets.iter().any(|target| target.is(&status.spec))
    });
    match found {
        Some(status) if status.source == "file" => failure.remedy(format!(
            "{} is in loxid's configuration file: change it there, then reload (SIGHUP)",
            status.key
        )),
        Some(status) => failure.remedy(format!(
            "{} is in the document `{}`: say --source {}",
            status.key, status.source, status.source
        )),
        None => {
            failure.remedy("`loxictl get lb` lists them; --ignore-not-found makes this no error")
        }
    }
}

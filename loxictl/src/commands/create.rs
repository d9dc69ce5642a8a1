//! `loxictl create`: services, in loxicmd's words.

use std::net::IpAddr;

use clap::{Args, Subcommand};
use lb_api::wire::{Backend, Document, NoBackend, Protocol, Service};
use lb_core::intent::Source;

use crate::document::{key, validate};
use crate::edit::edit;
use crate::failure::{Failure, Kind, Result};
use crate::output::Format;
use crate::report;
use crate::session::Session;
use crate::words::{self, Mode, PortPair, Select, WeightedAddress};

#[cfg(test)]
mod tests;

/// Create a service quickly, in loxicmd's words
#[derive(Args, Debug)]
pub struct Create {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    Lb(CreateLb),
}

/// Create a load-balanced service, one for each port
#[derive(Args, Debug)]
#[command(visible_aliases = ["loadbalancer", "service"])]
#[command(after_help = "\
All services of one command are created, or none. They are added to the document `api`
(see --source); one that is there already is a conflict (exit code 4).

Examples:
  loxictl create lb 20.20.20.1 --tcp=2020:8080 --endpoints=31.31.31.1:1,32.32.32.1:1
  loxictl create lb 20.20.20.1 --tcp=80:8080,443:8443 --endpoints=31.31.31.1 --name=web
  loxictl create lb 20.20.20.1 --udp=53 --endpoints=31.31.31.1:3,32.32.32.1:1 --mode=fullnat
  loxictl create lb 20.20.20.1 --tcp=2020:8080 --endpoints=31.31.31.1 --select=hash --dry-run

With -o yaml or -o json it prints the document it made, which `loxictl apply` takes.")]
struct CreateLb {
    /// The address that clients connect to
    #[arg(value_name = "VIP")]
    vip: IpAddr,

    /// TCP ports to listen on, each with the backends' port after the colon (the same if not said)
    #[arg(long, value_name = "PORT[:BACKENDPORT]", value_delimiter = ',', value_parser = words::port_pair,
          required_unless_present = "udp")]
    tcp: Vec<PortPair>,

    /// UDP ports, likewise
    #[arg(long, value_name = "PORT[:BACKENDPORT]", value_delimiter = ',', value_parser = words::port_pair)]
    udp: Vec<PortPair>,

    /// The backends: addresses, each with its weight after the colon: 0 (drains) to 1000, 1 if not said
    #[arg(long, value_name = "ADDRESS[:WEIGHT]", value_delimiter = ',', value_parser = words::weighted_address)]
    endpoints: Vec<WeightedAddress>,

    /// How a backend is chosen for a new connection: rr (round robin) or hash (Maglev)
    #[arg(long, value_name = "SELECTION", default_value = "rr", value_parser = words::select)]
    select: Select,

    /// How packets reach a backend: default (dnat: rewrite the destination), onearm (also the source,
    /// to this box's address) or fullnat (also the source, to the VIP)
    #[arg(long, value_name = "MODE", default_value = "default", value_parser = words::mode)]
    mode: Mode,

    /// What people call it; with several ports -PROTOCOL-PORT is added, as names are unique
    #[arg(long)]
    name: Option<String>,

    /// Forget an idle connection after this many seconds: 1 to 28800
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(i64).range(1..=28800))]
    inatimeout: Option<i64>,

    /// What a packet gets while there is no usable backend: reject, drop or pass
    #[arg(long, value_name = "WHAT", default_value = "reject", value_parser = no_backend)]
    no_backend: NoBackend,

    /// Send replies back to the MAC address that the client's packets came from
    #[arg(long)]
    last_hop: bool,

    /// The document to add to
    #[arg(long, value_name = "NAME", default_value = "api")]
    source: Source,

    /// Validate and print, and change nothing
    #[arg(long)]
    dry_run: bool,
}

impl Create {
    pub async fn run(self, session: &Session) -> Result<()> {
        let What::Lb(lb) = self.what;
        let document = lb.document()?;
        if lb.dry_run {
            return printed(session, &document, true);
        }
        refuse_those_of_others(session, &document, &lb.source).await?;
        let add = |to: &mut Document| add(to, &document, &lb.source);
        report::told(&edit(session, &lb.source, false, add).await?);
        printed(session, &document, false)
    }
}

impl CreateLb {
    /// A document with the services asked for, and nothing else.
    fn document(&self) -> Result<Document> {
        let tcp = self.tcp.iter().map(|ports| (Protocol::Tcp, *ports));
        let all: Vec<_> = tcp
            .chain(self.udp.iter().map(|ports| (Protocol::Udp, *ports)))
            .collect();
        let services = all
            .iter()
            .map(|(protocol, ports)| self.service(*protocol, *ports, all.len() > 1));
        let document = Document {
            services: services.collect(),
        };
        validate(&document).map_err(Failure::usage)?;
        Ok(document)
    }

    fn service(&self, protocol: Protocol, ports: PortPair, several: bool) -> Service {
        let backend = |endpoint: &WeightedAddress| Backend {
            address: endpoint.addr.to_string(),
            port: ports.backend.get().into(),
            weight: endpoint.weight.into(),
        };
        let suffix = match several {
            true => format!("-{}-{}", crate::listing::protocol(protocol), ports.port),
            false => String::new(),
        };
        Service {
            name: self.name.as_ref().map(|name| format!("{name}{suffix}")),
            vip: self.vip.to_string(),
            port: ports.port.get().into(),
            protocol,
            mode: match self.mode {
                Mode::Default => lb_api::wire::Mode::Dnat,
                Mode::Onearm => lb_api::wire::Mode::Onearm,
                Mode::Fullnat => lb_api::wire::Mode::Fullnat,
            },
            select: match self.select {
                Select::Rr => lb_api::wire::Select::Rr,
                Select::Hash => lb_api::wire::Select::Maglev,
            },
            maglev_size: None,
            no_backend: self.no_backend,
            idle_timeout: self.inatimeout,
            last_hop: self.last_hop,
            backends: self.endpoints.iter().map(backend).collect(),
        }
    }
}

fn no_backend(word: &str) -> std::result::Result<NoBackend, String> {
    match word {
        "reject" => Ok(NoBackend::Reject),
        "drop" => Ok(NoBackend::Drop),
        "pass" => Ok(NoBackend::Pass),
        _ => Err("reject, drop or pass".into()),
    }
}

/// Adds services to a document that has none of them.
fn add(document: &mut Document, new: &Document, source: &Source) -> Result<()> {
    for service in &new.services {
        let wanted = key(service);
        if document.services.iter().any(|other| key(other) == wanted) {
            return Err(conflict(format!("service {wanted} is in the document `{source}` already"))
                .remedy(format!("`loxictl get lb {wanted} -o yaml` shows it. To change it: loxictl export > FILE, edit, loxictl apply -f FILE")));
        }
        let same_name = |other: &&Service| other.name.is_some() && other.name == service.name;
        if let Some(other) = document.services.iter().find(same_name) {
            let name = other.name.as_deref().unwrap_or_default();
            return Err(conflict(format!(
                "{} of the document `{source}` is named `{name}` already",
                key(other)
            ))
            .remedy("choose another --name: names are unique within a document"));
        }
    }
    document.services.extend(new.services.iter().cloned());
    Ok(())
}

/// A service that another document has is that document's.
async fn refuse_those_of_others(session: &Session, new: &Document, source: &Source) -> Result<()> {
    let wanted: Vec<String> = new.services.iter().map(key).collect();
    let services = session.services().await?;
    let other = services
        .iter()
        .find(|other| other.source != source.to_string() && wanted.contains(&other.key));
    match other {
        None => Ok(()),
        Some(other) => Err(conflict(format!(
            "service {} is of the document `{}`",
            other.key, other.source
        ))
        .remedy(format!(
            "change it there, or add to that document: --source {}",
            other.source
        ))),
    }
}

fn conflict(message: String) -> Failure {
    Failure::new(Kind::Conflict, message)
}

/// The document as data: if `always`, as YAML where tables are asked for.
fn printed(session: &Session, document: &Document, always: bool) -> Result<()> {
    match session.output.format {
        Format::Table | Format::Wide if !always => Ok(()),
        Format::Name => {
            let keys: String = document
                .services
                .iter()
                .map(|service| key(service) + "\n")
                .collect();
            session.output.text(&keys)
        }
        _ => session.output.value(document),
    }
}

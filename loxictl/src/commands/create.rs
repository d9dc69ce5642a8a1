//! `loxictl create`: services, in loxicmd's words.

use std::net::IpAddr;

use clap::{Args, Subcommand};
use lb_api::wire::{
    Announce, AnnounceWhen, Backend, Check, Document, Mode, NoBackend, Protocol, Select, Service,
};
use lb_core::intent::Source;
use lb_core::service::Ports;

use crate::document::{key, validate};
use crate::edit::edit;
use crate::failure::{Failure, Kind, Result};
use crate::output::Format;
use crate::report;
use crate::session::Session;
use crate::words::{self, Endpoint, EndpointWord, PortPair};

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

/// Create a load-balanced service
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

  IPv6, and backends each with its port, weight and most connections:
    loxictl create lb 2001:db8::80 --port=80 --endpoints='[2001:db8:1::1]:8080=2/1000,[2001:db8:1::2]:8080'
  A range of ports, or any port; backends get the port that the client asked for:
    loxictl create lb 20.20.20.1 --port=5000-5999 --protocol=udp --endpoints=31.31.31.1
    loxictl create lb 20.20.20.1 --port=any --endpoints=31.31.31.1
  Direct return: backends have the VIP on their loopback and answer clients themselves:
    loxictl create lb 20.20.20.1 --port=80 --mode=dsr --endpoints=31.31.31.1,31.31.31.2
    loxictl create lb 20.20.20.1 --port=80 --mode=ipip --endpoints=10.9.0.1,2001:db8:9::1
  A client keeps its backend for five minutes; only the own networks may connect:
    loxictl create lb 20.20.20.1 --port=80 --endpoints=31.31.31.1:8080 --persist=300 --allow=10.0.0.0/8
  The one with the fewest connections:
    loxictl create lb 20.20.20.1 --port=80 --endpoints=31.31.31.1:8080,31.31.31.2:8080=2 --select=lc
  A VIP that only answers pings:
    loxictl create lb 20.20.20.9 --protocol=icmp

With -o yaml or -o json it prints the document it made, which `loxictl apply` takes.")]
struct CreateLb {
    /// The address that clients connect to, IPv4 or IPv6
    #[arg(value_name = "VIP")]
    vip: IpAddr,

    /// loxicmd's way: TCP ports to listen on, a service each: PORT, FIRST-LAST or any; after a colon
    /// the backends' port (the same if not said)
    #[arg(long, value_name = "PORT[:BACKENDPORT]", value_delimiter = ',', value_parser = words::port_pair,
          required_unless_present_any = ["udp", "port", "protocol"])]
    tcp: Vec<PortPair>,

    /// UDP ports, likewise
    #[arg(long, value_name = "PORT[:BACKENDPORT]", value_delimiter = ',', value_parser = words::port_pair)]
    udp: Vec<PortPair>,

    /// One service: PORT, FIRST-LAST, or any (every port that no other service of the VIP has)
    #[arg(long, value_name = "PORTS", value_parser = words::ports, conflicts_with_all = ["tcp", "udp"])]
    port: Option<Ports>,

    /// With --port: tcp (if not said) or udp. Without: icmp, a VIP that only answers pings
    #[arg(long, value_name = "PROTOCOL", value_parser = words::protocol, conflicts_with_all = ["tcp", "udp"])]
    protocol: Option<Protocol>,

    /// The backends. With --port: address, port (the client's if not said), weight and most
    /// connections. With --tcp and --udp: address and weight, as loxicmd has it. A weight is 0 (drains)
    /// to 1000, 1 if not said
    #[arg(long, value_name = "ADDRESS[:PORT][=WEIGHT][/MAX]|ADDRESS[:WEIGHT]", value_delimiter = ',',
          value_parser = words::endpoint)]
    endpoints: Vec<EndpointWord>,

    /// How a backend is chosen for a new connection: rr (round robin; the default), hash (Maglev; the
    /// default with --persist) or lc (the fewest connections for its weight)
    #[arg(long, value_name = "SELECTION", value_parser = words::select)]
    select: Option<Select>,

    /// A client keeps its backend until so many seconds after its last packet: 1 to 86400
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(i64).range(1..=86400))]
    persist: Option<i64>,

    /// How packets reach a backend: default (dnat: rewrite the destination), onearm (also the source,
    /// to this box's address), fullnat (also the source, to the VIP); or by direct return, where the
    /// backend has the VIP and answers clients itself: dsr (same subnet), ipip or gue (tunnels)
    #[arg(long, value_name = "MODE", default_value = "default", value_parser = words::mode)]
    mode: Mode,

    /// UDP port at which backends of --mode=gue receive: 6080 if not said
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(i64).range(1..=65535))]
    tunnel_port: Option<i64>,

    /// Only clients of these prefixes may connect (repeatable; the longest prefix of --allow and
    /// --deny that a client is in decides)
    #[arg(long, value_name = "PREFIX", value_delimiter = ',')]
    allow: Vec<String>,

    /// Clients of these prefixes may not connect (repeatable)
    #[arg(long, value_name = "PREFIX", value_delimiter = ',')]
    deny: Vec<String>,

    /// Let TCP's ends announce no larger segments than this, bytes: 536 to 65495; with dnat, fullnat
    /// and onearm only
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(i64).range(536..=65495))]
    mss_clamp: Option<i64>,

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

    /// Who speaks for the VIP on links: l2 (this box answers ARP and neighbour discovery, once it
    /// has probed that nobody else does) or none
    #[arg(long, value_name = "HOW", default_value = "l2", value_parser = announce)]
    announce: Announce,

    /// Announce on this interface (repeatable; without it, on every attached one with a subnet that
    /// the VIP is in)
    #[arg(long, value_name = "INTERFACE", value_delimiter = ',')]
    announce_on: Vec<String>,

    /// Ask backends whether they work, and give connections to those only: tcp, udp, http or ping,
    /// such as http:8081/health; a document can say more
    #[arg(long, value_name = "TYPE[:PORT][/PATH]", value_parser = words::check)]
    check: Option<Box<Check>>,

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

/// What one service of the command listens on, and its backends.
struct Listener {
    protocol: Protocol,
    ports: Ports,
    endpoints: Vec<Endpoint>,
}

impl CreateLb {
    /// A document with the services asked for, and nothing else.
    fn document(&self) -> Result<Document> {
        let listeners = self.listeners().map_err(Failure::usage)?;
        let several = listeners.len() > 1;
        let services = listeners
            .iter()
            .map(|listener| self.service(listener, several));
        let document = Document {
            services: services.collect(),
        };
        validate(&document).map_err(Failure::usage)?;
        Ok(document)
    }

    fn listeners(&self) -> std::result::Result<Vec<Listener>, String> {
        if self.port.is_none() && self.protocol.is_none() {
            let tcp = self.tcp.iter().map(|pair| (Protocol::Tcp, *pair));
            let all = tcp.chain(self.udp.iter().map(|pair| (Protocol::Udp, *pair)));
            return all
                .map(|(protocol, pair)| self.listener(protocol, pair))
                .collect();
        }
        let protocol = self.protocol.unwrap_or(Protocol::Tcp);
        let ports = match (protocol, self.port) {
            (Protocol::Icmp, None) => Ports::None,
            (Protocol::Icmp, Some(_)) => {
                return Err("icmp has no ports: leave out --port, or --protocol=icmp".into());
            }
            (_, Some(ports)) => ports,
            (_, None) => return Err("which port? --port=80, --port=80-90 or --port=any".into()),
        };
        let endpoints = self.endpoints.iter().map(|word| word.with_own_port());
        Ok(vec![Listener {
            protocol,
            ports,
            endpoints: endpoints.collect::<std::result::Result<_, _>>()?,
        }])
    }

    fn listener(
        &self,
        protocol: Protocol,
        pair: PortPair,
    ) -> std::result::Result<Listener, String> {
        let endpoints = self
            .endpoints
            .iter()
            .map(|word| word.after_ports(pair.backend));
        Ok(Listener {
            protocol,
            ports: pair.ports,
            endpoints: endpoints.collect::<std::result::Result<_, _>>()?,
        })
    }

    fn service(&self, listener: &Listener, several: bool) -> Service {
        let Listener {
            protocol,
            ports,
            endpoints,
        } = listener;
        let backend = |endpoint: &Endpoint| Backend {
            address: endpoint.addr.to_string(),
            port: endpoint.port.map(|port| port.get().into()),
            weight: endpoint.weight.into(),
            max_connections: endpoint.max_connections.map(Into::into),
            check: None,
        };
        let suffix = match (several, ports) {
            (false, _) => String::new(),
            (true, Ports::Any) => format!("-{}-any", protocol.as_str()),
            (true, ports) => format!("-{}-{ports}", protocol.as_str()),
        };
        let (port, port_max) = match ports {
            Ports::One(port) => (Some(port.get()), None),
            Ports::Range { first, last } => (Some(first.get()), Some(last.get())),
            Ports::Any => (Some(0), None),
            Ports::None => (None, None),
        };
        let select = match (self.select, self.persist, protocol) {
            (Some(select), _, _) => select,
            (None, None, Protocol::Tcp | Protocol::Udp) => Select::Rr,
            (None, _, _) => Select::Maglev,
        };
        Service {
            name: self.name.as_ref().map(|name| format!("{name}{suffix}")),
            vip: self.vip.to_string(),
            port: port.map(Into::into),
            port_max: port_max.map(Into::into),
            protocol: *protocol,
            mode: self.mode,
            tunnel_port: self.tunnel_port,
            select,
            maglev_size: None,
            persist: self.persist,
            no_backend: self.no_backend,
            idle_timeout: self.inatimeout,
            last_hop: self.last_hop,
            allowed_sources: self.allow.clone(),
            denied_sources: self.deny.clone(),
            mss_clamp: self.mss_clamp,
            check: self.check.as_deref().cloned(),
            announce: self.announce,
            announce_interfaces: self.announce_on.clone(),
            announce_when: AnnounceWhen::Always,
            backends: endpoints.iter().map(backend).collect(),
        }
    }
}

fn announce(word: &str) -> std::result::Result<Announce, String> {
    match word {
        "l2" => Ok(Announce::L2),
        "none" => Ok(Announce::None),
        _ => Err("l2 or none".into()),
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
        let is_ipv6 = |service: &Service| service.vip.contains(':');
        let same_name = |other: &&Service| {
            other.name.is_some() && other.name == service.name && is_ipv6(other) == is_ipv6(service)
        };
        if let Some(other) = document.services.iter().find(same_name) {
            let name = other.name.as_deref().unwrap_or_default();
            return Err(conflict(format!(
                "{} of the document `{source}` is named `{name}` already",
                key(other)
            ))
            .remedy("choose another --name: names are unique among the services of a family within a document"));
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

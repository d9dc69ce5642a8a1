//! `loxictl test`: a real connection through a service, from a throw-away network namespace.
//!
//! Packets that the box sends itself never arrive on an interface, so XDP doesn't see them. What
//! this command sends does arrive: at our end of a veth pair, to which the program is attached
//! like to any other interface.
//!
//! ```text
//!   throw-away namespace          the box's namespace
//!   eth0 198.18.x.2/30  ──veth──  lxtPID 198.18.x.1/30 + XDP ──> backend
//! ```
//! With an IPv6 service the addresses are of 2001:2::/48.
//!
//! The namespace belongs to a thread of this process: when that ends, however it ends, the kernel
//! removes namespace and veth pair.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use lb_api::client::ConnectionsRequest;
use lb_api::wire::{AttachAs, Connection, Mode, Protocol, ReasonCount, ServiceStatus};
use lb_core::service::{Ports, ServiceKey};
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::{Failure, Result};
use crate::listing::trouble;
use crate::output::Format;
use crate::session::Session;

mod client;
mod network;
#[cfg(test)]
mod tests;

use client::{Answer, Client, Outcome};
use network::Network;

/// Make a real connection through a service
#[derive(Args, Debug)]
#[command(after_help = "\
Makes a network namespace, connects it to the box by a veth pair, attaches that like a real
interface, connects to the service from there, says who answered, and removes everything.
(The box's own packets don't pass the program, so `curl VIP` on the box proves nothing.)
Needs root, and the programs ip and ethtool.

The client's address is of 198.18.0.0/15 or 2001:2::/48 (for testing, RFC 2544, RFC 5180).
With mode dnat a backend sees that address, and must route its replies to it through this
box: if it doesn't, the test times out, while clients whose replies do come back this way are
served. With direct return (dsr, ipip, gue) the backend must have a route to it, too, though
replies don't pass the program.

Examples:
  loxictl test 20.20.20.1:2020
  loxictl test '[2001:db8::80]:443'          IPv6 stands in brackets
  loxictl test 20.20.20.1:53/udp             sends an empty datagram; an answer is not expected
  loxictl test 20.20.20.1:2020 --network 10.9.9.0/30   if backends route only this to us")]
pub struct Test {
    /// A port of a service: VIP:PORT (an IPv6 VIP in brackets), /tcp unless it says /udp
    #[arg(value_name = "VIP:PORT[/PROTOCOL]", value_parser = target)]
    target: Target,

    /// How long to wait for an answer
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60))]
    timeout: u64,

    /// Four addresses that nobody uses, for the two ends; the client gets the third, the box the second
    #[arg(long, value_name = "NETWORK/30|NETWORK6/126", value_parser = network::parse)]
    network: Option<Network>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    vip: SocketAddr,
    protocol: Protocol,
}

/// `20.20.20.1:2020`, `[2001:db8::80]:53/udp`.
fn target(text: &str) -> std::result::Result<Target, String> {
    let (vip, word) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = match word {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return Err(format!("unknown protocol `{word}`: tcp or udp")),
    };
    match vip.parse() {
        Ok(SocketAddr::V6(vip)) if vip.scope_id() != 0 => {
            Err(format!("`{vip}` is of a link: a VIP is not"))
        }
        Ok(vip) if vip.port() != 0 => Ok(Target { vip, protocol }),
        Ok(_) => Err("`0` is not a port: 1 to 65535".into()),
        Err(_) => Err(format!(
            "`{vip}` is not VIP:PORT, such as 20.20.20.1:2020 or [2001:db8::80]:2020"
        )),
    }
}

impl Target {
    /// Whether the service of a key takes it: lower ones go before higher ones.
    fn rank(self, key: &str) -> Option<u8> {
        let key: ServiceKey = key.parse().ok()?;
        let is_here = key.vip == self.vip.ip() && key.protocol == self.protocol.into();
        let rank = match key.ports {
            Ports::Any => 1,
            _ => 0,
        };
        (is_here && key.ports.contains(self.vip.port())).then_some(rank)
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.vip, self.protocol.as_str())
    }
}

impl Test {
    pub async fn run(self, session: &Session) -> Result<()> {
        let service = self.service(session).await?;
        if let Some(trouble) = trouble(&service.conditions) {
            eprintln!("warning: {trouble}");
        }
        if !nix::unistd::geteuid().is_root() {
            return Err(Failure::runtime("making a network namespace needs root")
                .remedy("sudo loxictl test ..."));
        }
        let network = match self.network {
            Some(network) if network.is_ipv4() == self.target.vip.is_ipv4() => network,
            Some(_) => {
                return Err(Failure::usage("--network is not of the family of the VIP")
                    .remedy("leave it out, or give one like 10.9.9.0/30 for IPv4, 2001:db8:9::/126 for IPv6"));
            }
            None => network::free(self.target.vip.is_ipv4())?,
        };
        let client = Client::start(network)?;
        let mut interrupted = Interrupt::new()?;
        let result = tokio::select! {
            result = self.connect(session, &client) => result,
            name = interrupted.wait() => Err(Failure::runtime(format!("interrupted ({name})"))),
        };
        // Its link vanishes with the namespace, and loxid would notice; it's politer to say so.
        let detached = session.detach(client.link()).await;
        drop(client);
        let found = result?;
        if let Err(failure) = detached {
            eprintln!("warning: the throw-away interface could not be detached: {failure}");
        }
        self.explain(session, &service, found)
    }

    async fn service(&self, session: &Session) -> Result<ServiceStatus> {
        let services = session.services().await?;
        let rank = |service: &ServiceStatus| self.target.rank(&service.key);
        services
            .into_iter()
            .filter(|service| rank(service).is_some())
            .min_by_key(rank)
            .ok_or_else(|| {
                Failure::not_found(format!("there is no service {}", self.target))
                    .remedy("`loxictl get lb` lists them")
            })
    }

    async fn connect(&self, session: &Session, client: &Client) -> Result<Found> {
        let before = session.status().await?.data_plane.reasons;
        session.attach(client.link(), AttachAs::default()).await?;
        let outcome = client
            .connect(
                self.target.vip,
                self.target.protocol,
                Duration::from_secs(self.timeout),
            )
            .await?;
        let connection = self.connection(session, &outcome).await?;
        let after = session.status().await?.data_plane.reasons;
        Ok(Found {
            outcome,
            connection,
            reasons: grown(&before, after),
        })
    }

    /// What the table of connections says of our connection.
    async fn connection(&self, session: &Session, outcome: &Outcome) -> Result<Option<Connection>> {
        let request = ConnectionsRequest {
            client: Some(outcome.client.clone()),
            protocol: Some(self.target.protocol.as_str().into()),
            ..Default::default()
        };
        session.first_connection(request).await
    }

    fn explain(&self, session: &Session, service: &ServiceStatus, found: Found) -> Result<()> {
        match session.output.format {
            Format::Json | Format::Yaml => session.output.value(&found.value(self.target))?,
            Format::Name => session.output.text(&format!("{}\n", self.target))?,
            Format::Table | Format::Wide => session.output.text(&found.text(self.target))?,
        }
        match (found.outcome.answer, &found.connection) {
            (Answer::Connected(_) | Answer::Replied(_), _) => Ok(()),
            (Answer::Sent, Some(_)) => Ok(()),
            (Answer::Refused(_), None) => Err(Failure::runtime(format!("{} refused the connection before a backend was chosen", self.target))
                .remedy(format!("`loxictl get ep --service {}` shows whether a backend can take it", service.key))),
            (Answer::Refused(_), Some(connection)) => Err(Failure::runtime(format!("the backend {} refused the connection", connection.backend))
                .remedy("does its server run, and listen on that port?")),
            (_, Some(connection)) if service.spec.mode.is_one_sided() => Err(Failure::runtime(format!("the backend {} got it, and no answer came back within {} s", connection.backend, self.timeout))
                .remedy(one_sided_remedy(service.spec.mode))),
            (_, Some(connection)) => Err(Failure::runtime(format!("the backend {} did not answer within {} s", connection.backend, self.timeout))
                .remedy("does it run, and does it route replies to the client's address through this box (dnat), or to this box at all?")),
            (_, None) => Err(Failure::runtime(format!("no answer within {} s, and no backend was chosen", self.timeout))
                .remedy("the counters that grew say why; see also `loxictl status`")),
        }
    }
}

/// How long one of several tries may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// One connection to a TCP service, as the command makes it, and how it ended; nothing is printed.
pub async fn probe(session: &Session, key: &ServiceKey) -> Result<String> {
    let port = match key.ports {
        Ports::None => return Err(Failure::usage("it has no ports")),
        Ports::Any => 80,
        Ports::One(port) => port.get(),
        Ports::Range { first, .. } => first.get(),
    };
    if !nix::unistd::geteuid().is_root() {
        return Err(Failure::runtime("trying it needs root").remedy("sudo loxictl doctor --probe"));
    }
    let vip = SocketAddr::new(key.vip, port);
    let client = Client::start(network::free(vip.is_ipv4())?)?;
    session.attach(client.link(), AttachAs::default()).await?;
    let outcome = client.connect(vip, Protocol::Tcp, PROBE_TIMEOUT).await;
    let detached = session.detach(client.link()).await;
    drop(client);
    let answer = outcome?.answer;
    detached?;
    match answer {
        Answer::Connected(latency) => Ok(format!("connected in {}", milliseconds(latency))),
        Answer::Refused(latency) => Err(Failure::runtime(format!(
            "refused after {}",
            milliseconds(latency)
        ))),
        _ => Err(Failure::runtime(format!(
            "silent for {} s",
            PROBE_TIMEOUT.as_secs()
        ))),
    }
}

/// What a backend that answers clients itself must do.
fn one_sided_remedy(mode: Mode) -> &'static str {
    match mode {
        Mode::Dsr => {
            "does it have the VIP as an address of its own (and not answer ARP or ND for it), a server on it, \
             and a route to the client's address?"
        }
        _ => {
            "does it decapsulate, have the VIP as an address of its own, a server on it, \
             and a route to the client's address?"
        }
    }
}

/// What one try brought to light.
struct Found {
    outcome: Outcome,
    connection: Option<Connection>,
    /// Counters that grew meanwhile; other traffic's, too.
    reasons: Vec<ReasonCount>,
}

impl Found {
    fn text(&self, target: Target) -> String {
        let mut text = format!("{target} {}\n", self.verdict());
        text += &format!(
            "  client    {} (a throw-away namespace)\n",
            self.outcome.client
        );
        match &self.connection {
            Some(connection) => {
                text += &format!("  backend   {}\n", connection.backend);
                text += &format!("  sees      {} as the client\n", connection.source);
                text += &format!("  state     {}\n", connection.state.as_str());
                if connection.one_sided {
                    text += "  replies   come from the backend itself, not through this box\n";
                }
            }
            None => text += "  backend   none: the table of connections has no such connection\n",
        }
        for count in &self.reasons {
            text += &format!(
                "  meanwhile {} {} +{}: {}\n",
                count.class, count.reason, count.packets, count.meaning
            );
        }
        text
    }

    fn value(&self, target: Target) -> serde_json::Value {
        serde_json::json!({
            "service": target.to_string(),
            "answer": self.outcome.answer.word(),
            "latencyMicroseconds": self.outcome.answer.latency().map(|latency| latency.as_micros() as u64),
            "client": self.outcome.client,
            "connection": self.connection,
            "reasons": self.reasons,
        })
    }

    fn verdict(&self) -> String {
        match self.outcome.answer {
            Answer::Connected(latency) => format!("connected in {}", milliseconds(latency)),
            Answer::Replied(latency) => format!("replied after {}", milliseconds(latency)),
            Answer::Refused(latency) => format!("refused after {}", milliseconds(latency)),
            Answer::Sent => "got a datagram, and no reply to it".into(),
            Answer::Silent => "did not answer".into(),
        }
    }
}

fn milliseconds(latency: Duration) -> String {
    format!("{:.2} ms", latency.as_secs_f64() * 1e3)
}

/// Reasons whose counters grew, by how much.
fn grown(before: &[ReasonCount], after: Vec<ReasonCount>) -> Vec<ReasonCount> {
    let was = |reason: &str| {
        before
            .iter()
            .find(|count| count.reason == reason)
            .map_or(0, |count| count.packets)
    };
    let growth = |count: ReasonCount| ReasonCount {
        packets: count.packets.saturating_sub(was(&count.reason)),
        ..count
    };
    after
        .into_iter()
        .map(growth)
        .filter(|count| count.packets > 0)
        .collect()
}

/// Ctrl-C and its like: what was made is removed first.
struct Interrupt {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Interrupt {
    fn new() -> Result<Self> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Failure::runtime(format!("listening for signals: {error}")))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    async fn wait(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

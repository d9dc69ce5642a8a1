//! A client in a network namespace of its own, which a thread of this process is.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use lb_api::wire::Protocol;
use nix::sched::{CloneFlags, unshare};
use tokio::sync::oneshot;

use super::network::Network;
use crate::failure::{Failure, Result};

/// The namespace and its link. Dropping it removes both.
pub struct Client {
    link: String,
    tasks: mpsc::Sender<Task>,
}

/// One connection to try. The socket lives until the `Outcome` is dropped.
struct Task {
    vip: SocketAddr,
    protocol: Protocol,
    timeout: Duration,
    reply: oneshot::Sender<Result<Outcome>>,
}

/// How a try ended.
pub struct Outcome {
    /// The client's own address; its port, too, where the system told it.
    pub client: String,
    pub answer: Answer,
    /// Keeps the connection open while it is looked at.
    _socket: Option<TcpStream>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// TCP's handshake was done.
    Connected(Duration),
    /// A datagram came back.
    Replied(Duration),
    /// RST, or ICMP port unreachable.
    Refused(Duration),
    /// UDP: sent, and nothing came back.
    Sent,
    /// TCP: nothing came back.
    Silent,
}

impl Answer {
    pub fn word(self) -> &'static str {
        match self {
            Self::Connected(_) => "connected",
            Self::Replied(_) => "replied",
            Self::Refused(_) => "refused",
            Self::Sent => "sent",
            Self::Silent => "silent",
        }
    }

    pub fn latency(self) -> Option<Duration> {
        match self {
            Self::Connected(latency) | Self::Replied(latency) | Self::Refused(latency) => {
                Some(latency)
            }
            Self::Sent | Self::Silent => None,
        }
    }
}

impl Client {
    /// Makes the namespace and the link, addresses and brings both ends up.
    pub fn start(network: Network) -> Result<Self> {
        let link = format!("lxt{}", std::process::id());
        let (tasks, inbox) = mpsc::channel();
        let (made, ready) = mpsc::channel();
        let name = link.clone();
        // A thread, as a namespace is a thread's: what it runs is in its namespace, too.
        std::thread::spawn(move || {
            let result = namespace(&name, network);
            let failed = result.is_err();
            if made.send(result).is_ok() && !failed {
                serve(network, &inbox);
            }
        });
        ready
            .recv()
            .map_err(|_| Failure::runtime("the client's thread ended"))??;
        // From here on dropping it removes the link.
        let client = Self { link, tasks };
        address(network, network.box_end(), &client.link)?;
        ip(&["link", "set", &client.link, "up"])?;
        Ok(client)
    }

    /// Our end of the veth pair: where the client's packets arrive.
    pub fn link(&self) -> &str {
        &self.link
    }

    pub async fn connect(
        &self,
        vip: SocketAddr,
        protocol: Protocol,
        timeout: Duration,
    ) -> Result<Outcome> {
        let ended = |_| Failure::runtime("the client's thread ended");
        let (reply, outcome) = oneshot::channel();
        self.tasks
            .send(Task {
                vip,
                protocol,
                timeout,
                reply,
            })
            .map_err(|_| ended(()))?;
        outcome.await.map_err(|_| ended(()))?
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // The namespace would take the link with it, a moment later.
        let _ = ip(&["link", "delete", &self.link]);
    }
}

/// Enters a namespace of its own, with a link to the box's.
fn namespace(link: &str, network: Network) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET)
        .map_err(|error| Failure::runtime(format!("making a network namespace: {error}")))?;
    let owner = std::process::id().to_string();
    ip(&[
        "link", "add", "eth0", "type", "veth", "peer", "name", link, "netns", &owner,
    ])?;
    address(network, network.client_end(), "eth0")?;
    ip(&["link", "set", "lo", "up"])?;
    ip(&["link", "set", "eth0", "up"])?;
    ip(&[
        "route",
        "add",
        "default",
        "via",
        &network.box_end().to_string(),
        "dev",
        "eth0",
    ])?;
    // XDP must see whole checksums; and a veth takes redirected packets only while its peer polls,
    // which GRO makes it do.
    run(
        "ethtool",
        "ethtool",
        &["-K", "eth0", "tx", "off", "gro", "on"],
    )
}

fn serve(network: Network, inbox: &mpsc::Receiver<Task>) {
    while let Ok(task) = inbox.recv() {
        let outcome = match task.protocol {
            Protocol::Udp => udp(task.vip, task.timeout),
            Protocol::Tcp | Protocol::Icmp => tcp(network, task.vip, task.timeout),
        };
        let outcome = outcome
            .map_err(|error| Failure::runtime(format!("connecting to {}: {error}", task.vip)));
        let _ = task.reply.send(outcome); // nobody waits for it after Ctrl-C
    }
}

fn tcp(network: Network, vip: SocketAddr, timeout: Duration) -> std::io::Result<Outcome> {
    let start = Instant::now();
    match TcpStream::connect_timeout(&vip, timeout) {
        Ok(stream) => {
            let answer = Answer::Connected(start.elapsed());
            Ok(Outcome {
                client: stream.local_addr()?.to_string(),
                answer,
                _socket: Some(stream),
            })
        }
        Err(error) => {
            let answer = silence(&error, start)?;
            Ok(Outcome {
                client: network.client_end().to_string(),
                answer,
                _socket: None,
            })
        }
    }
}

fn udp(vip: SocketAddr, timeout: Duration) -> std::io::Result<Outcome> {
    let any: IpAddr = match vip.is_ipv4() {
        true => Ipv4Addr::UNSPECIFIED.into(),
        false => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(vip)?;
    socket.set_read_timeout(Some(timeout))?;
    let start = Instant::now();
    socket.send(&[])?;
    let answer = match socket.recv(&mut [0; 1]) {
        Ok(_) => Answer::Replied(start.elapsed()),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Answer::Sent
        }
        Err(error) => silence(&error, start)?,
    };
    Ok(Outcome {
        client: socket.local_addr()?.to_string(),
        answer,
        _socket: None,
    })
}

/// What an error says of the other side; `Err` if it is one of our own.
fn silence(error: &std::io::Error, start: Instant) -> std::io::Result<Answer> {
    match error.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => {
            Ok(Answer::Refused(start.elapsed()))
        }
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Ok(Answer::Silent),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            Ok(Answer::Refused(start.elapsed()))
        }
        _ => Err(std::io::Error::new(error.kind(), error.to_string())),
    }
}

/// An IPv6 address is usable at once: nobody else is on the link, which duplicate address detection
/// would look for.
fn address(network: Network, addr: IpAddr, link: &str) -> Result<()> {
    let on_link = network.on_link(addr);
    match network.is_ipv4() {
        true => ip(&["address", "add", &on_link, "dev", link]),
        false => ip(&["address", "add", &on_link, "dev", link, "nodad"]),
    }
}

fn ip(arguments: &[&str]) -> Result<()> {
    run("ip", "iproute2", arguments)
}

fn run(program: &str, package: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| {
        Failure::runtime(format!("running {program}: {error}"))
            .remedy(format!("install the package {package}"))
    })?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let talk = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(Failure::runtime(format!(
                "{program} {}: {talk}",
                arguments.join(" ")
            )))
        }
    }
}

//! Backends and clients. A socket belongs to the namespace it was made in, and is used anywhere.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, SockaddrIn, SockaddrIn6};

use crate::frame::checksum;
use crate::namespace::Namespace;
use crate::topology::Topology;
use crate::wait::CAP;

/// How often a server looks whether it should stop.
const PATIENCE: Duration = Duration::from_millis(50);
const DATAGRAM_MOST: usize = 16 << 10;

/// A server in a namespace, until it is dropped.
pub struct Server {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn run(mut work: impl FnMut() + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                work();
            }
        });
        Server {
            stop,
            thread: Some(thread),
        }
    }

    /// HTTP that answers `NAME PEER`, as often as it is asked on a connection.
    ///
    /// # Errors
    /// The address can't be listened on.
    pub fn http(
        namespace: &Namespace,
        address: impl Into<IpAddr>,
        port: u16,
        name: &str,
    ) -> Result<Self> {
        let address: IpAddr = address.into();
        let listener = namespace.within(move || Ok(TcpListener::bind((address, port))?))?;
        listener.set_nonblocking(true)?;
        let name = name.to_owned();
        Ok(Self::run(move || match listener.accept() {
            Ok((stream, peer)) => {
                let name = name.clone();
                std::thread::spawn(move || answer(&stream, peer, &name));
            }
            Err(_) => std::thread::sleep(PATIENCE / 10),
        }))
    }

    /// UDP that answers `NAME PEER PAYLOAD`.
    ///
    /// # Errors
    /// The address can't be bound.
    pub fn udp(
        namespace: &Namespace,
        address: impl Into<IpAddr>,
        port: u16,
        name: &str,
    ) -> Result<Self> {
        let address: IpAddr = address.into();
        let socket = namespace.within(move || Ok(UdpSocket::bind((address, port))?))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let name = name.to_owned();
        Ok(Self::run(move || {
            let mut buffer = [0; DATAGRAM_MOST];
            if let Ok((length, peer)) = socket.recv_from(&mut buffer) {
                let mut answer = format!("{name} {peer} ").into_bytes();
                answer.extend(&buffer[..length]);
                let _ = socket.send_to(&answer, peer);
            }
        }))
    }

    /// TCP that sends back what it gets.
    ///
    /// # Errors
    /// The address can't be listened on.
    pub fn echo(namespace: &Namespace, address: impl Into<IpAddr>, port: u16) -> Result<Self> {
        let address: IpAddr = address.into();
        let listener = namespace.within(move || Ok(TcpListener::bind((address, port))?))?;
        listener.set_nonblocking(true)?;
        Ok(Self::run(move || match listener.accept() {
            Ok((stream, _)) => {
                let _ = stream.set_nonblocking(false);
                let _ = stream.set_read_timeout(Some(CAP));
                std::thread::spawn(move || std::io::copy(&mut &stream, &mut &stream));
            }
            Err(_) => std::thread::sleep(PATIENCE / 10),
        }))
    }

    /// HTTP on port 8080 and UDP on port 5353 of every backend; names are `b1`, `b2`, ...
    ///
    /// # Errors
    /// An address can't be bound.
    pub fn all(topology: &Topology) -> Result<Vec<Self>> {
        let mut servers = Vec::new();
        for (index, (namespace, address)) in topology
            .backends
            .iter()
            .zip(&topology.addresses)
            .enumerate()
        {
            let name = format!("b{}", index + 1);
            servers.push(Self::http(namespace, *address, 8080, &name)?);
            servers.push(Self::udp(namespace, *address, 5353, &name)?);
            if let Some(address) = topology.addresses6.get(index) {
                servers.push(Self::http(namespace, *address, 8080, &name)?);
                servers.push(Self::udp(namespace, *address, 5353, &name)?);
            }
        }
        Ok(servers)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Answers requests until the client closes.
fn answer(stream: &TcpStream, peer: SocketAddr, name: &str) {
    let _ = stream.set_nonblocking(false);
    let _ = stream.set_read_timeout(Some(CAP * 3));
    let mut lines = BufReader::new(stream).lines();
    while let Some(Ok(line)) = lines.next() {
        if line.is_empty() {
            let body = format!("{name} {peer}");
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            let mut out = stream;
            if out.write_all((head + &body).as_bytes()).is_err() {
                return;
            }
        }
    }
}

/// What a backend said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub backend: String,
    /// The client as the backend sees it.
    pub peer: SocketAddr,
    pub rest: String,
}

impl Reply {
    fn parse(text: &str) -> Result<Self> {
        let mut words = text.splitn(3, ' ');
        let (Some(backend), Some(peer)) = (words.next(), words.next()) else {
            bail!("`{text}` is no backend's answer");
        };
        let rest = words.next().unwrap_or_default().to_owned();
        Ok(Reply {
            backend: backend.to_owned(),
            peer: peer.parse()?,
            rest,
        })
    }

    pub fn peer_ip(&self) -> IpAddr {
        self.peer.ip()
    }
}

/// A TCP connection from a namespace.
pub struct Connection(TcpStream);

impl Connection {
    /// # Errors
    /// It is refused, or nothing comes back.
    pub fn open(namespace: &Namespace, to: impl Into<SocketAddr>) -> Result<Self> {
        let to = to.into();
        let stream = namespace.within(move || {
            TcpStream::connect_timeout(&to, CAP).with_context(|| format!("connect to {to}"))
        })?;
        stream.set_read_timeout(Some(CAP))?;
        stream.set_nodelay(true)?;
        Ok(Connection(stream))
    }

    /// One request over HTTP; the connection stays.
    ///
    /// # Errors
    /// The connection is reset, or nothing comes back.
    pub fn ask(&mut self) -> Result<Reply> {
        self.0
            .write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            .context("ask")?;
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            self.0.read_exact(&mut byte).context("read an answer")?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head)?;
        let length = head
            .split("Content-Length: ")
            .nth(1)
            .and_then(|rest| rest.lines().next());
        let mut body = vec![0; length.context("no length")?.parse()?];
        self.0.read_exact(&mut body)?;
        Reply::parse(&String::from_utf8(body)?)
    }
}

/// A connection for one request.
///
/// # Errors
/// It is refused, or nothing comes back.
pub fn get(namespace: &Namespace, to: impl Into<SocketAddr>) -> Result<Reply> {
    Connection::open(namespace, to)?.ask()
}

/// Sends bytes to an echo server and gets them back, both at once.
///
/// # Errors
/// The connection is reset, or other bytes come back.
pub fn transfer(namespace: &Namespace, to: impl Into<SocketAddr>, bytes: Vec<u8>) -> Result<()> {
    let Connection(mut stream) = Connection::open(namespace, to)?;
    let (sent, mut writer) = (bytes.clone(), stream.try_clone()?);
    let sender = std::thread::spawn(move || {
        writer.write_all(&sent)?;
        writer.shutdown(std::net::Shutdown::Write)
    });
    let mut back = Vec::new();
    stream
        .read_to_end(&mut back)
        .context("read what comes back")?;
    sender.join().expect("a sender does not panic")?;
    anyhow::ensure!(
        back == bytes,
        "{} bytes were sent, {} came back",
        bytes.len(),
        back.len()
    );
    Ok(())
}

/// How a closed port answers a TCP connection and a datagram.
///
/// # Errors
/// Somebody answers, or nobody at all.
pub fn refusals(
    namespace: &Namespace,
    tcp: impl Into<SocketAddr>,
    udp: impl Into<SocketAddr>,
) -> Result<()> {
    let (tcp, udp): (SocketAddr, SocketAddr) = (tcp.into(), udp.into());
    namespace.within(move || {
        let refused = |result: std::io::Result<()>, what: &str| match result {
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Ok(()),
            other => bail!("{what}: {other:?}, not refused"),
        };
        refused(TcpStream::connect_timeout(&tcp, CAP).map(drop), "TCP")?;
        let socket = UdpSocket::bind((unspecified(udp.ip()), 0))?;
        socket.set_read_timeout(Some(CAP))?;
        socket.connect(udp)?;
        socket.send(b"anybody?")?;
        refused(socket.recv(&mut [0; 64]).map(drop), "UDP")
    })
}

/// The unspecified address of another's family.
fn unspecified(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// A UDP socket in a namespace, at a port of the caller's choice (or 0).
///
/// # Errors
/// The port is taken.
pub fn udp(namespace: &Namespace, port: u16) -> Result<UdpSocket> {
    udp_at(namespace, (Ipv4Addr::UNSPECIFIED, port))
}

/// A UDP socket in a namespace, at an address and port of the caller's choice.
///
/// # Errors
/// The port is taken, or the address is nobody's there.
pub fn udp_at(namespace: &Namespace, local: impl Into<SocketAddr>) -> Result<UdpSocket> {
    let local = local.into();
    let socket = namespace.within(move || Ok(UdpSocket::bind(local)?))?;
    socket.set_read_timeout(Some(CAP))?;
    Ok(socket)
}

/// Sends a datagram and waits for the answer.
///
/// # Errors
/// Nothing comes back.
pub fn exchange(socket: &UdpSocket, to: impl Into<SocketAddr>, text: &str) -> Result<Reply> {
    let to = to.into();
    socket.send_to(text.as_bytes(), to)?;
    let mut buffer = [0; DATAGRAM_MOST];
    let (length, _) = socket
        .recv_from(&mut buffer)
        .with_context(|| format!("no answer of {to}"))?;
    Reply::parse(std::str::from_utf8(&buffer[..length])?)
}

/// Sends an ICMP echo request and waits for its reply: who it is from.
///
/// # Errors
/// Nothing comes back.
pub fn ping(namespace: &Namespace, to: Ipv4Addr) -> Result<Ipv4Addr> {
    namespace.within(move || {
        let protocol = socket::SockProtocol::Icmp;
        let raw = socket::socket(
            AddressFamily::Inet,
            SockType::Raw,
            SockFlag::empty(),
            protocol,
        )?;
        let timeout = nix::sys::time::TimeVal::new(CAP.as_secs() as i64, 0);
        socket::setsockopt(&raw, socket::sockopt::ReceiveTimeout, &timeout)?;
        let mut echo = vec![8, 0, 0, 0, 0x12, 0x34, 0, 1];
        echo.extend(b"are you there?");
        let check = checksum(&[&echo]);
        echo[2..4].copy_from_slice(&check.to_be_bytes());
        let to = SockaddrIn::from(SocketAddrV4::new(to, 0));
        socket::sendto(raw.as_raw_fd(), &echo, &to, socket::MsgFlags::empty())?;
        let mut buffer = [0; 128];
        for _ in 0..8 {
            let (length, _) = socket::recvfrom::<SockaddrIn>(raw.as_raw_fd(), &mut buffer)?;
            let reply = buffer.get(20..length).unwrap_or_default();
            if reply.first() == Some(&0) && reply.get(4..) == echo.get(4..) {
                let from: [u8; 4] = buffer[12..16].try_into()?;
                return Ok(from.into());
            }
        }
        bail!("other ICMP came back")
    })
}

/// Sends an ICMP message and waits for the answer to it: its type.
///
/// # Errors
/// Nothing comes back.
pub fn icmp(namespace: &Namespace, to: Ipv4Addr, kind: u8, rest: &[u8]) -> Result<u8> {
    let rest = rest.to_owned();
    namespace.within(move || {
        let protocol = socket::SockProtocol::Icmp;
        let raw = socket::socket(
            AddressFamily::Inet,
            SockType::Raw,
            SockFlag::empty(),
            protocol,
        )?;
        let timeout = nix::sys::time::TimeVal::new(CAP.as_secs() as i64, 0);
        socket::setsockopt(&raw, socket::sockopt::ReceiveTimeout, &timeout)?;
        let mut message = vec![kind, 0, 0, 0, 0x43, 0x21, 0, 1];
        message.extend(rest);
        let check = checksum(&[&message]);
        message[2..4].copy_from_slice(&check.to_be_bytes());
        let to = SockaddrIn::from(SocketAddrV4::new(to, 0));
        socket::sendto(raw.as_raw_fd(), &message, &to, socket::MsgFlags::empty())?;
        let mut buffer = [0; 128];
        for _ in 0..8 {
            let (length, _) = socket::recvfrom::<SockaddrIn>(raw.as_raw_fd(), &mut buffer)?;
            let reply = buffer.get(20..length).unwrap_or_default();
            if let (Some(kind), true) = (reply.first(), reply.get(4..8) == message.get(4..8)) {
                return Ok(*kind);
            }
        }
        bail!("other ICMP came back")
    })
}

/// The same with ICMPv6.
///
/// # Errors
/// Nothing comes back.
pub fn ping6(namespace: &Namespace, to: Ipv6Addr) -> Result<Ipv6Addr> {
    namespace.within(move || {
        let raw = socket::socket(
            AddressFamily::Inet6,
            SockType::Raw,
            SockFlag::empty(),
            socket::SockProtocol::IcmpV6,
        )?;
        let timeout = nix::sys::time::TimeVal::new(CAP.as_secs() as i64, 0);
        socket::setsockopt(&raw, socket::sockopt::ReceiveTimeout, &timeout)?;
        // The kernel writes the checksum of ICMPv6.
        let mut echo = vec![128, 0, 0, 0, 0x12, 0x34, 0, 1];
        echo.extend(b"are you there?");
        let to = SockaddrIn6::from(SocketAddrV6::new(to, 0, 0, 0));
        socket::sendto(raw.as_raw_fd(), &echo, &to, socket::MsgFlags::empty())?;
        let mut buffer = [0; 128];
        for _ in 0..32 {
            let (length, from) = socket::recvfrom::<SockaddrIn6>(raw.as_raw_fd(), &mut buffer)?;
            let reply = buffer.get(..length).unwrap_or_default();
            if reply.first() == Some(&129) && reply.get(4..) == echo.get(4..) {
                return Ok(from.context("from nobody")?.ip());
            }
        }
        bail!("other ICMPv6 came back")
    })
}

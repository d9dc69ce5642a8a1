//! Three namespaces: clients, balancer, backends.
//!
//! ```text
//!  clients            balancer                     backends
//!  peer ------------- front          back -------- peer
//!  198.51.100.2       198.51.100.1   203.0.113.1   203.0.113.11 to .138
//!  10.64.0.0/14 behind it            VIP 192.0.2.1:8080/udp
//!  2001:db8:1::2      2001:db8:1::1  2001:db8:2::1 2001:db8:2::11 to ::90
//!  2001:db8:a::/96 behind it         VIP 2001:db8:ff::1
//! ```
//! The namespaces have no names: they live as long as this process holds them, however it ends.
//! Neighbours are permanent, and the kernels' IPv6 is off (who forwards IPv6 in XDP does not
//! need it), so that nothing but the benchmark sends.

use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};
use std::{fs, process, thread};

use anyhow::{Context, ensure};
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, setns, unshare};

pub const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub const VIP_PORT: u16 = 8080;
pub const BACKEND_PORT: u16 = 9000;
/// As in bench.h. Source NAT of a million flows needs many.
pub const BACKENDS: usize = 128;
pub const VIP6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 1);
/// The clients' addresses of IPv6: this and 32 bits.
pub const CLIENTS6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 0);
pub const CLIENTS6_BITS: u8 = 96;
/// An address behind the balancer that is no VIP.
pub const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 11);
pub const FRONT: &str = "front";
pub const BACK: &str = "back";
const PEER: &str = "peer";

pub const FRONT_MAC: [u8; 6] = [2, 0, 0, 0, 1, 1];
pub const CLIENT_MAC: [u8; 6] = [2, 0, 0, 0, 1, 2];
pub const BACK_MAC: [u8; 6] = [2, 0, 0, 0, 2, 1];
pub const BACKEND_MAC: [u8; 6] = [2, 0, 0, 0, 2, 2];

pub const MTU: u32 = 1500;
pub const FRONT_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
pub const CLIENT_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
pub const BACK_ADDRESS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

pub fn backends() -> [Ipv4Addr; BACKENDS] {
    std::array::from_fn(|number| Ipv4Addr::new(203, 0, 113, 11 + number as u8))
}

pub fn backends6() -> [Ipv6Addr; BACKENDS] {
    std::array::from_fn(|number| back_side6(0x11 + number as u16))
}

/// An address on the link to the clients.
pub const fn front_side6(host: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, host)
}

/// An address on the link to the backends.
pub const fn back_side6(host: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, host)
}

pub struct Topology {
    clients: Namespace,
    balancer: Namespace,
    backends: Namespace,
    pub front: u32,
    pub back: u32,
    pub front_peer: u32,
    pub back_peer: u32,
}

impl Topology {
    pub fn new() -> anyhow::Result<Topology> {
        let [clients, balancer, backends] =
            [Namespace::new()?, Namespace::new()?, Namespace::new()?];
        balancer.enter()?;
        ip(&[
            format!(
                "link add {FRONT} address {} type veth peer name {PEER} address {} netns {}",
                mac(FRONT_MAC),
                mac(CLIENT_MAC),
                clients.path()
            ),
            format!(
                "link add {BACK} address {} type veth peer name {PEER} address {} netns {}",
                mac(BACK_MAC),
                mac(BACKEND_MAC),
                backends.path()
            ),
        ])?;
        quiet()?;
        ip(&balancer_lines())?;
        let (front, back) = (index(FRONT)?, index(BACK)?);
        checksums_in_software(&[FRONT, BACK])?;
        let [front_peer, back_peer] = [peer(&clients)?, peer(&backends)?];
        balancer.enter()?;
        Ok(Topology {
            clients,
            balancer,
            backends,
            front,
            back,
            front_peer,
            back_peer,
        })
    }

    /// The calling thread is in the namespace from then on.
    pub fn enter_clients(&self) -> anyhow::Result<()> {
        self.clients.enter()
    }

    pub fn enter_balancer(&self) -> anyhow::Result<()> {
        self.balancer.enter()
    }

    pub fn enter_backends(&self) -> anyhow::Result<()> {
        self.backends.enter()
    }
}

fn balancer_lines() -> Vec<String> {
    let mut lines = vec![
        "link set lo up".to_string(),
        format!("link set {FRONT} up"),
        format!("link set {BACK} up"),
        format!("address add {FRONT_ADDRESS}/24 dev {FRONT}"),
        format!("address add {BACK_ADDRESS}/24 dev {BACK}"),
        format!(
            "neighbour add {CLIENT_ADDRESS} lladdr {} nud permanent dev {FRONT}",
            mac(CLIENT_MAC)
        ),
        format!("route add 10.64.0.0/14 via {CLIENT_ADDRESS} dev {FRONT}"),
    ];
    for backend in backends() {
        lines.push(format!(
            "neighbour add {backend} lladdr {} nud permanent dev {BACK}",
            mac(BACKEND_MAC)
        ));
    }
    lines
}

/// Sets the far end of a link up; the namespace stays entered.
fn peer(namespace: &Namespace) -> anyhow::Result<u32> {
    namespace.enter()?;
    quiet()?;
    ip(&[format!("link set {PEER} up")])?;
    checksums_in_software(&[PEER])?;
    index(PEER)
}

/// Forwarding on, IPv6 and source validation off.
fn quiet() -> anyhow::Result<()> {
    for (key, value) in [
        ("ipv6/conf/all/disable_ipv6", "1"),
        ("ipv6/conf/default/disable_ipv6", "1"),
        ("ipv4/ip_forward", "1"),
        ("ipv4/conf/all/rp_filter", "0"),
        ("ipv4/conf/default/rp_filter", "0"),
    ] {
        let path = format!("/proc/sys/net/{key}");
        match fs::write(&path, value) {
            Err(error)
                if key.starts_with("ipv6") && error.kind() == std::io::ErrorKind::NotFound => {}
            result => result.with_context(|| format!("writing {path}"))?,
        }
    }
    for interface in [FRONT, BACK] {
        let _absent_in_other_namespaces = fs::write(
            format!("/proc/sys/net/ipv4/conf/{interface}/rp_filter"),
            "0",
        );
        let _absent_without_ipv6 = fs::write(
            format!("/proc/sys/net/ipv6/conf/{interface}/disable_ipv6"),
            "1",
        );
    }
    Ok(())
}

fn checksums_in_software(interfaces: &[&str]) -> anyhow::Result<()> {
    for interface in interfaces {
        run("ethtool", &["-K", interface, "tx", "off"], "")?;
    }
    Ok(())
}

fn index(interface: &str) -> anyhow::Result<u32> {
    if_nametoindex(interface).with_context(|| format!("interface {interface}"))
}

fn ip(lines: &[String]) -> anyhow::Result<()> {
    run("ip", &["-batch", "-"], &lines.join("\n"))
}

/// Runs a command in the current namespace.
pub fn run(program: &str, arguments: &[&str], input: &str) -> anyhow::Result<()> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("running {program}: is it installed? `make deps`"))?;
    let mut stdin = child.stdin.take().expect("stdin is piped");
    stdin
        .write_all(input.as_bytes())
        .with_context(|| format!("writing to {program}"))?;
    drop(stdin);
    let output = child
        .wait_with_output()
        .with_context(|| format!("waiting for {program}"))?;
    ensure!(
        output.status.success(),
        "{program} {}: {}\n{input}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

fn mac(bytes: [u8; 6]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}

struct Namespace(File);

impl Namespace {
    fn new() -> anyhow::Result<Namespace> {
        let made = thread::spawn(|| -> anyhow::Result<File> {
            unshare(CloneFlags::CLONE_NEWNET).context("making a network namespace")?;
            File::open("/proc/thread-self/ns/net").context("opening a network namespace")
        });
        Ok(Namespace(made.join().expect("the thread does not panic")?))
    }

    fn enter(&self) -> anyhow::Result<()> {
        setns(&self.0, CloneFlags::CLONE_NEWNET).context("entering a network namespace")
    }

    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.0.as_raw_fd())
    }
}

//! Networks of namespaces that are gone when they are dropped.
//!
//! ```text
//! Topology::routed(2)                      Topology::flat(2)
//!
//!   client 10.0.0.2                          client 10.0.0.2 --+
//!      |                                                       |
//!   front 10.0.0.1                           front 10.0.0.1 ---+ bridge, in a namespace
//!   balancer                                 balancer          |
//!   back1 31.0.1.254    back2 31.0.2.254     backends 10.0.0.11+
//!      |                   |
//!   31.0.1.1            31.0.2.1
//! ```
//! Backends and client have the balancer as their default gateway.

use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread::JoinHandle;

use anyhow::{Context, Result, ensure};
use libbpf_rs::{Link, ObjectBuilder};
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, setns};

use crate::unique;

/// A network namespace with its loopback up.
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// # Errors
    /// `ip netns add` fails.
    pub fn new(role: &str) -> Result<Self> {
        let namespace = Namespace {
            name: unique::name(role),
        };
        run(Command::new("ip").args(["netns", "add", &namespace.name]))?;
        namespace.ip("link set lo up")?;
        // What IPv6 says by itself would be counted beside what a test sends.
        namespace.within(|| {
            for scope in ["all", "default"] {
                let path = format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6");
                if Path::new(&path).exists() {
                    std::fs::write(path, "1")?;
                }
            }
            Ok(())
        })?;
        Ok(namespace)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn path(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(&self.name)
    }

    /// `ip WORDS` inside; `ip -n` would need a root directory that is a mount.
    ///
    /// # Errors
    /// What it says.
    pub fn ip(&self, words: &str) -> Result<String> {
        let output = run(self.command("ip").args(words.split_whitespace()))?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// A command inside; unlike in `ip netns exec`, bpffs stays where it is.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net={}", self.path().display()))
            .arg(program);
        command
    }

    /// Moves the calling thread into it.
    ///
    /// # Errors
    /// The namespace is gone, or the caller isn't root.
    pub fn enter(&self) -> Result<()> {
        let file = File::open(self.path()).with_context(|| self.name.clone())?;
        setns(file, CloneFlags::CLONE_NEWNET).with_context(|| format!("enter {}", self.name))
    }

    /// A thread inside.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> JoinHandle<Result<T>> {
        let path = self.path();
        std::thread::spawn(move || {
            setns(File::open(path)?, CloneFlags::CLONE_NEWNET).context("enter the namespace")?;
            work()
        })
    }

    /// Does something inside, and waits for it.
    ///
    /// # Errors
    /// Of the work.
    ///
    /// # Panics
    /// If the work does.
    pub fn within<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.spawn(work)
            .join()
            .expect("work within a namespace does not panic")
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip")
            .args(["netns", "delete", &self.name])
            .output();
    }
}

/// Runs a command that must succeed.
///
/// # Errors
/// What it printed.
pub fn run(command: &mut Command) -> Result<Output> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let text = || String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.success(),
        "{command:?}: {}: {}",
        output.status,
        text()
    );
    Ok(output)
}

/// One end of a veth pair.
pub struct End<'a> {
    pub namespace: &'a Namespace,
    pub name: &'a str,
}

impl<'a> End<'a> {
    pub fn of(namespace: &'a Namespace, name: &'a str) -> Self {
        End { namespace, name }
    }

    /// Checksums and segments are made by software before a frame leaves, as XDP reads them.
    /// With GRO on, a veth receives what its peer transmits by XDP.
    fn tune(&self) -> Result<()> {
        let words = [
            "-K", self.name, "tx", "off", "tso", "off", "gso", "off", "gro", "on",
        ];
        run(self.namespace.command("ethtool").args(words)).map(drop)
    }

    /// A program that passes everything. With one, a veth receives what its peer sends back by
    /// XDP_TX; GRO is enough for what is redirected only. (`ip link` would load it, but wants a
    /// bpffs of its own taste.)
    fn receive_from_xdp(&self, program: &Path) -> Result<Link> {
        let (name, program) = (self.name.to_owned(), program.to_owned());
        self.namespace.within(move || {
            let ifindex = if_nametoindex(name.as_str())?;
            let object = ObjectBuilder::default().open_file(program)?.load()?;
            let pass = object.progs_mut().next().context("it has one program")?;
            Ok(pass.attach_xdp(i32::try_from(ifindex)?)?)
        })
    }

    fn up(&self) -> Result<()> {
        self.namespace
            .ip(&format!("link set {} up", self.name))
            .map(drop)
    }
}

/// A veth pair, up.
///
/// # Errors
/// What `ip` or `ethtool` say.
pub fn connect(a: &End, b: &End) -> Result<()> {
    a.namespace.ip(&format!(
        "link add {} type veth peer name {} netns {}",
        a.name,
        b.name,
        b.namespace.name()
    ))?;
    // A veth looks when it is brought up whether its peer would receive from XDP.
    a.tune()?;
    b.tune()?;
    a.up()?;
    b.up()
}

/// Compiles the program of `End::receive_from_xdp`.
fn pass_program(directory: &Path) -> Result<PathBuf> {
    const SOURCE: &str =
        "__attribute__((section(\"xdp\"), used)) int pass(void *context) { return 2; }";
    let (source, object) = (directory.join("pass.c"), directory.join("pass.o"));
    std::fs::write(&source, SOURCE)?;
    let clang = std::env::var_os("CLANG").unwrap_or_else(|| "clang-19".into());
    let flags = ["-O2", "-g", "-target", "bpf", "-c"];
    run(Command::new(clang)
        .args(flags)
        .arg(&source)
        .arg("-o")
        .arg(&object))?;
    Ok(object)
}

pub struct Topology {
    pub client: Namespace,
    pub balancer: Namespace,
    pub backends: Vec<Namespace>,
    /// Of the backends.
    pub addresses: Vec<Ipv4Addr>,
    /// The balancer's interfaces, front first.
    pub interfaces: Vec<String>,
    _switch: Option<Namespace>,
    _links: Vec<Link>,
}

pub const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub const FRONT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

impl Topology {
    /// Each backend on an interface and a subnet of its own.
    ///
    /// # Errors
    /// What `ip` or `ethtool` say.
    pub fn routed(backends: u8) -> Result<Self> {
        let mut topology = Self::sides(backends, None)?;
        let balancer = &topology.balancer;
        connect(
            &End::of(balancer, "front"),
            &End::of(&topology.client, "eth0"),
        )?;
        for (number, backend) in (1u8..).zip(&topology.backends) {
            let name = format!("back{number}");
            connect(&End::of(balancer, &name), &End::of(backend, "eth0"))?;
            balancer.ip(&format!("address add 31.0.{number}.254/24 dev {name}"))?;
            backend.ip(&format!("address add 31.0.{number}.1/24 dev eth0"))?;
            backend.ip(&format!("route add default via 31.0.{number}.254"))?;
        }
        let numbers = 1..=backends;
        let directory = tempfile::tempdir()?;
        let program = pass_program(directory.path())?;
        for namespace in topology.backends.iter().chain([&topology.client]) {
            let link = End::of(namespace, "eth0").receive_from_xdp(&program)?;
            topology._links.push(link);
        }
        topology.addresses = numbers
            .clone()
            .map(|number| Ipv4Addr::new(31, 0, number, 1))
            .collect();
        topology
            .interfaces
            .extend(numbers.map(|number| format!("back{number}")));
        topology.front()?;
        Ok(topology)
    }

    /// Client, balancer and backends on one bridge and subnet.
    ///
    /// # Errors
    /// What `ip` or `ethtool` say.
    pub fn flat(backends: u8) -> Result<Self> {
        let switch = Namespace::new("sw")?;
        switch.ip("link add bridge type bridge")?;
        switch.ip("link set bridge up")?;
        let mut topology = Self::sides(backends, Some(switch))?;
        let switch = topology._switch.as_ref().context("made above")?;
        let plug = |namespace: &Namespace, name: &str, port: &str| {
            connect(&End::of(switch, port), &End::of(namespace, name))?;
            switch.ip(&format!("link set {port} master bridge"))
        };
        plug(&topology.client, "eth0", "client")?;
        plug(&topology.balancer, "front", "balancer")?;
        let directory = tempfile::tempdir()?;
        let program = pass_program(directory.path())?;
        let link = End::of(switch, "balancer").receive_from_xdp(&program)?;
        topology._links.push(link);
        for (number, backend) in (11u8..).zip(&topology.backends) {
            plug(backend, "eth0", &format!("backend{number}"))?;
            backend.ip(&format!("address add 10.0.0.{number}/24 dev eth0"))?;
            backend.ip(&format!("route add default via {FRONT}"))?;
        }
        topology.addresses = (11..11 + backends)
            .map(|number| Ipv4Addr::new(10, 0, 0, number))
            .collect();
        topology.front()?;
        Ok(topology)
    }

    fn sides(backends: u8, switch: Option<Namespace>) -> Result<Self> {
        let backends = (0..backends).map(|_| Namespace::new("back"));
        Ok(Topology {
            client: Namespace::new("client")?,
            balancer: Namespace::new("lb")?,
            backends: backends.collect::<Result<_>>()?,
            addresses: Vec::new(),
            interfaces: vec!["front".to_owned()],
            _switch: switch,
            _links: Vec::new(),
        })
    }

    fn front(&self) -> Result<()> {
        self.balancer
            .ip(&format!("address add {FRONT}/24 dev front"))?;
        self.client
            .ip(&format!("address add {CLIENT}/24 dev eth0"))?;
        self.client.ip(&format!("route add default via {FRONT}"))?;
        Ok(())
    }

    /// Prints what its namespaces saw, for a test that failed.
    pub fn describe(&self) {
        for namespace in [&self.client, &self.balancer]
            .into_iter()
            .chain(&self.backends)
        {
            eprintln!("---- {}", namespace.name());
            for words in ["-s link show", "neigh show", "route show"] {
                eprintln!("{}", namespace.ip(words).unwrap_or_default());
            }
        }
    }

    /// The MAC address of an interface of the balancer.
    ///
    /// # Errors
    /// There is no such interface.
    pub fn mac(&self, interface: &str) -> Result<String> {
        mac(&self.balancer, interface)
    }
}

/// # Errors
/// There is no such interface.
pub fn mac(namespace: &Namespace, interface: &str) -> Result<String> {
    let text = namespace.ip(&format!("link show {interface}"))?;
    let mut words = text
        .split_whitespace()
        .skip_while(|word| *word != "link/ether");
    let mac = words
        .nth(1)
        .ok_or_else(|| io::Error::other("no link/ether"))?;
    Ok(mac.to_owned())
}

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

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result};
use libbpf_rs::Link;

use crate::namespace::{Namespace, mac, run};
use crate::programs::Programs;

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

pub struct Topology {
    pub client: Namespace,
    pub balancer: Namespace,
    pub backends: Vec<Namespace>,
    /// Of the backends.
    pub addresses: Vec<Ipv4Addr>,
    /// The same, if there is IPv6.
    pub addresses6: Vec<Ipv6Addr>,
    /// The balancer's interfaces, front first.
    pub interfaces: Vec<String>,
    _switch: Option<Namespace>,
    _links: Vec<Link>,
}

pub const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub const FRONT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub const CLIENT6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
pub const FRONT6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

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
        let programs = Programs::new()?;
        for namespace in topology.backends.iter().chain([&topology.client]) {
            topology._links.push(programs.receive(namespace, "eth0")?);
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
        let link = Programs::new()?.receive(switch, "balancer")?;
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
            addresses6: Vec::new(),
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

    /// Both families everywhere: backends are `2001:db8:31:N::1` each behind a subnet of its own
    /// (`routed`) or `2001:db8::N` beside the client (`flat`).
    ///
    /// # Errors
    /// What `ip` says.
    pub fn with_ipv6(mut self) -> Result<Self> {
        for namespace in [&self.balancer, &self.client]
            .into_iter()
            .chain(&self.backends)
        {
            namespace.enable_ipv6()?;
        }
        let add = |namespace: &Namespace, address: String, name: &str| {
            namespace.ip(&format!("address add {address} dev {name} nodad"))
        };
        add(&self.balancer, format!("{FRONT6}/64"), "front")?;
        add(&self.client, format!("{CLIENT6}/64"), "eth0")?;
        self.client.ip(&format!("route add default via {FRONT6}"))?;
        let numbers = (1u16..).zip(&self.backends);
        for (number, backend) in numbers {
            let (own, gateway) = match self._switch {
                Some(_) => (
                    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10 + number),
                    FRONT6,
                ),
                None => {
                    let of = |host| Ipv6Addr::new(0x2001, 0xdb8, 0x31, number, 0, 0, 0, host);
                    add(
                        &self.balancer,
                        format!("{}/64", of(0xfe)),
                        &format!("back{number}"),
                    )?;
                    (of(1), of(0xfe))
                }
            };
            add(backend, format!("{own}/64"), "eth0")?;
            backend.ip(&format!("route add default via {gateway}"))?;
            self.addresses6.push(own);
        }
        Ok(self)
    }

    /// Backends open tunnels that come to them.
    ///
    /// # Errors
    /// What the compiler or the kernel say.
    pub fn with_tunnels(mut self) -> Result<Self> {
        let programs = Programs::new()?;
        for backend in &self.backends {
            self._links.push(programs.decapsulate(backend, "eth0")?);
        }
        Ok(self)
    }

    /// The client's frames are of a VLAN.
    ///
    /// # Errors
    /// What the compiler, `tc` or the kernel say.
    pub fn with_client_vlan(mut self, vlan: u16) -> Result<Self> {
        // The program that only receives makes room.
        let own = self._links.len() - 1;
        self._links.truncate(own);
        self._links
            .push(Programs::new()?.tag(&self.client, "eth0", vlan)?);
        Ok(self)
    }

    /// All links carry packets of this size.
    ///
    /// # Errors
    /// What `ip` says.
    pub fn with_mtu(self, mtu: u32) -> Result<Self> {
        let set =
            |namespace: &Namespace, name: &str| namespace.ip(&format!("link set {name} mtu {mtu}"));
        for name in &self.interfaces {
            set(&self.balancer, name)?;
        }
        for namespace in self.backends.iter().chain([&self.client]) {
            set(namespace, "eth0")?;
        }
        Ok(self)
    }

    /// Every backend has this address itself, and tells nobody (RFC 826 would).
    ///
    /// # Errors
    /// What `ip` says.
    pub fn share(&self, vip: IpAddr) -> Result<()> {
        for backend in &self.backends {
            if vip.is_ipv4() {
                backend.sysctl("net/ipv4/conf/all/arp_ignore", "1")?;
                backend.sysctl("net/ipv4/conf/all/arp_announce", "2")?;
                backend.ip(&format!("address add {vip}/32 dev lo"))?;
            } else {
                backend.ip(&format!("address add {vip}/128 dev lo nodad"))?;
            }
        }
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

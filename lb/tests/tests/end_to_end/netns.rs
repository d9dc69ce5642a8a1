//! What the tests share. VIPs in 20.0.0.0/24 are routed to the balancer by the client.

use std::net::{Ipv4Addr, SocketAddrV4};

use lb_tests::daemon::Daemon;
use lb_tests::topology::Topology;
use lb_tests::traffic::Server;

mod changes;
mod forwarding;
mod refusals;
mod restart;

const VIP: Ipv4Addr = Ipv4Addr::new(20, 0, 0, 1);
const WEB: SocketAddrV4 = SocketAddrV4::new(VIP, 80);
const DNS: SocketAddrV4 = SocketAddrV4::new(VIP, 53);

/// A network with everything running.
struct Site {
    /// First to be dropped: the others' namespaces go after it.
    daemon: Daemon,
    _servers: Vec<Server>,
    topology: Topology,
}

impl Drop for Site {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.topology.describe();
        }
    }
}

impl Site {
    /// Backends each on a subnet of their own.
    fn routed(backends: u8) -> Self {
        Self::of(Topology::routed(backends).unwrap())
    }

    fn of(topology: Topology) -> Self {
        let servers = Server::all(&topology).unwrap();
        let daemon = Daemon::start(&topology).unwrap();
        Site {
            daemon,
            _servers: servers,
            topology,
        }
    }

    /// `--endpoints=` of all backends.
    fn endpoints(&self) -> String {
        let addresses: Vec<String> = self
            .topology
            .addresses
            .iter()
            .map(|address| format!("{address}:1"))
            .collect();
        format!("--endpoints={}", addresses.join(","))
    }

    /// An HTTP service at `WEB` over all backends.
    fn web(&self, words: &str) {
        let endpoints = self.endpoints();
        self.daemon
            .create(&format!("{VIP} --tcp=80:8080 {endpoints} {words}"))
            .unwrap();
    }

    /// A UDP service at `DNS` over all backends.
    fn dns(&self, words: &str) {
        let endpoints = self.endpoints();
        self.daemon
            .create(&format!("{VIP} --udp=53:5353 {endpoints} {words}"))
            .unwrap();
    }
}

//! What the tests share. VIPs in 20.0.0.0/24 and 2001:db8:20::/64 are routed to the balancer by the
//! client.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};

use lb_tests::daemon::Daemon;
use lb_tests::datapath::Datapath;
use lb_tests::topology::Topology;
use lb_tests::traffic::Server;
use serde_json::Value;

/// Each of these functions is a test on either path: `xdp::NAME` and `afxdp::NAME`.
macro_rules! on_both_paths {
    ($($name:ident),+ $(,)?) => {
        mod xdp {
            $(
                #[test]
                #[ignore = "needs root: run make test"]
                fn $name() {
                    super::$name(lb_tests::datapath::Datapath::Xdp);
                }
            )+
        }

        mod afxdp {
            $(
                #[test]
                #[ignore = "needs root: run make test"]
                fn $name() {
                    super::$name(lb_tests::datapath::Datapath::AfXdp);
                }
            )+
        }
    };
}

mod announce;
mod changes;
mod direct;
mod forwarding;
mod health;
mod ipv6;
mod links;
mod paths;
mod policies;
mod refusals;
mod restart;
mod safe;
mod trust;

const VIP: Ipv4Addr = Ipv4Addr::new(20, 0, 0, 1);
const WEB: SocketAddrV4 = SocketAddrV4::new(VIP, 80);
const DNS: SocketAddrV4 = SocketAddrV4::new(VIP, 53);
const VIP6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x20, 0, 0, 0, 0, 1);
const WEB6: SocketAddrV6 = SocketAddrV6::new(VIP6, 80, 0, 0);
const DNS6: SocketAddrV6 = SocketAddrV6::new(VIP6, 53, 0, 0);

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
    fn routed(path: Datapath, backends: u8) -> Self {
        Self::of(path, Topology::routed(backends).unwrap())
    }

    fn of(path: Datapath, topology: Topology) -> Self {
        let servers = Server::all(&topology).unwrap();
        let daemon = Daemon::start(&topology, path).unwrap();
        Site {
            daemon,
            _servers: servers,
            topology,
        }
    }

    /// The same in both families.
    fn dual(path: Datapath, backends: u8) -> Self {
        Self::of(
            path,
            Topology::routed(backends).unwrap().with_ipv6().unwrap(),
        )
    }

    /// Serves these, JSON as in a document, instead of what was served before.
    fn serve(&self, services: &[String]) {
        let body = format!(r#"{{"services":[{}]}}"#, services.join(","));
        let (status, answer) = self
            .daemon
            .request("PUT", "/v1/documents/api", &body)
            .unwrap();
        assert!((200..300).contains(&status), "{body}: {status} {answer}");
        lb_tests::wait::until("the document to be served", || {
            let (_, services_now) = self.daemon.get("/v1/services")?;
            let all = services_now
                .as_array()
                .or_else(|| services_now["items"].as_array());
            Ok((all.map(Vec::len) == Some(services.len())).then_some(()))
        })
        .unwrap();
        self.daemon.programmed().unwrap();
    }

    /// The status of a service, by its protocol and port.
    fn service(&self, protocol: &str, port: u16) -> Value {
        let (_, services) = self.daemon.get("/v1/services").unwrap();
        let all = services
            .as_array()
            .or_else(|| services["items"].as_array())
            .unwrap();
        let is = |service: &&Value| {
            service["spec"]["protocol"] == protocol && service["spec"]["port"] == port
        };
        all.iter().find(is).unwrap().clone()
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

/// A service of a document. `words` are further fields, with a comma behind each.
fn service(vip: impl ToString, port: u16, protocol: &str, words: &str, backends: &str) -> String {
    let vip = vip.to_string();
    format!(
        r#"{{"vip":"{vip}","port":{port},"protocol":"{protocol}",{words}"backends":[{backends}]}}"#
    )
}

/// Backends at one port; None: the port that the client asked for.
fn backends<A: ToString>(addresses: &[A], port: Option<u16>) -> String {
    let backend = |address: &A| {
        let address = address.to_string();
        match port {
            Some(port) => format!(r#"{{"address":"{address}","port":{port}}}"#),
            None => format!(r#"{{"address":"{address}"}}"#),
        }
    };
    let all: Vec<String> = addresses.iter().map(backend).collect();
    all.join(",")
}

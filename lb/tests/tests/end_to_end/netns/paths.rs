//! What only two paths can show: that they are mixed, changed, and what becomes of a worker.

use std::net::SocketAddrV4;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lb_tests::daemon::Daemon;
use lb_tests::datapath::Datapath;
use lb_tests::topology::{FRONT, Topology};
use lb_tests::traffic::{Connection, Server, exchange, get, icmp, ping, transfer, udp};
use lb_tests::wait::{CAP, until};
use lb_tests::workers;
use nix::sys::signal::Signal;

use super::{DNS, Site, VIP, WEB, service};

const HELD: usize = 20;
const BOTH: [&str; 2] = ["front", "back1"];

impl Site {
    /// One backend; the client's side on one path and the backend's on another.
    fn mixed(front: Datapath, back: Datapath) -> Self {
        let topology = Topology::routed(1).unwrap();
        let servers = Server::all(&topology).unwrap();
        let (front, back) = (front.interface("front", ""), back.interface("back1", ""));
        let daemon = Daemon::with(&topology, &format!("interfaces:\n{front}{back}")).unwrap();
        Site {
            daemon,
            _servers: servers,
            topology,
        }
    }

    fn hold(&self) -> Vec<Connection> {
        let mut held: Vec<Connection> = (0..HELD)
            .map(|_| Connection::open(&self.topology.client, WEB).unwrap())
            .collect();
        ask(&mut held);
        held
    }

    /// Every frame is counted once, on whichever path.
    fn rest(&self) {
        until("every frame to be counted", || {
            let (received, ended) = self.daemon.counted()?;
            Ok((received == ended && received > 0).then_some(()))
        })
        .unwrap_or_else(|error| panic!("{error}: {:?}", self.daemon.counted()));
    }
}

fn ask(held: &mut [Connection]) {
    for connection in held {
        connection.ask().unwrap();
    }
}

fn megabytes() -> Vec<u8> {
    (0..4u32 << 20)
        .map(|index| (index ^ index >> 9) as u8)
        .collect()
}

fn works_mixed(front: Datapath, back: Datapath) {
    let site = Site::mixed(front, back);
    site.web("");
    site.dns("");
    for (name, path) in BOTH.into_iter().zip([front, back]) {
        site.daemon.forwarded_by(name, path).unwrap();
    }
    let _echo = Server::echo(&site.topology.backends[0], site.topology.addresses[0], 7000).unwrap();
    let endpoints = site.endpoints();
    site.daemon
        .create(&format!("{VIP} --tcp=7000:7000 {endpoints}"))
        .unwrap();
    let client = &site.topology.client;
    get(client, WEB).unwrap();
    let socket = udp(client, 0).unwrap();
    for _ in 0..50 {
        exchange(&socket, DNS, "mixed").unwrap();
    }
    transfer(client, SocketAddrV4::new(VIP, 7000), megabytes()).unwrap();
    site.rest();
    // Both interfaces have a socket, and the one that XDP forwards only sends.
    for (name, path) in BOTH.into_iter().zip([front, back]) {
        let other_is_served = (name == "front") == (back == Datapath::AfXdp);
        until("sockets' counters to be read", || {
            let one = site.daemon.interface(name)?;
            let socket = &one["sockets"][0];
            let number = |name: &str| socket[name].as_u64().unwrap_or(0);
            let receives = match path {
                Datapath::Xdp => socket["sendOnly"] == true && number("rx") == 0,
                Datapath::AfXdp => number("rx") > 50,
            };
            let sends = !other_is_served || number("tx") > 50;
            Ok((receives && sends).then_some(()))
        })
        .unwrap_or_else(|error| panic!("{error}: {:?}", site.daemon.interface(name)));
    }
}

#[test]
#[ignore = "needs root: run make test"]
fn clients_on_xdp_reach_backends_on_af_xdp() {
    works_mixed(Datapath::Xdp, Datapath::AfXdp);
}

#[test]
#[ignore = "needs root: run make test"]
fn clients_on_af_xdp_reach_backends_on_xdp() {
    works_mixed(Datapath::AfXdp, Datapath::Xdp);
}

#[test]
#[ignore = "needs root: run make test"]
fn interfaces_change_their_path_under_traffic_and_no_connection_is_lost() {
    let site = Site::routed(Datapath::Xdp, 1);
    site.web("");
    let _echo = Server::echo(&site.topology.backends[0], site.topology.addresses[0], 7000).unwrap();
    let endpoints = site.endpoints();
    site.daemon
        .create(&format!("{VIP} --tcp=7000:7000 {endpoints}"))
        .unwrap();
    let mut held = site.hold();
    let stop = AtomicBool::new(false);
    let streams = std::thread::scope(|scope| {
        let stream = scope.spawn(|| {
            let mut streams = 0;
            while !stop.load(Ordering::Relaxed) {
                let to = SocketAddrV4::new(VIP, 7000);
                transfer(&site.topology.client, to, megabytes()).unwrap();
                streams += 1;
            }
            streams
        });
        let change = std::panic::AssertUnwindSafe(|| {
            for path in [
                Datapath::AfXdp,
                Datapath::Xdp,
                Datapath::AfXdp,
                Datapath::Xdp,
            ] {
                for name in BOTH {
                    site.daemon.change_path(name, path).unwrap();
                    ask(&mut held);
                }
            }
        });
        let changed = std::panic::catch_unwind(change);
        stop.store(true, Ordering::Relaxed);
        let streams = stream.join();
        changed.unwrap();
        streams.unwrap()
    });
    assert!(streams > 0);
    ask(&mut held);
    site.rest();
}

#[test]
#[ignore = "needs root: run make test"]
fn a_worker_that_is_killed_is_started_again_and_connections_survive() {
    let site = Site::routed(Datapath::AfXdp, 1);
    site.web("");
    site.dns("");
    let mut held = site.hold();
    let before = site.daemon.worker().unwrap();
    let begun = Instant::now();
    workers::kill_one(before).unwrap();
    // A client that does not wait for answers, so that packets come in the gap.
    let socket = udp(&site.topology.client, 0).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(1)))
        .unwrap();
    while exchange(&socket, DNS, "again?").is_err() {
        assert!(begun.elapsed() < CAP, "no worker: {}", site.daemon.log());
    }
    eprintln!("without a worker for {:?}", begun.elapsed());
    assert_ne!(site.daemon.worker().unwrap(), before);
    ask(&mut held);
    until("dropped packets to be counted", || {
        Ok((site.daemon.reason("no_worker")? > 0).then_some(()))
    })
    .unwrap();
    site.rest();
    let (_, status) = site.daemon.get("/v1/status").unwrap();
    assert_eq!(status["worker"]["restarts"], 1, "{}", status["worker"]);
}

/// Lets the daemon go on, however a test ends.
struct Stopped<'a>(&'a Daemon);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        let _ = self.0.signal(Signal::SIGCONT);
    }
}

#[test]
#[ignore = "needs root: run make test"]
fn without_a_worker_what_is_for_no_service_passes_and_connections_to_an_own_address_are_not_reset()
{
    let site = Site::routed(Datapath::AfXdp, 1);
    let endpoints = site.endpoints();
    site.daemon
        .create(&format!("{FRONT} --tcp=80:8080 {endpoints}"))
        .unwrap();
    let own = SocketAddrV4::new(FRONT, 9000);
    let _own = Server::http(&site.topology.balancer, FRONT, own.port(), "own").unwrap();
    let client = &site.topology.client;
    let mut held = Connection::open(client, SocketAddrV4::new(FRONT, 80)).unwrap();
    held.ask().unwrap();
    site.daemon.signal(Signal::SIGSTOP).unwrap();
    let stopped = Stopped(&site.daemon);
    workers::kill_one(site.worker_of_stopped()).unwrap();
    for _ in 0..10 {
        assert_eq!(ping(client, FRONT).unwrap(), FRONT);
        assert_eq!(get(client, own).unwrap().backend, "own");
    }
    // The request is sent again by the client's stack until a worker is there: a reset from the
    // box's own stack would end it.
    let asked = std::thread::spawn(move || held.ask().map(|_| held));
    std::thread::sleep(Duration::from_millis(300));
    drop(stopped);
    let mut held = asked.join().unwrap().unwrap();
    held.ask().unwrap();
    until("dropped packets to be counted", || {
        Ok((site.daemon.reason("no_worker")? > 0).then_some(()))
    })
    .unwrap();
}

impl Site {
    /// The daemon can't be asked.
    fn worker_of_stopped(&self) -> u32 {
        let all = workers::of(self.daemon.instance()).unwrap();
        assert_eq!(all.len(), 1);
        all[0]
    }
}

#[test]
#[ignore = "needs root: run make test"]
fn what_the_worker_passes_reaches_the_box_s_stack_and_is_counted() {
    let site = Site::routed(Datapath::AfXdp, 1);
    // The stack has what a service without backends passes to it.
    let own = SocketAddrV4::new(FRONT, 9000);
    let _own = Server::http(&site.topology.balancer, FRONT, own.port(), "own").unwrap();
    site.serve(&[service(FRONT, 9000, "tcp", r#""noBackend":"pass","#, "")]);
    assert_eq!(get(&site.topology.client, own).unwrap().backend, "own");
    // RFC 792: a timestamp is answered by the stack, as XDP answers echoes only.
    const TIMESTAMP: u8 = 13;
    let reply = icmp(&site.topology.client, FRONT, TIMESTAMP, &[0; 12]).unwrap();
    assert_eq!(reply, TIMESTAMP + 1);
    until("the passes to be counted", || {
        let one = site.daemon.interface("front")?;
        let passed = one["sockets"][0]["passed"].as_u64();
        Ok((passed > Some(3)).then_some(()))
    })
    .unwrap();
    site.rest();
    let (_, metrics) = site.daemon.get("/metrics").unwrap();
    let line = "loxid_xsk_passed_packets_total{interface=\"front\",queue=\"0\"}";
    let metrics = metrics.as_str().unwrap().to_owned();
    assert!(metrics.contains(line), "{metrics}");
    let line = "loxid_interface_datapath{interface=\"front\",path=\"afxdp\"} 1";
    assert!(metrics.contains(line), "{metrics}");
}

#[test]
#[ignore = "needs root: run make test"]
fn a_worker_is_replaced_as_planned_and_no_connection_is_lost() {
    let mut site = Site::routed(Datapath::AfXdp, 1);
    site.web("");
    site.dns("");
    let mut held = site.hold();
    let before = site.daemon.worker().unwrap();
    // Another size of its memory is another worker's.
    let interfaces = BOTH
        .map(|name| Datapath::AfXdp.interface(name, ""))
        .concat();
    site.daemon
        .configure(&format!(
            "interfaces:\n{interfaces}afxdp: {{framesPerQueue: 2048}}\n"
        ))
        .unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, socket) = (stop.clone(), udp(&site.topology.client, 0).unwrap());
    socket
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    let sender = std::thread::spawn(move || {
        let (mut sent, mut lost) = (0, 0);
        while !stopped.load(Ordering::Relaxed) {
            lost += u32::from(exchange(&socket, DNS, "again").is_err());
            sent += 1;
        }
        (sent, lost)
    });
    site.daemon.signal(Signal::SIGHUP).unwrap();
    until("another worker to have all queues", || {
        let now = site.daemon.worker()?;
        let alone = workers::of(site.daemon.instance())?.len() == 1;
        Ok((now != before && alone).then_some(()))
    })
    .unwrap();
    ask(&mut held);
    stop.store(true, Ordering::Relaxed);
    let (sent, lost) = sender.join().unwrap();
    eprintln!("{lost} of {sent} datagrams were lost");
    assert!(lost * 10 < sent, "{lost} of {sent} datagrams were lost");
    let (_, status) = site.daemon.get("/v1/status").unwrap();
    assert_eq!(status["worker"]["restarts"], 0, "nobody died");
    // It outlives the daemon, and the next one finds it.
    let worker = site.daemon.worker().unwrap();
    site.daemon.kill().unwrap();
    ask(&mut held);
    site.daemon.launch().unwrap();
    assert_eq!(site.daemon.worker().unwrap(), worker);
}

#[test]
#[ignore = "needs root: run make test"]
fn detaching_everything_ends_the_worker() {
    let site = Site::routed(Datapath::AfXdp, 1);
    site.web("");
    get(&site.topology.client, WEB).unwrap();
    site.daemon.loxictl("detach --all").unwrap();
    until("the worker to end", || {
        let none = workers::of(site.daemon.instance())?.is_empty();
        Ok(none.then_some(()))
    })
    .unwrap();
    let links = site.topology.balancer.ip("link show").unwrap();
    assert!(!links.contains("xdp"), "{links}");
}

//! Forwarding outlives the daemon.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lb_tests::datapath::Datapath;
use lb_tests::topology::{End, Topology, connect};
use lb_tests::traffic::{Connection, exchange, get, udp};
use lb_tests::wait::{CAP, until};

use super::{DNS, Site, WEB};

const HELD: usize = 100;

fn a_daemon_killed_and_started_again_loses_no_packet_and_no_connection(path: Datapath) {
    let mut site = Site::routed(path, 2);
    site.web("--select=rr");
    site.dns("--select=rr");
    let mut held: Vec<Connection> = (0..HELD)
        .map(|_| Connection::open(&site.topology.client, WEB).unwrap())
        .collect();
    let before: Vec<String> = held
        .iter_mut()
        .map(|one| one.ask().unwrap().backend)
        .collect();

    // Numbered datagrams all the while; each must come back.
    let stop = Arc::new(AtomicBool::new(false));
    let socket = udp(&site.topology.client, 0).unwrap();
    let stopped = stop.clone();
    let sender = std::thread::spawn(move || {
        let mut sent = 0;
        while !stopped.load(Ordering::Relaxed) {
            let reply = exchange(&socket, DNS, &sent.to_string()).unwrap();
            assert_eq!(reply.rest, sent.to_string(), "datagrams come back in order");
            sent += 1;
            std::thread::sleep(Duration::from_micros(200));
        }
        sent
    });
    for _ in 0..3 {
        site.daemon.kill().unwrap();
        let without: Vec<String> = held
            .iter_mut()
            .map(|one| one.ask().unwrap().backend)
            .collect();
        assert_eq!(without, before);
        get(&site.topology.client, WEB).unwrap();
        site.daemon.launch().unwrap();
        let after: Vec<String> = held
            .iter_mut()
            .map(|one| one.ask().unwrap().backend)
            .collect();
        assert_eq!(after, before);
    }
    stop.store(true, Ordering::Relaxed);
    let sent = sender.join().expect("no datagram was lost");
    assert!(sent > 100, "only {sent} datagrams");
    // It knows what it was told, and takes changes.
    site.daemon.programmed().unwrap();
    site.daemon.loxictl("delete lb 20.0.0.1 --udp=53").unwrap();
}

fn stopping_keeps_forwarding_and_detaching_ends_it(path: Datapath) {
    let mut site = Site::routed(path, 1);
    site.web("");
    let mut held = Connection::open(&site.topology.client, WEB).unwrap();
    assert!(site.daemon.stop().unwrap().success());
    held.ask().unwrap();
    get(&site.topology.client, WEB).unwrap();
    site.daemon.launch().unwrap();
    held.ask().unwrap();
    site.daemon.loxictl("detach back1").unwrap();
    site.daemon.loxictl("detach front").unwrap();
    let links = site.topology.balancer.ip("link show").unwrap();
    assert!(!links.contains("xdp"), "{links}");
    let socket = udp(&site.topology.client, 0).unwrap();
    socket.set_read_timeout(Some(CAP / 40)).unwrap();
    assert!(exchange(&socket, DNS, "anybody?").is_err());
}

fn an_interface_that_vanishes_is_reported_and_attached_again_when_it_is_back(path: Datapath) {
    let site = Site::routed(path, 1);
    site.dns("");
    let client = udp(&site.topology.client, 0).unwrap();
    exchange(&client, DNS, "before").unwrap();
    let attached = |name: &str| -> anyhow::Result<bool> {
        let (_, interfaces) = site.daemon.get("/v1/interfaces")?;
        let all = interfaces
            .as_array()
            .or_else(|| interfaces["items"].as_array());
        let is = |one: &&serde_json::Value| one["name"] == name;
        Ok(all
            .and_then(|all| all.iter().find(is))
            .is_some_and(|one| one["attached"] == true))
    };
    assert!(attached("back1").unwrap());
    site.topology.balancer.ip("link delete back1").unwrap();
    until("the interface to be missed", || {
        Ok((!attached("back1")?).then_some(()))
    })
    .unwrap();
    assert!(attached("front").unwrap(), "the others stay");

    let Topology {
        balancer, backends, ..
    } = &site.topology;
    connect(&End::of(balancer, "back1"), &End::of(&backends[0], "eth0")).unwrap();
    balancer.ip("address add 31.0.1.254/24 dev back1").unwrap();
    backends[0].ip("address add 31.0.1.1/24 dev eth0").unwrap();
    backends[0].ip("route add default via 31.0.1.254").unwrap();
    until("the interface to be attached", || {
        Ok(attached("back1")?.then_some(()))
    })
    .unwrap();
    site.daemon.programmed().unwrap();
    exchange(&udp(&site.topology.client, 0).unwrap(), DNS, "after").unwrap();
}

fn a_second_daemon_of_the_same_instance_ends_with_code_3(path: Datapath) {
    let site = Site::routed(path, 1);
    let output = site.daemon.command().output().unwrap();
    let talk = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{talk}");
    assert_eq!(
        site.daemon.get("/readyz").unwrap().0,
        200,
        "the first is untouched"
    );
}

on_both_paths! {
    a_daemon_killed_and_started_again_loses_no_packet_and_no_connection,
    stopping_keeps_forwarding_and_detaching_ends_it,
    an_interface_that_vanishes_is_reported_and_attached_again_when_it_is_back,
    a_second_daemon_of_the_same_instance_ends_with_code_3,
}

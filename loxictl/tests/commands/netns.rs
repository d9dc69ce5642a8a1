//! `loxictl test` with real packets: the "VIP" is the box's own end of the throw-away link, so
//! that what is tried is the client and its cleaning up, not a balancer.

#![allow(clippy::unwrap_used)]

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::time::{Duration, Instant};

use lb_api::server::Role;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::appliance::{Appliance, Run, ended};

/// A network of this process, and one for each test.
fn network(test: u32) -> (String, Ipv4Addr) {
    let number = (std::process::id() * 4 + test) % (1 << 14);
    let first = u32::from(Ipv4Addr::new(198, 19, 0, 0)) + number * 4;
    (
        format!("{}/30", Ipv4Addr::from(first)),
        Ipv4Addr::from(first + 1),
    )
}

fn links() -> Vec<String> {
    let entries = std::fs::read_dir("/sys/class/net").unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// Runs `loxictl test` for a service at the box's end; its link must be gone afterwards.
fn try_service(appliance: &Appliance, test: u32, port: u16, protocol: &str) -> Run {
    let (network, vip) = network(test);
    let child = appliance.begin(&format!(
        "test {vip}:{port}/{protocol} --network {network} --timeout 5"
    ));
    let link = format!("lxt{}", child.id());
    let run = ended(child);
    assert!(!links().contains(&link), "{link} is left: {run:?}");
    run
}

fn wait_until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "waited for 10 s");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
#[ignore = "needs root: run make test"]
fn test_tells_who_connected_and_who_refused() {
    let appliance = Appliance::start(Role::Admin);
    let (_, vip) = network(0);
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    assert_eq!(
        appliance
            .loxictl(&format!("create lb {vip} --tcp={port}"))
            .code,
        0
    );

    let connected = try_service(&appliance, 0, port, "tcp");
    assert_eq!(connected.code, 0, "{}", connected.stderr);
    assert!(
        connected.stdout.contains("connected in "),
        "{}",
        connected.stdout
    );
    assert!(
        connected.stdout.contains("backend   31.31.31.1:8080"),
        "{}",
        connected.stdout
    );

    drop(listener);
    let refused = try_service(&appliance, 0, port, "tcp");
    assert_eq!(refused.code, 1);
    assert!(
        refused.stdout.contains("refused after "),
        "{}",
        refused.stdout
    );
    assert!(
        refused.stderr.contains("does its server run"),
        "{}",
        refused.stderr
    );

    let attached = appliance.loxictl("get interfaces -o name").stdout;
    assert!(
        appliance
            .loxictl("detach --all")
            .stderr
            .contains("nothing is attached"),
        "{attached}"
    );
}

#[test]
#[ignore = "needs root: run make test"]
fn test_cleans_up_when_it_cannot_attach() {
    let appliance = Appliance::start(Role::Admin);
    let (_, vip) = network(1);
    assert_eq!(
        try_service(&appliance, 1, 80, "tcp").code,
        3,
        "there is no such service"
    );
    appliance.loxictl(&format!(
        "create lb {vip} --tcp=80 --name=refuse-throw-away"
    ));
    let refused = try_service(&appliance, 1, 80, "tcp");
    assert_eq!(refused.code, 4);
    assert!(
        refused.stderr.contains("no slot is free"),
        "{}",
        refused.stderr
    );
}

#[test]
#[ignore = "needs root: run make test"]
fn test_cleans_up_when_it_is_interrupted() {
    let appliance = Appliance::start(Role::Admin);
    let (network, vip) = network(2);
    let server = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    server
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let port = server.local_addr().unwrap().port();
    appliance.loxictl(&format!("create lb {vip} --udp={port}"));

    let child = appliance.begin(&format!(
        "test {vip}:{port}/udp --network {network} --timeout 60"
    ));
    let link = format!("lxt{}", child.id());
    server.recv_from(&mut [0; 16]).unwrap(); // it waits for an answer to this
    assert!(links().contains(&link));
    kill(
        Pid::from_raw(child.id().try_into().unwrap()),
        Signal::SIGINT,
    )
    .unwrap();
    let run = ended(child);
    assert_eq!(run.code, 1);
    assert!(
        run.stderr.contains("interrupted (SIGINT)"),
        "{}",
        run.stderr
    );
    assert!(!links().contains(&link));
    assert_eq!(
        appliance.loxictl("detach --all").stderr,
        "nothing is attached\n"
    );
}

#[test]
#[ignore = "needs root: run make test"]
fn test_leaves_nothing_when_it_is_killed() {
    let appliance = Appliance::start(Role::Admin);
    let (network, vip) = network(3);
    let server = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    server
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let port = server.local_addr().unwrap().port();
    appliance.loxictl(&format!("create lb {vip} --udp={port}"));

    let mut child = appliance.begin(&format!(
        "test {vip}:{port}/udp --network {network} --timeout 60"
    ));
    let link = format!("lxt{}", child.id());
    server.recv_from(&mut [0; 16]).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until(|| !links().contains(&link));
}

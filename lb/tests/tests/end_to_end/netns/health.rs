//! Backends that are asked: who doesn't answer gets no connection, and keeps those it has.
//!
//! Checks go to a port of their own, so that a backend can fail its check and still serve.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use lb_tests::datapath::Datapath;
use lb_tests::traffic::{Connection, Server, get};
use lb_tests::wait::until;
use serde_json::Value;

use super::{Site, WEB, backends, service};

const HEALTH: u16 = 9000;
const CHECK: &str = r#""select":"rr","check":{"type":"http","port":9000,"path":"/health","intervalMs":200,"timeoutMs":200,"rise":2,"fall":2},"#;

/// HTTP for the check of a backend, counted from 0.
fn healthy(site: &Site, backend: usize) -> Server {
    let topology = &site.topology;
    let (namespace, address) = (&topology.backends[backend], topology.addresses[backend]);
    Server::http(namespace, address, HEALTH, "healthy").unwrap()
}

fn web(site: &Site, words: &str) {
    let all = backends(&site.topology.addresses, Some(8080));
    let body = format!(
        r#"{{"services":[{}]}}"#,
        service(WEB.ip(), WEB.port(), "tcp", words, &all)
    );
    let (status, answer) = site
        .daemon
        .request("PUT", "/v1/documents/api", &body)
        .unwrap();
    assert_eq!(status, 200, "{answer}");
}

/// What is said of a backend, counted from 0.
fn backend(site: &Site, number: usize) -> Value {
    site.service("tcp", WEB.port())["backends"][number].clone()
}

fn until_state(site: &Site, number: usize, state: &str) {
    until(&format!("backend {number} to be {state}"), || {
        Ok((backend(site, number)["state"] == state).then_some(()))
    })
    .unwrap();
}

fn until_verdict(site: &Site, number: usize, verdict: &str) {
    until(&format!("the check of {number} to say {verdict}"), || {
        let health = &backend(site, number)["health"];
        Ok((health["verdict"] == verdict).then_some(()))
    })
    .unwrap();
}

/// Who answers that many connections.
fn answering(site: &Site, connections: usize) -> BTreeSet<String> {
    let one = |_| get(&site.topology.client, WEB).unwrap().backend;
    (0..connections).map(one).collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
#[ignore = "needs root: run make test"]
fn a_backend_that_stops_answering_gets_no_connection_and_keeps_those_it_has() {
    let site = Site::routed(Datapath::Xdp, 2);
    let first = healthy(&site, 0);
    let _second = healthy(&site, 1);
    web(&site, CHECK);
    until_verdict(&site, 0, "up");
    until_verdict(&site, 1, "up");
    assert_eq!(answering(&site, 4), names(&["b1", "b2"]));
    let mut held: Vec<Connection> = (0..4)
        .map(|_| Connection::open(&site.topology.client, WEB).unwrap())
        .collect();
    let mut ask = || -> Vec<String> {
        let all = held.iter_mut();
        all.map(|one| one.ask().unwrap().backend).collect()
    };
    let before = ask();
    assert!(before.contains(&"b1".to_owned()), "{before:?}");

    drop(first);
    until_state(&site, 0, "down");
    // Tables are committed before the state is shown.
    assert_eq!(answering(&site, 10), names(&["b2"]));
    assert_eq!(ask(), before, "connections stay where they are");
    let said = backend(&site, 0)["message"].as_str().unwrap().to_owned();
    assert!(said.contains("L4 connection refused"), "{said}");
    let described = site.daemon.loxictl("describe ep 31.0.1.1:8080").unwrap();
    assert!(described.contains("L4 connection refused"), "{described}");
    assert!(described.contains("HTTP 200 in "), "{described}");

    let _first = healthy(&site, 0);
    until_state(&site, 0, "active");
    assert_eq!(answering(&site, 4), names(&["b1", "b2"]));
    assert_eq!(ask(), before);
    let metrics = site.daemon.request("GET", "/metrics", "").unwrap().1;
    let metrics = metrics.as_str().unwrap();
    for line in [
        "loxid_health_transitions_total 2",
        r#"loxid_health_checks_total{phase="connect",result="failed"}"#,
        r#"loxid_health_checks_total{phase="status",result="passed"}"#,
        "loxid_health_check_duration_seconds_bucket",
        "loxid_health_lateness_seconds_bucket",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

#[test]
#[ignore = "needs root: run make test"]
fn a_hung_backend_is_found_by_its_timeout_and_a_service_without_any_rejects() {
    let site = Site::routed(Datapath::Xdp, 1);
    let hung = healthy(&site, 0);
    web(&site, CHECK);
    until_verdict(&site, 0, "up");
    // What is sent to the check's port is lost.
    let namespace = &site.topology.backends[0];
    let rules = format!(
        "add table ip hang; add chain ip hang in {{ type filter hook input priority 0; }}; \
         add rule ip hang in tcp dport {HEALTH} drop"
    );
    let output = namespace.command("nft").arg(&rules).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    until_state(&site, 0, "down");
    let said = backend(&site, 0)["message"].clone();
    assert_eq!(said, "L4 timeout");
    let conditions = site.service("tcp", WEB.port())["conditions"].clone();
    assert!(
        conditions.to_string().contains("NoHealthyBackend"),
        "{conditions}"
    );
    let begun = Instant::now();
    assert!(Connection::open(&site.topology.client, WEB).is_err());
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "it is refused, not ignored"
    );
    drop(hung);
}

#[test]
#[ignore = "needs root: run make test"]
fn a_drained_backend_keeps_its_connections_and_drain_waits_for_them() {
    let mut site = Site::routed(Datapath::Xdp, 2);
    web(&site, r#""select":"rr","#);
    site.daemon.programmed().unwrap();
    let mut held: Vec<Connection> = (0..2)
        .map(|_| Connection::open(&site.topology.client, WEB).unwrap())
        .collect();
    let mut first = held.iter_mut();
    let first = first.find_map(|one| (one.ask().unwrap().backend == "b1").then_some(one));
    first.unwrap();

    let ep = "31.0.1.1:8080";
    let waited = site
        .daemon
        .try_loxictl(&format!("drain ep {ep} --wait --timeout 1"))
        .unwrap();
    let talk = String::from_utf8_lossy(&waited.stderr).into_owned();
    assert_eq!(waited.status.code(), Some(1), "{talk}");
    assert!(talk.contains("connections left: 1"), "{talk}");
    assert_eq!(answering(&site, 6), names(&["b2"]));
    for one in &mut held {
        one.ask().unwrap();
    }
    let listed = site.daemon.loxictl("get ep").unwrap();
    assert!(listed.contains("drained by hand"), "{listed}");

    // It survives a restart, and the document applied again.
    site.daemon.kill().unwrap();
    site.daemon.launch().unwrap();
    web(&site, r#""select":"rr","noBackend":"drop","#);
    assert_eq!(backend(&site, 0)["operator"], "drained");
    assert_eq!(backend(&site, 0)["state"], "draining");
    assert_eq!(answering(&site, 6), names(&["b2"]));

    drop(held);
    let waited = site.daemon.loxictl(&format!("drain ep {ep} --wait"));
    assert!(waited.is_ok(), "{waited:?}");
    site.daemon.loxictl(&format!("enable ep {ep}")).unwrap();
    assert_eq!(answering(&site, 6), names(&["b1", "b2"]));
}

#[test]
#[ignore = "needs root: run make test"]
fn a_backend_is_disabled_in_one_service_only_whatever_its_check_says() {
    let site = Site::routed(Datapath::Xdp, 2);
    let _healthy = [healthy(&site, 0), healthy(&site, 1)];
    web(&site, CHECK);
    until_verdict(&site, 0, "up");
    let place = format!("{WEB}/tcp/31.0.1.1:8080");
    site.daemon.loxictl(&format!("disable ep {place}")).unwrap();
    assert_eq!(backend(&site, 0)["state"], "down");
    assert_eq!(backend(&site, 0)["operator"], "disabled");
    assert_eq!(answering(&site, 6), names(&["b2"]));
    until_verdict(&site, 0, "up");
    site.daemon.loxictl(&format!("enable ep {place}")).unwrap();
    assert_eq!(answering(&site, 6), names(&["b1", "b2"]));
    let nobody = site.daemon.try_loxictl("drain ep 31.0.9.9:8080").unwrap();
    assert_eq!(nobody.status.code(), Some(3), "{nobody:?}");
}

#[test]
#[ignore = "needs root: run make test"]
fn every_kind_of_check_says_up_of_a_backend_that_answers() {
    let site = Site::routed(Datapath::Xdp, 1);
    for check in [
        r#"{"type":"tcp"}"#,
        r#"{"type":"http","expectStatus":["200"]}"#,
        r#"{"type":"ping"}"#,
        r#"{"type":"udp","port":5353,"send":"hello","expect":"hello"}"#,
    ] {
        let check = check.replace('}', r#","intervalMs":200,"timeoutMs":200}"#);
        web(&site, &format!(r#""check":{check},"#));
        until(&format!("{check} to be passed"), || {
            let described = site.daemon.get("/v1/backends/31.0.1.1/8080")?.1;
            let item = &described["items"][0];
            let kind = item["check"]["type"].as_str().unwrap_or("none");
            let is_asked = check.contains(&format!(r#""{kind}""#));
            let is_good =
                item["probes"][0]["result"] == "passed" && item["probes"][1]["result"] == "passed";
            Ok((is_asked && is_good).then_some(()))
        })
        .unwrap();
    }
    // Port unreachable.
    web(
        &site,
        r#""check":{"type":"udp","port":5354,"intervalMs":100,"fall":1},"#,
    );
    until_state(&site, 0, "down");
}

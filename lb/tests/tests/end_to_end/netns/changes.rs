//! What changes while traffic runs.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use lb_tests::datapath::Datapath;
use lb_tests::namespace::mac;
use lb_tests::traffic::{Connection, exchange, get, udp};
use lb_tests::wait::until;
use libbpf_rs::{MapCore, MapFlags, MapHandle};
use serde_json::Value;

use super::{DNS, Site, VIP, WEB};

fn with_backends(site: &Site, backends: &str) {
    let document = format!(
        r#"{{"services":[{{"vip":"{VIP}","port":80,"protocol":"tcp","select":"rr","backends":[{backends}]}}]}}"#
    );
    let (status, answer) = site
        .daemon
        .request("PUT", "/v1/documents/api", &document)
        .unwrap();
    assert!((200..300).contains(&status), "{status} {answer}");
    let count = backends.matches("address").count();
    until("the backends to be listed", || {
        let services = services(site)?;
        let listed = find(&services, "tcp")["backends"].as_array().map(Vec::len);
        Ok((listed == Some(count)).then_some(()))
    })
    .unwrap();
    site.daemon.programmed().unwrap();
}

fn backend(number: u8) -> String {
    format!(r#"{{"address":"31.0.{number}.1","port":8080}}"#)
}

fn no_connection_breaks_when_backends_come_and_go(path: Datapath) {
    let site = Site::routed(path, 3);
    with_backends(&site, &format!("{},{}", backend(1), backend(2)));
    let client = &site.topology.client;
    let mut held: Vec<Connection> = (0..10)
        .map(|_| Connection::open(client, WEB).unwrap())
        .collect();
    let ask = |held: &mut Vec<Connection>| -> Vec<String> {
        held.iter_mut()
            .map(|connection| connection.ask().unwrap().backend)
            .collect()
    };
    let before = ask(&mut held);
    assert!(before.contains(&"b1".to_owned()) && before.contains(&"b2".to_owned()));

    with_backends(&site, &[backend(1), backend(2), backend(3)].join(","));
    assert_eq!(ask(&mut held), before);
    let fresh: BTreeSet<String> = (0..3).map(|_| get(client, WEB).unwrap().backend).collect();
    assert_eq!(
        fresh.len(),
        3,
        "the added backend takes connections: {fresh:?}"
    );

    with_backends(&site, &[backend(2), backend(3)].join(","));
    assert_eq!(
        ask(&mut held),
        before,
        "a removed backend keeps the connections it has"
    );
    let fresh: BTreeSet<String> = (0..4).map(|_| get(client, WEB).unwrap().backend).collect();
    assert_eq!(
        fresh,
        ["b2", "b3"].map(str::to_owned).into(),
        "it takes no other"
    );

    with_backends(&site, "");
    assert_eq!(ask(&mut held), before, "also without any backend");
    assert!(
        Connection::open(client, WEB).is_err(),
        "and connections are refused then"
    );
}

fn a_next_hop_s_mac_address_may_change_under_a_connection(path: Datapath) {
    let site = Site::routed(path, 1);
    site.web("");
    let mut held = Connection::open(&site.topology.client, WEB).unwrap();
    held.ask().unwrap();
    let server = &site.topology.backends[0];
    let before = mac(server, "eth0").unwrap();
    server
        .ip("link set eth0 address 02:00:00:00:77:01")
        .unwrap();
    // The kernel finds out by itself; a packet of the server's own makes it soon.
    assert_ne!(mac(server, "eth0").unwrap(), before);
    until("the neighbour entry to follow", || {
        let _ = server
            .command("curl")
            .args(["-sm1", "http://31.0.1.254:1/"])
            .output();
        let entry = site.topology.balancer.ip("neigh show 31.0.1.1 dev back1")?;
        Ok(entry.contains("02:00:00:00:77:01").then_some(()))
    })
    .unwrap();
    held.ask().unwrap();
    get(&site.topology.client, WEB).unwrap();
}

fn what_somebody_deletes_from_the_maps_comes_back(path: Datapath) {
    let site = Site::routed(path, 1);
    site.dns("");
    let client = udp(&site.topology.client, 0).unwrap();
    exchange(&client, DNS, "before").unwrap();
    let open = |map: &str| MapHandle::from_pinned_path(site.daemon.pin(map).unwrap()).unwrap();

    let devmap = open("devmap");
    let slots: Vec<Vec<u8>> = devmap.keys().collect();
    let set = |key: &Vec<u8>| devmap.lookup(key, MapFlags::ANY).unwrap();
    let used: Vec<&Vec<u8>> = slots.iter().filter(|key| set(key).is_some()).collect();
    assert!(used.len() >= 2, "front and back: {used:?}");
    for key in &used {
        devmap.delete(key).unwrap();
    }
    until("devmap entries", || {
        Ok(used.iter().all(|key| set(key).is_some()).then_some(()))
    })
    .unwrap();
    exchange(&client, DNS, "after the devmap").unwrap();

    // All rows of services, of both banks.
    let services = open("services");
    let zeroes = vec![0; services.value_size() as usize];
    let keys: Vec<Vec<u8>> = services.keys().collect();
    let rows = || -> usize {
        let row = |key: &Vec<u8>| services.lookup(key, MapFlags::ANY).unwrap().unwrap();
        keys.iter().filter(|key| row(key) != zeroes).count()
    };
    assert!(rows() > 0);
    for key in &keys {
        services.update(key, &zeroes, MapFlags::ANY).unwrap();
    }
    until("service rows", || Ok((rows() > 0).then_some(()))).unwrap();
    exchange(
        &udp(&site.topology.client, 0).unwrap(),
        DNS,
        "after the services",
    )
    .unwrap();
    assert!(Path::new(&site.daemon.socket()).exists());
}

/// Longer than it takes the daemon to read counters again.
const REFRESH: Duration = Duration::from_millis(1500);

fn services(site: &Site) -> anyhow::Result<Value> {
    let (_, services) = site.daemon.get("/v1/services")?;
    Ok(services)
}

fn find<'a>(services: &'a Value, protocol: &str) -> &'a Value {
    let all = services
        .as_array()
        .or_else(|| services["items"].as_array())
        .unwrap();
    let is = |service: &&Value| service["spec"]["protocol"] == protocol;
    all.iter().find(is).unwrap()
}

fn every_packet_is_counted_exactly_once(path: Datapath) {
    let site = Site::routed(path, 2);
    site.web("--select=rr");
    site.dns("--select=rr");
    for _ in 0..10 {
        get(&site.topology.client, WEB).unwrap();
    }
    let socket = udp(&site.topology.client, 0).unwrap();
    for _ in 0..25 {
        exchange(&socket, DNS, "count me").unwrap();
    }
    // The daemon reads counters now and then; the last ACKs of a connection take a moment, too.
    let dns = |services: &Value| find(services, "udp")["traffic"]["packetsOut"] == 25;
    until("counters to show it", || {
        Ok(dns(&services(&site)?).then_some(()))
    })
    .unwrap();
    let counters = || {
        site.daemon
            .get("/v1/status")
            .map(|(_, status)| status["dataPlane"].clone())
    };
    let steady = until("counters to rest", || {
        let first = (counters()?, services(&site)?);
        std::thread::sleep(REFRESH);
        Ok(((counters()?, services(&site)?) == first).then_some(first.0))
    })
    .unwrap();
    let number = |name: &str| steady[name].as_u64().unwrap();
    assert_eq!(
        number("rx"),
        number("tx") + number("passed") + number("dropped"),
        "{steady}"
    );
    let services = services(&site).unwrap();
    let dns = find(&services, "udp");
    assert_eq!(dns["traffic"]["packetsIn"], 25, "{dns}");
    assert_eq!(dns["traffic"]["packetsOut"], 25, "{dns}");
    assert_eq!(dns["traffic"]["connections"], 1, "{dns}");
    assert_eq!(dns["traffic"]["dropped"], 0, "{dns}");
    let web = find(&services, "tcp");
    assert_eq!(web["traffic"]["connections"], 10, "{web}");
    let by_backend = |name: &str| -> u64 {
        let backends = web["backends"].as_array().unwrap();
        backends
            .iter()
            .map(|backend| backend["traffic"][name].as_u64().unwrap())
            .sum()
    };
    for name in [
        "packetsIn",
        "packetsOut",
        "bytesIn",
        "bytesOut",
        "connections",
    ] {
        assert_eq!(
            web["traffic"][name].as_u64().unwrap(),
            by_backend(name),
            "{name}: {web}"
        );
    }
}

on_both_paths! {
    no_connection_breaks_when_backends_come_and_go,
    a_next_hop_s_mac_address_may_change_under_a_connection,
    what_somebody_deletes_from_the_maps_comes_back,
    every_packet_is_counted_exactly_once,
}

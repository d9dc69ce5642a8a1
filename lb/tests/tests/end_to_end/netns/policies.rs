//! Who gets which backend, and who gets none: affinity, least connections, limits, sources, drains.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use lb_tests::datapath::Datapath;
use lb_tests::topology::CLIENT;
use lb_tests::traffic::{Connection, Server, exchange, get, udp, udp_at};
use lb_tests::wait::until;

use super::{DNS, Site, VIP, WEB, backends, service};

/// For an answer that must not come.
const SOON: Duration = Duration::from_millis(300);

fn a_client_keeps_its_backend_while_another_may_have_another(path: Datapath) {
    let site = Site::routed(path, 3);
    let client = &site.topology.client;
    let addresses: Vec<Ipv4Addr> = (20..52).map(|host| Ipv4Addr::new(10, 0, 0, host)).collect();
    for address in &addresses {
        client
            .ip(&format!("address add {address}/24 dev eth0"))
            .unwrap();
    }
    let dns = |count: usize| {
        let all = backends(&site.topology.addresses[..count], Some(5353));
        site.serve(&[service(VIP, 53, "udp", r#""persist":60,"#, &all)]);
    };
    let ask = |address: &Ipv4Addr| {
        let socket = udp_at(client, (*address, 0)).unwrap();
        exchange(&socket, DNS, "who?").unwrap().backend
    };
    dns(2);
    let chosen: Vec<String> = addresses.iter().map(ask).collect();
    let used: BTreeSet<&String> = chosen.iter().collect();
    assert_eq!(used.len(), 2, "{chosen:?}");
    let again: Vec<String> = addresses.iter().map(ask).collect();
    assert_eq!(again, chosen);
    // Another backend takes over no client that has one.
    dns(3);
    let again: Vec<String> = addresses.iter().map(ask).collect();
    assert_eq!(again, chosen);
    let newcomers: BTreeSet<String> = (60..92)
        .map(|host| {
            let address = Ipv4Addr::new(10, 0, 0, host);
            client
                .ip(&format!("address add {address}/24 dev eth0"))
                .unwrap();
            ask(&address)
        })
        .collect();
    assert_eq!(newcomers.len(), 3, "{newcomers:?}");
}

fn least_connections_fills_up_evenly_and_by_weight(path: Datapath) {
    let site = Site::routed(path, 2);
    let [first, second] = [1, 2].map(|number| format!("31.0.{number}.1"));
    let all = format!(
        r#"{{"address":"{first}","port":8080,"weight":2}},{{"address":"{second}","port":8080}}"#
    );
    site.serve(&[service(VIP, 80, "tcp", r#""select":"lc","#, &all)]);
    let mut held: Vec<Connection> = (0..9)
        .map(|_| Connection::open(&site.topology.client, WEB).unwrap())
        .collect();
    let mut counts = BTreeMap::<String, usize>::new();
    for connection in &mut held {
        *counts.entry(connection.ask().unwrap().backend).or_default() += 1;
    }
    assert_eq!(counts, [("b1".to_owned(), 6), ("b2".to_owned(), 3)].into());
    until("the loads to be shown", || {
        let service = site.service("tcp", 80);
        let load = |place: usize| service["backends"][place]["load"].as_u64();
        Ok(((load(0), load(1)) == (Some(6), Some(3))).then_some(()))
    })
    .unwrap();
}

fn a_full_backend_gets_no_more_and_a_full_service_refuses(path: Datapath) {
    let site = Site::routed(path, 2);
    let all = r#"{"address":"31.0.1.1","port":8080,"maxConnections":1},
        {"address":"31.0.2.1","port":8080,"maxConnections":2}"#;
    site.serve(&[service(VIP, 80, "tcp", r#""select":"rr","#, all)]);
    let client = &site.topology.client;
    let mut held: Vec<Connection> = (0..3)
        .map(|_| Connection::open(client, WEB).unwrap())
        .collect();
    let mut used: Vec<String> = held
        .iter_mut()
        .map(|one| one.ask().unwrap().backend)
        .collect();
    used.sort();
    assert_eq!(used, ["b1", "b2", "b2"]);
    assert!(
        Connection::open(client, WEB).is_err(),
        "a fourth is refused"
    );
    for one in &mut held {
        one.ask().unwrap();
    }
}

fn a_source_that_a_change_denies_is_cut_off_and_others_are_not(path: Datapath) {
    let site = Site::routed(path, 1);
    let client = &site.topology.client;
    let other = Ipv4Addr::new(10, 0, 0, 3);
    client
        .ip(&format!("address add {other}/24 dev eth0"))
        .unwrap();
    let dns = |words: &str| {
        let all = backends(&site.topology.addresses, Some(5353));
        site.serve(&[service(VIP, 53, "udp", words, &all)]);
    };
    dns("");
    let socket = udp_at(client, (CLIENT, 0)).unwrap();
    let others = udp_at(client, (other, 0)).unwrap();
    exchange(&socket, DNS, "before").unwrap();
    exchange(&others, DNS, "before").unwrap();

    dns(r#""deniedSources":["10.0.0.2/32"],"#);
    socket.set_read_timeout(Some(SOON)).unwrap();
    assert!(exchange(&socket, DNS, "denied").is_err());
    exchange(&others, DNS, "still").unwrap();

    dns(r#""allowedSources":["10.0.0.0/30","10.0.0.3/32"],"deniedSources":["10.0.0.2/31"],"#);
    assert!(exchange(&socket, DNS, "denied by the longer prefix").is_err());
    exchange(&others, DNS, "allowed by the longest").unwrap();

    dns(r#""allowedSources":["10.0.0.2/32"],"#);
    exchange(&socket, DNS, "allowed").unwrap();
    others.set_read_timeout(Some(SOON)).unwrap();
    assert!(exchange(&others, DNS, "not in the list").is_err());
    let dropped = until("drops to be counted", || {
        let (_, metrics) = site.daemon.get("/metrics")?;
        let metrics = metrics.as_str().unwrap_or_default().to_owned();
        let mut lines = metrics.lines();
        let line = lines.find(|line| line.contains("\"source_denied\""));
        Ok(line.filter(|line| !line.ends_with(" 0")).map(str::to_owned))
    });
    dropped.unwrap();
}

fn weight_0_drains_and_shows_how_many_are_left(path: Datapath) {
    let site = Site::routed(path, 2);
    let weighted = |first: u16| {
        let all = format!(
            r#"{{"address":"31.0.1.1","port":8080,"weight":{first}}},{{"address":"31.0.2.1","port":8080}}"#
        );
        site.serve(&[service(VIP, 80, "tcp", r#""select":"rr","#, &all)]);
    };
    weighted(1);
    let client = &site.topology.client;
    let mut held: Vec<Connection> = (0..6)
        .map(|_| Connection::open(client, WEB).unwrap())
        .collect();
    let before: Vec<String> = held
        .iter_mut()
        .map(|one| one.ask().unwrap().backend)
        .collect();
    assert_eq!(before.iter().filter(|backend| *backend == "b1").count(), 3);
    weighted(0);
    let after: Vec<String> = held
        .iter_mut()
        .map(|one| one.ask().unwrap().backend)
        .collect();
    assert_eq!(after, before, "those that live stay");
    for _ in 0..4 {
        assert_eq!(get(client, WEB).unwrap().backend, "b2");
    }
    until("three connections to be left", || {
        let service = site.service("tcp", 80);
        let draining = &service["backends"][0];
        let left = draining["traffic"]["activeConnections"].as_u64();
        Ok((left == Some(3) && draining["weight"] == 0).then_some(()))
    })
    .unwrap();
}

fn ranges_and_any_port_keep_the_port_that_was_asked_for(path: Datapath) {
    let site = Site::routed(path, 1);
    let (client, backend) = (&site.topology.client, &site.topology.backends[0]);
    let address = site.topology.addresses[0];
    let ports = [8000u16, 8005, 8010, 30_000];
    let _servers: Vec<Server> = ports
        .iter()
        .map(|port| Server::udp(backend, address, *port, &port.to_string()).unwrap())
        .collect();
    let all = backends(&[address], None);
    site.serve(&[
        service(VIP, 8000, "udp", r#""portMax":8010,"#, &all),
        service("20.0.0.2", 0, "udp", "", &all),
    ]);
    let socket = udp(client, 0).unwrap();
    let ask = |vip: Ipv4Addr, port: u16| {
        let to = SocketAddr::V4(SocketAddrV4::new(vip, port));
        exchange(&socket, to, "who?").map(|reply| (reply.backend.clone(), reply.peer_ip()))
    };
    for port in &ports[..3] {
        let wanted = (port.to_string(), IpAddr::from(CLIENT));
        assert_eq!(ask(VIP, *port).unwrap(), wanted);
    }
    assert_eq!(ask(Ipv4Addr::new(20, 0, 0, 2), 30_000).unwrap().0, "30000");
    assert_eq!(ask(Ipv4Addr::new(20, 0, 0, 2), 5353).unwrap().0, "b1");
    socket.set_read_timeout(Some(SOON)).unwrap();
    assert!(ask(VIP, 8011).is_err());
}

on_both_paths! {
    a_client_keeps_its_backend_while_another_may_have_another,
    least_connections_fills_up_evenly_and_by_weight,
    a_full_backend_gets_no_more_and_a_full_service_refuses,
    a_source_that_a_change_denies_is_cut_off_and_others_are_not,
    weight_0_drains_and_shows_how_many_are_left,
    ranges_and_any_port_keep_the_port_that_was_asked_for,
}

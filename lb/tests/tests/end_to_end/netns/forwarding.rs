//! Modes, selection, and every kind of VIP.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};

use lb_tests::datapath::Datapath;
use lb_tests::topology::{CLIENT, FRONT, Topology};
use lb_tests::traffic::{Server, exchange, get, ping, refusals, transfer, udp};
use lb_tests::wait::until;

use super::{DNS, Site, VIP, WEB};

fn http_over_dnat_keeps_the_client_s_address_and_deals_in_turn(path: Datapath) {
    let site = Site::routed(path, 3);
    site.web("--select=rr");
    let replies: Vec<_> = (0..12)
        .map(|_| get(&site.topology.client, WEB).unwrap())
        .collect();
    let order: Vec<&str> = replies.iter().map(|reply| reply.backend.as_str()).collect();
    let first: BTreeSet<&str> = order[..3].iter().copied().collect();
    assert_eq!(
        first.len(),
        3,
        "three connections, three backends: {order:?}"
    );
    assert!(
        order.chunks(3).all(|round| round == &order[..3]),
        "not in turn: {order:?}"
    );
    assert!(
        replies
            .iter()
            .all(|reply| reply.peer_ip() == IpAddr::from(CLIENT)),
        "{replies:?}"
    );
}

fn http_over_fullnat_shows_the_vip_to_backends(path: Datapath) {
    let site = Site::routed(path, 2);
    // Its replies come back by the backends' default route.
    site.web("--select=rr --mode=fullnat");
    for _ in 0..6 {
        assert_eq!(
            get(&site.topology.client, WEB).unwrap().peer_ip(),
            IpAddr::from(VIP)
        );
    }
}

fn http_over_onearm_shows_the_box_s_own_address_to_backends(path: Datapath) {
    let site = Site::routed(path, 2);
    // Backends need no route at all but to their own subnet.
    for backend in &site.topology.backends {
        backend.ip("route delete default").unwrap();
    }
    site.web("--select=rr --mode=onearm");
    let mut seen = BTreeSet::new();
    for _ in 0..6 {
        let reply = get(&site.topology.client, WEB).unwrap();
        seen.insert((reply.backend.clone(), reply.peer_ip().to_string()));
    }
    let wanted = [("b1", "31.0.1.254"), ("b2", "31.0.2.254")];
    assert_eq!(
        seen,
        wanted
            .map(|(backend, peer)| (backend.to_owned(), peer.to_owned()))
            .into()
    );
}

fn weights_are_shares_in_smooth_order(path: Datapath) {
    let site = Site::routed(path, 2);
    site.daemon
        .create(&format!(
            "{VIP} --tcp=80:8080 --endpoints=31.0.1.1:2,31.0.2.1:1 --select=rr"
        ))
        .unwrap();
    let order: Vec<String> = (0..6)
        .map(|_| get(&site.topology.client, WEB).unwrap().backend)
        .collect();
    assert_eq!(
        order.iter().filter(|backend| *backend == "b1").count(),
        4,
        "{order:?}"
    );
    assert!(
        order
            .windows(3)
            .all(|three| three.contains(&"b2".to_owned())),
        "{order:?}"
    );
}

fn maglev_gives_a_client_end_the_same_backend_again(path: Datapath) {
    let site = Site::routed(path, 3);
    let ports = 40_000..40_032;
    let round = || {
        site.dns("--select=hash");
        let chosen: Vec<String> = ports
            .clone()
            .map(|port| {
                exchange(&udp(&site.topology.client, port).unwrap(), DNS, "who?")
                    .unwrap()
                    .backend
            })
            .collect();
        // Its connections go with it: the next round is chosen by the table alone.
        site.daemon
            .loxictl(&format!("delete lb {VIP} --udp=53"))
            .unwrap();
        chosen
    };
    let first = round();
    assert_eq!(
        first.iter().collect::<BTreeSet<_>>().len(),
        3,
        "all backends are used: {first:?}"
    );
    assert_eq!(first, round());
}

fn udp_keeps_its_backend_while_a_flow_lives(path: Datapath) {
    let site = Site::routed(path, 3);
    site.dns("--select=rr");
    let sockets: Vec<_> = (0..6)
        .map(|_| udp(&site.topology.client, 0).unwrap())
        .collect();
    let round = |text: &str| -> Vec<String> {
        sockets
            .iter()
            .map(|socket| exchange(socket, DNS, text).unwrap().backend)
            .collect()
    };
    let first = round("one");
    assert_eq!(first[..3], first[3..]);
    assert_eq!(round("two"), first);
}

fn a_vip_in_a_connected_subnet_is_answered_by_arp_and_belongs_to_nobody(path: Datapath) {
    let site = Site::routed(path, 1);
    let vip = Ipv4Addr::new(10, 0, 0, 100);
    site.daemon
        .create(&format!("{vip} --tcp=80:8080 --endpoints=31.0.1.1:1"))
        .unwrap();
    get(&site.topology.client, SocketAddrV4::new(vip, 80)).unwrap();
    let neighbour = site
        .topology
        .client
        .ip(&format!("neigh show {vip}"))
        .unwrap();
    assert!(
        neighbour.contains(&site.topology.mac("front").unwrap()),
        "{neighbour}"
    );
    let addresses = site.topology.balancer.ip("address show").unwrap();
    assert!(!addresses.contains(&vip.to_string()), "{addresses}");
    assert_eq!(ping(&site.topology.client, vip).unwrap(), vip);
}

fn a_routed_vip_answers_pings(path: Datapath) {
    let site = Site::routed(path, 1);
    site.web("");
    assert_eq!(ping(&site.topology.client, VIP).unwrap(), VIP);
    assert_eq!(ping(&site.topology.client, FRONT).unwrap(), FRONT);
}

fn a_vip_may_be_the_box_s_own_address(path: Datapath) {
    let site = Site::routed(path, 2);
    let endpoints = site.endpoints();
    site.daemon
        .create(&format!("{FRONT} --tcp=80:8080 {endpoints} --select=rr"))
        .unwrap();
    let web = SocketAddrV4::new(FRONT, 80);
    let backends: BTreeSet<String> = (0..2)
        .map(|_| get(&site.topology.client, web).unwrap().backend)
        .collect();
    assert_eq!(backends.len(), 2);
    // What is not of the service stays the box's.
    assert_eq!(ping(&site.topology.client, FRONT).unwrap(), FRONT);
}

fn client_and_backends_may_be_on_the_same_interface(path: Datapath) {
    let site = Site::of(path, Topology::flat(2).unwrap());
    site.web("--select=rr --mode=onearm");
    let replies: Vec<_> = (0..4)
        .map(|_| get(&site.topology.client, WEB).unwrap())
        .collect();
    assert!(
        replies
            .iter()
            .all(|reply| reply.peer_ip() == IpAddr::from(FRONT)),
        "{replies:?}"
    );
    assert_ne!(replies[0].backend, replies[1].backend);
}

fn megabytes_pass_whole_both_ways_in_every_mode(path: Datapath) {
    let site = Site::routed(path, 1);
    let Topology {
        client,
        backends,
        addresses,
        ..
    } = &site.topology;
    let _echo = Server::echo(&backends[0], addresses[0], 7000).unwrap();
    let bytes: Vec<u8> = (0..4u32 << 20)
        .map(|index| (index ^ index >> 9) as u8)
        .collect();
    for (port, mode) in (7001..).zip(["default", "fullnat", "onearm"]) {
        let endpoints = site.endpoints();
        site.daemon
            .create(&format!(
                "{VIP} --tcp={port}:7000 {endpoints} --mode={mode}"
            ))
            .unwrap();
        transfer(client, SocketAddrV4::new(VIP, port), bytes.clone()).unwrap();
    }
}

fn a_closed_port_of_a_backend_is_reported_to_the_client_in_every_mode(path: Datapath) {
    let site = Site::routed(path, 1);
    for (port, mode) in (7001..).zip(["default", "fullnat", "onearm"]) {
        let endpoints = site.endpoints();
        let ports = format!("--tcp={port}:9 --udp={port}:9");
        site.daemon
            .create(&format!("{VIP} {ports} {endpoints} --mode={mode}"))
            .unwrap();
        let closed = SocketAddrV4::new(VIP, port);
        refusals(&site.topology.client, closed, closed).unwrap();
    }
}

fn a_service_without_backends_refuses_at_once(path: Datapath) {
    let site = Site::routed(path, 1);
    site.daemon
        .loxictl(&format!("create lb {VIP} --tcp=80 --udp=80"))
        .unwrap();
    until("the service to refuse", || {
        refusals(&site.topology.client, WEB, WEB).map(Some)
    })
    .unwrap();
}

fn two_vips_may_lead_to_one_backend(path: Datapath) {
    let site = Site::routed(path, 1);
    site.dns("");
    let other = SocketAddrV4::new(Ipv4Addr::new(20, 0, 0, 2), 53);
    let endpoints = site.endpoints();
    site.daemon
        .create(&format!("{} --udp=53:5353 {endpoints}", other.ip()))
        .unwrap();
    let socket = udp(&site.topology.client, 0).unwrap();
    for text in ["once", "again"] {
        let first = exchange(&socket, DNS, text).unwrap();
        let second = exchange(&socket, other, text).unwrap();
        assert_eq!(first.peer_ip(), second.peer_ip());
        assert_ne!(
            first.peer.port(),
            second.peer.port(),
            "the backend can tell them apart"
        );
    }
}

on_both_paths! {
    http_over_dnat_keeps_the_client_s_address_and_deals_in_turn,
    http_over_fullnat_shows_the_vip_to_backends,
    http_over_onearm_shows_the_box_s_own_address_to_backends,
    weights_are_shares_in_smooth_order,
    maglev_gives_a_client_end_the_same_backend_again,
    udp_keeps_its_backend_while_a_flow_lives,
    a_vip_in_a_connected_subnet_is_answered_by_arp_and_belongs_to_nobody,
    a_routed_vip_answers_pings,
    a_vip_may_be_the_box_s_own_address,
    client_and_backends_may_be_on_the_same_interface,
    megabytes_pass_whole_both_ways_in_every_mode,
    a_closed_port_of_a_backend_is_reported_to_the_client_in_every_mode,
    a_service_without_backends_refuses_at_once,
    two_vips_may_lead_to_one_backend,
}

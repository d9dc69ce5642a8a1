//! IPv6, with real neighbour discovery.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddrV6};

use lb_tests::datapath::Datapath;
use lb_tests::namespace::mac;
use lb_tests::topology::{CLIENT6, FRONT6};
use lb_tests::traffic::{Server, exchange, get, ping6, refusals, transfer, udp_at};
use lb_tests::wait::until;

use super::{DNS6, Site, VIP, VIP6, WEB, WEB6, backends, service};

/// In the client's own subnet, and nobody's.
const NEAR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100);

fn http_over_dnat_in_both_families_at_once(path: Datapath) {
    let site = Site::dual(path, 3);
    let backends6 = backends(&site.topology.addresses6, Some(8080));
    let backends4 = backends(&site.topology.addresses, Some(8080));
    let round_robin = r#""select":"rr","#;
    site.serve(&[
        service(VIP6, 80, "tcp", round_robin, &backends6),
        service(VIP, 80, "tcp", round_robin, &backends4),
    ]);
    let client = &site.topology.client;
    let replies: Vec<_> = (0..6).map(|_| get(client, WEB6).unwrap()).collect();
    let used: BTreeSet<&str> = replies.iter().map(|reply| reply.backend.as_str()).collect();
    assert_eq!(used.len(), 3, "{replies:?}");
    assert!(
        replies
            .iter()
            .all(|reply| reply.peer_ip() == IpAddr::from(CLIENT6)),
        "{replies:?}"
    );
    let used: BTreeSet<String> = (0..3).map(|_| get(client, WEB).unwrap().backend).collect();
    assert_eq!(used.len(), 3);
}

fn megabytes_pass_whole_both_ways_in_every_mode_of_ipv6(path: Datapath) {
    let site = Site::dual(path, 1);
    let address = site.topology.addresses6[0];
    let _echo = Server::echo(&site.topology.backends[0], address, 7000).unwrap();
    let modes = ["dnat", "fullnat", "onearm"];
    let services: Vec<String> = (7001..)
        .zip(modes)
        .map(|(port, mode)| {
            let words = format!(r#""mode":"{mode}","#);
            service(VIP6, port, "tcp", &words, &backends(&[address], Some(7000)))
        })
        .collect();
    site.serve(&services);
    let bytes: Vec<u8> = (0..4u32 << 20)
        .map(|index| (index ^ index >> 9) as u8)
        .collect();
    for (port, _) in (7001..).zip(modes) {
        let to = SocketAddrV6::new(VIP6, port, 0, 0);
        transfer(&site.topology.client, to, bytes.clone()).unwrap();
    }
}

fn fullnat_and_onearm_show_backends_who_asks(path: Datapath) {
    let site = Site::dual(path, 1);
    let web = backends(&site.topology.addresses6, Some(8080));
    let dns = backends(&site.topology.addresses6, Some(5353));
    site.serve(&[
        service(VIP6, 80, "tcp", r#""mode":"fullnat","#, &web),
        service(VIP6, 53, "udp", r#""mode":"onearm","#, &dns),
    ]);
    let client = &site.topology.client;
    assert_eq!(get(client, WEB6).unwrap().peer_ip(), IpAddr::from(VIP6));
    let socket = udp_at(client, (Ipv6Addr::UNSPECIFIED, 0)).unwrap();
    let own = Ipv6Addr::new(0x2001, 0xdb8, 0x31, 1, 0, 0, 0, 0xfe);
    assert_eq!(
        exchange(&socket, DNS6, "who?").unwrap().peer_ip(),
        IpAddr::from(own)
    );
}

fn a_vip_in_a_connected_subnet_is_found_by_neighbour_discovery_and_belongs_to_nobody(
    path: Datapath,
) {
    let mut site = Site::dual(path, 1);
    let web = backends(&site.topology.addresses6, Some(8080));
    site.serve(&[service(NEAR, 80, "tcp", "", &web)]);
    let to = SocketAddrV6::new(NEAR, 80, 0, 0);
    let client = &site.topology.client;
    get(client, to).unwrap();
    assert_eq!(ping6(client, NEAR).unwrap(), NEAR);
    let neighbour = client.ip(&format!("neigh show {NEAR}")).unwrap();
    let front = mac(&site.topology.balancer, "front").unwrap();
    assert!(neighbour.contains(&front), "{neighbour}");
    let addresses = site.topology.balancer.ip("address show").unwrap();
    assert!(!addresses.contains(&NEAR.to_string()), "{addresses}");
    // Switches that listen to group memberships are told, and the daemon is not needed for it.
    let groups = || site.topology.balancer.ip("maddress show dev front");
    assert!(
        groups().unwrap().contains("33:33:ff:00:01:00"),
        "{}",
        groups().unwrap()
    );
    site.daemon.kill().unwrap();
    client.ip("neigh flush dev eth0").unwrap();
    get(client, to).unwrap();
    let groups = site
        .topology
        .balancer
        .ip("maddress show dev front")
        .unwrap();
    assert!(groups.contains("33:33:ff:00:01:00"), "{groups}");
}

fn a_neighbour_that_is_checked_again_stays_reachable(path: Datapath) {
    let site = Site::dual(path, 1);
    let web = backends(&site.topology.addresses6, Some(8080));
    site.serve(&[service(NEAR, 80, "tcp", "", &web)]);
    let client = &site.topology.client;
    let to = SocketAddrV6::new(NEAR, 80, 0, 0);
    get(client, to).unwrap();
    // The kernel asks the VIP alone, from whichever address it likes, before it forgets it.
    for name in ["base_reachable_time_ms", "delay_first_probe_time"] {
        let value = if name.ends_with("ms") { "100" } else { "0" };
        client
            .sysctl(&format!("net/ipv6/neigh/eth0/{name}"), value)
            .unwrap();
    }
    client
        .ip(&format!("neigh change {NEAR} dev eth0 nud probe"))
        .unwrap();
    until("the VIP to be confirmed", || {
        let entry = client.ip(&format!("neigh show {NEAR}"))?;
        Ok(entry.contains("REACHABLE").then_some(()))
    })
    .unwrap();
}

fn nobody_else_can_take_a_vip_for_itself(path: Datapath) {
    let site = Site::dual(path, 1);
    let web = backends(&site.topology.addresses6, Some(8080));
    site.serve(&[service(NEAR, 80, "tcp", "", &web)]);
    let client = &site.topology.client;
    client.sysctl("net/ipv6/conf/eth0/accept_dad", "1").unwrap();
    client
        .sysctl("net/ipv6/conf/eth0/dad_transmits", "1")
        .unwrap();
    client
        .ip(&format!("address add {NEAR}/64 dev eth0"))
        .unwrap();
    until("the address to be found taken", || {
        let addresses = client.ip("address show dev eth0")?;
        Ok(addresses.contains("dadfailed").then_some(()))
    })
    .unwrap();
}

fn pings_and_refusals_come_back_in_ipv6(path: Datapath) {
    let site = Site::dual(path, 1);
    let closed = backends(&site.topology.addresses6, Some(9));
    site.serve(&[
        service(VIP6, 80, "tcp", "", ""),
        service(VIP6, 53, "udp", "", ""),
        service(VIP6, 7001, "tcp", "", &closed),
        service(VIP6, 7001, "udp", "", &closed),
    ]);
    let client = &site.topology.client;
    assert_eq!(ping6(client, VIP6).unwrap(), VIP6);
    assert_eq!(ping6(client, FRONT6).unwrap(), FRONT6);
    refusals(client, WEB6, DNS6).unwrap();
    let closed = SocketAddrV6::new(VIP6, 7001, 0, 0);
    refusals(client, closed, closed).unwrap();
}

on_both_paths! {
    http_over_dnat_in_both_families_at_once,
    megabytes_pass_whole_both_ways_in_every_mode_of_ipv6,
    fullnat_and_onearm_show_backends_who_asks,
    a_vip_in_a_connected_subnet_is_found_by_neighbour_discovery_and_belongs_to_nobody,
    a_neighbour_that_is_checked_again_stays_reachable,
    nobody_else_can_take_a_vip_for_itself,
    pings_and_refusals_come_back_in_ipv6,
}

//! VLANs and jumbo frames.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use lb_tests::daemon::Daemon;
use lb_tests::datapath::Datapath;
use lb_tests::namespace::mac;
use lb_tests::topology::Topology;
use lb_tests::traffic::{Server, exchange, get, ping, ping6, transfer, udp, udp_at};
use lb_tests::wait::until;

use super::{DNS, DNS6, Site, VIP, VIP6, backends, service};

fn long_datagrams_and_streams_pass_links_of_long_frames(path: Datapath) {
    // A frame of the worker's is a page, less the room before the packet.
    let (mtu, length) = match path {
        Datapath::Xdp => (9000, 8000),
        Datapath::AfXdp => (3500, 3400),
    };
    let topology = Topology::routed(1).unwrap().with_ipv6().unwrap();
    let site = Site::of(path, topology.with_mtu(mtu).unwrap());
    let Topology {
        client,
        backends: servers,
        addresses,
        addresses6,
        ..
    } = &site.topology;
    let _echo = Server::echo(&servers[0], addresses[0], 7000).unwrap();
    let _echo6 = Server::echo(&servers[0], addresses6[0], 7000).unwrap();
    let (dns, dns6) = (
        backends(addresses, Some(5353)),
        backends(addresses6, Some(5353)),
    );
    let (echo, echo6) = (
        backends(addresses, Some(7000)),
        backends(addresses6, Some(7000)),
    );
    site.serve(&[
        service(VIP, 53, "udp", "", &dns),
        service(VIP6, 53, "udp", r#""mode":"fullnat","#, &dns6),
        service(VIP, 7000, "tcp", "", &echo),
        service(VIP6, 7000, "tcp", "", &echo6),
    ]);
    let text = "jumbo".repeat(length / 5);
    let reply = exchange(&udp(client, 0).unwrap(), DNS, &text).unwrap();
    assert_eq!(reply.rest, text);
    let socket = udp_at(client, (Ipv6Addr::UNSPECIFIED, 0)).unwrap();
    assert_eq!(exchange(&socket, DNS6, &text).unwrap().rest, text);
    until("one packet each way, in one piece", || {
        let (_, service) = site.daemon.get("/v1/services/20.0.0.1/53/udp")?;
        let traffic = &service["traffic"];
        Ok((traffic["packetsIn"] == 1 && traffic["packetsOut"] == 1).then_some(()))
    })
    .unwrap();
    let bytes: Vec<u8> = (0..4u32 << 20)
        .map(|index| (index ^ index >> 9) as u8)
        .collect();
    for vip in [IpAddr::from(VIP), IpAddr::from(VIP6)] {
        transfer(client, SocketAddr::new(vip, 7000), bytes.clone()).unwrap();
    }
}

fn a_client_on_a_vlan_reaches_a_vip_of_its_subnet_through_an_interface_that_only_loxid_has(
    path: Datapath,
) {
    const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);
    const CLIENT6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 2);
    const NEAR: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 100);
    const NEAR6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x100);
    let topology = Topology::routed(1).unwrap().with_ipv6().unwrap();
    let topology = topology.with_client_vlan(100).unwrap();
    let client = &topology.client;
    client
        .ip(&format!("address add {CLIENT}/24 dev eth0"))
        .unwrap();
    client
        .ip(&format!("address add {CLIENT6}/64 dev eth0 nodad"))
        .unwrap();
    let servers = Server::all(&topology).unwrap();
    let daemon = Daemon::with(
        &topology,
        &format!(
            "interfaces:\n{}{}\
             vlans:\n  - {{interface: front, id: 100, addresses: [10.1.0.1/24, \"2001:db8:1::1/64\"]}}\n",
            path.interface("front", ""),
            path.interface("back1", "")
        ),
    )
    .unwrap();
    let site = Site {
        daemon,
        _servers: servers,
        topology,
    };
    let client = &site.topology.client;
    site.serve(&[
        service(
            NEAR,
            80,
            "tcp",
            "",
            &backends(&site.topology.addresses, Some(8080)),
        ),
        service(
            NEAR6,
            80,
            "tcp",
            "",
            &backends(&site.topology.addresses6, Some(8080)),
        ),
        service(
            VIP,
            53,
            "udp",
            "",
            &backends(&site.topology.addresses, Some(5353)),
        ),
    ]);
    let reply = get(client, SocketAddr::from((NEAR, 80))).unwrap();
    assert_eq!(reply.peer_ip(), IpAddr::from(CLIENT));
    let reply = get(client, SocketAddr::from((NEAR6, 80))).unwrap();
    assert_eq!(reply.peer_ip(), IpAddr::from(CLIENT6));
    assert_eq!(ping(client, NEAR).unwrap(), NEAR);
    assert_eq!(ping6(client, NEAR6).unwrap(), NEAR6);
    let neighbours = client.ip("neigh show").unwrap();
    let front = mac(&site.topology.balancer, "front").unwrap();
    for vip in [NEAR.to_string(), NEAR6.to_string()] {
        let mut lines = neighbours.lines();
        let entry = lines.find(|line| line.starts_with(&format!("{vip} ")));
        assert!(
            entry.is_some_and(|entry| entry.contains(&front)),
            "{neighbours}"
        );
    }
}

on_both_paths! {
    long_datagrams_and_streams_pass_links_of_long_frames,
    a_client_on_a_vlan_reaches_a_vip_of_its_subnet_through_an_interface_that_only_loxid_has,
}

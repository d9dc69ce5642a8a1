//! Direct return: backends have the VIP themselves, and answer the client without the appliance.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use lb_tests::daemon::Daemon;
use lb_tests::datapath::Datapath;
use lb_tests::topology::{CLIENT, CLIENT6, Topology};
use lb_tests::traffic::{Connection, Server, get, transfer, udp, udp_at};
use lb_tests::wait::until;

use super::{DNS, Site, VIP, VIP6, backends, service};

/// In the subnet of all, so that the client asks for it by ARP and everybody hears it.
const NEAR: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);
const NEAR6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100);

/// Client, appliance and backends on one switch; the backends have these VIPs, too.
struct Shared {
    site: Site,
    _servers: Vec<Server>,
}

impl Shared {
    fn new(path: Datapath, vips: &[IpAddr]) -> Self {
        let topology = Topology::flat(2).unwrap().with_ipv6().unwrap();
        let site = Site::of(path, topology.with_tunnels().unwrap());
        let mut servers = Vec::new();
        for vip in vips {
            site.topology.share(*vip).unwrap();
            for (number, backend) in (1..).zip(&site.topology.backends) {
                servers.push(Server::http(backend, *vip, 80, &format!("b{number}")).unwrap());
                servers.push(Server::echo(backend, *vip, 7000).unwrap());
            }
        }
        Shared {
            site,
            _servers: servers,
        }
    }

    /// Who answers connections, in turn; each sees the client itself.
    fn answered(&self, vip: IpAddr) -> Vec<String> {
        let peer = match vip {
            IpAddr::V4(_) => IpAddr::from(CLIENT),
            IpAddr::V6(_) => IpAddr::from(CLIENT6),
        };
        let ask = |_| {
            let reply = get(&self.site.topology.client, SocketAddr::new(vip, 80)).unwrap();
            assert_eq!(reply.peer_ip(), peer);
            reply.backend
        };
        (0..4).map(ask).collect()
    }

    /// Replies don't come by.
    fn is_one_sided(&self, port: u16) {
        let traffic = self.site.service("tcp", port)["traffic"].clone();
        assert!(traffic["packetsIn"].as_u64().unwrap() > 0, "{traffic}");
        assert_eq!(traffic["packetsOut"], 0, "{traffic}");
    }
}

fn in_turn(backends: &[String]) {
    assert_ne!(backends[0], backends[1]);
    assert_eq!(backends[..2], backends[2..]);
}

fn megabytes() -> Vec<u8> {
    (0..4u32 << 20)
        .map(|index| (index ^ index >> 9) as u8)
        .collect()
}

/// Waits until the daemon has read the counters of what has been forwarded.
fn counted(shared: &Shared, port: u16) {
    until("packets to be counted", || {
        let traffic = shared.site.service("tcp", port)["traffic"].clone();
        Ok((traffic["packetsIn"] != 0).then_some(()))
    })
    .unwrap();
}

fn dsr_leads_to_backends_on_the_link_which_have_the_vip(path: Datapath) {
    let shared = Shared::new(path, &[NEAR.into(), VIP.into()]);
    let site = &shared.site;
    let all = backends(&site.topology.addresses, None);
    let words = r#""mode":"dsr","select":"rr","#;
    site.serve(&[
        service(NEAR, 80, "tcp", words, &all),
        service(NEAR, 7000, "tcp", words, &all),
        service(VIP, 81, "tcp", words, ""),
    ]);
    in_turn(&shared.answered(NEAR.into()));
    let to = SocketAddr::from((NEAR, 7000));
    transfer(&site.topology.client, to, megabytes()).unwrap();
    counted(&shared, 80);
    shared.is_one_sided(80);
    // The client has the appliance's MAC address: backends kept silent.
    let neighbour = site
        .topology
        .client
        .ip(&format!("neigh show {NEAR}"))
        .unwrap();
    assert!(
        neighbour.contains(&site.topology.mac("front").unwrap()),
        "{neighbour}"
    );
}

fn dsr_in_ipv6_leads_to_backends_on_the_link_which_have_the_vip(path: Datapath) {
    let shared = Shared::new(path, &[NEAR6.into()]);
    let site = &shared.site;
    let all = backends(&site.topology.addresses6, None);
    let words = r#""mode":"dsr","select":"rr","#;
    site.serve(&[
        service(NEAR6, 80, "tcp", words, &all),
        service(NEAR6, 7000, "tcp", words, &all),
    ]);
    in_turn(&shared.answered(NEAR6.into()));
    let to = SocketAddr::from((NEAR6, 7000));
    transfer(&site.topology.client, to, megabytes()).unwrap();
}

fn tunnels_of_either_family_carry_either_family(path: Datapath) {
    let shared = Shared::new(path, &[VIP.into(), VIP6.into()]);
    let site = &shared.site;
    let backends4 = backends(&site.topology.addresses, None);
    let backends6 = backends(&site.topology.addresses6, None);
    for mode in ["ipip", "gue"] {
        for outer in [&backends4, &backends6] {
            let words = format!(r#""mode":"{mode}","select":"rr","#);
            site.serve(&[
                service(VIP, 80, "tcp", &words, outer),
                service(VIP6, 80, "tcp", &words, outer),
            ]);
            in_turn(&shared.answered(VIP.into()));
            in_turn(&shared.answered(VIP6.into()));
        }
    }
    counted(&shared, 80);
    shared.is_one_sided(80);
    let connections = site.daemon.loxictl("get ct").unwrap();
    let of_tunnels = connections
        .lines()
        .filter(|line| line.contains("[2001:db8:20::1]:80"));
    let of_tunnels: Vec<&str> = of_tunnels.collect();
    assert!(!of_tunnels.is_empty(), "{connections}");
    assert!(
        of_tunnels.iter().all(|line| line.contains("one-sided")),
        "{connections}"
    );
}

fn tunnels_come_from_a_prefix_which_flows_are_spread_over(path: Datapath) {
    let topology = Topology::routed(1).unwrap();
    let daemon = Daemon::with(
        &topology,
        &format!(
            "interfaces:\n{}{}tunnelSource: {{ipv4: 198.18.0.0/24}}\n",
            path.interface("front", ""),
            path.interface("back1", "")
        ),
    )
    .unwrap();
    let site = Site {
        daemon,
        _servers: Vec::new(),
        topology,
    };
    let all = backends(&site.topology.addresses, None);
    site.serve(&[service(VIP, 53, "udp", r#""mode":"gue","#, &all)]);
    // What GUE carries in UDP is a packet, to whoever listens at its port.
    let ears = udp_at(
        &site.topology.backends[0],
        (site.topology.addresses[0], 6080),
    )
    .unwrap();
    let mut sources = BTreeSet::new();
    for _ in 0..32 {
        let socket = udp(&site.topology.client, 0).unwrap();
        let mut of_flow = BTreeSet::new();
        for _ in 0..2 {
            socket.send_to(b"who?", DNS).unwrap();
            let mut packet = [0; 128];
            let (length, source) = ears.recv_from(&mut packet).unwrap();
            assert_eq!(packet[0], 0x45);
            assert_eq!(packet[12..16], CLIENT.octets());
            assert_eq!(packet[16..20], VIP.octets());
            assert_eq!(packet[28..length], *b"who?");
            of_flow.insert(source);
        }
        assert_eq!(of_flow.len(), 1, "a flow has one: {of_flow:?}");
        sources.extend(of_flow);
    }
    let prefix = |source: &SocketAddr| source.to_string().starts_with("198.18.0.");
    assert!(sources.iter().all(prefix), "{sources:?}");
    let addresses: BTreeSet<IpAddr> = sources.iter().map(SocketAddr::ip).collect();
    let ports: BTreeSet<u16> = sources.iter().map(SocketAddr::port).collect();
    assert!(addresses.len() > 16 && ports.len() > 16, "{sources:?}");
}

fn a_tunnel_s_smaller_mtu_is_found_by_clients_of_both_families(path: Datapath) {
    // Packets of 1500 bytes don't fit with another header: clients are told, and send less.
    let shared = Shared::new(path, &[VIP.into(), VIP6.into()]);
    let site = &shared.site;
    let backends4 = backends(&site.topology.addresses, None);
    let backends6 = backends(&site.topology.addresses6, None);
    for (mode, outer) in [("ipip", &backends4), ("gue", &backends6)] {
        let words = format!(r#""mode":"{mode}","#);
        site.serve(&[
            service(VIP, 7000, "tcp", &words, outer),
            service(VIP6, 7000, "tcp", &words, outer),
        ]);
        for vip in [IpAddr::from(VIP), IpAddr::from(VIP6)] {
            let to = SocketAddr::new(vip, 7000);
            transfer(&site.topology.client, to, megabytes()).unwrap();
        }
    }
}

fn a_held_connection_stays_at_its_backend_when_backends_change_in_every_direct_mode(
    path: Datapath,
) {
    let shared = Shared::new(path, &[VIP.into()]);
    let site = &shared.site;
    let (both, second) = (
        backends(&site.topology.addresses, None),
        backends(&site.topology.addresses[1..], None),
    );
    for mode in ["dsr", "ipip", "gue"] {
        let words = format!(r#""mode":"{mode}","select":"rr","#);
        site.serve(&[service(VIP, 80, "tcp", &words, &both)]);
        let to = SocketAddr::from((VIP, 80));
        let mut held: Vec<Connection> = (0..4)
            .map(|_| Connection::open(&site.topology.client, to).unwrap())
            .collect();
        let ask = |held: &mut Vec<Connection>| -> Vec<String> {
            held.iter_mut()
                .map(|one| one.ask().unwrap().backend)
                .collect()
        };
        let before = ask(&mut held);
        let used: BTreeSet<&String> = before.iter().collect();
        assert_eq!(used.len(), 2, "{mode}: {before:?}");
        site.serve(&[service(VIP, 80, "tcp", &words, &second)]);
        assert_eq!(ask(&mut held), before, "{mode}");
        assert_eq!(
            get(&site.topology.client, to).unwrap().backend,
            "b2",
            "{mode}"
        );
        site.serve(&[]);
    }
}

on_both_paths! {
    dsr_leads_to_backends_on_the_link_which_have_the_vip,
    dsr_in_ipv6_leads_to_backends_on_the_link_which_have_the_vip,
    tunnels_of_either_family_carry_either_family,
    tunnels_come_from_a_prefix_which_flows_are_spread_over,
    a_tunnel_s_smaller_mtu_is_found_by_clients_of_both_families,
    a_held_connection_stays_at_its_backend_when_backends_change_in_every_direct_mode,
}

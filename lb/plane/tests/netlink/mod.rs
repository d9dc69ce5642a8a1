//! Facts of a namespace, as they change.

mod netns {
    use std::collections::BTreeSet;
    use std::net::IpAddr;
    use std::time::Duration;

    use lb_plane::netlink::{RawFacts, Watcher};

    use crate::support::{ip, namespace, run, unique};

    /// Ten times what it takes at the most, and more than one nudge.
    const PATIENCE: Duration = Duration::from_secs(20);

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(future)
    }

    async fn until(watcher: &mut Watcher, condition: impl Fn(&RawFacts) -> bool) {
        let waiting = async {
            while !condition(watcher.facts()) {
                watcher.changed().await.unwrap();
            }
        };
        let met = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(met.is_ok(), "{:#?}", watcher.facts());
    }

    fn addr(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// A namespace beside the thread's, with an interface `b` at 10.9.0.2.
    struct Peer(String);

    impl Peer {
        fn new() -> Self {
            let peer = Peer(unique("planepeer"));
            ip(&format!("netns add {}", peer.0));
            ip(&format!(
                "link add name a type veth peer name b netns {}",
                peer.0
            ));
            peer.ip("addr add 10.9.0.2/24 dev b");
            peer.ip("link set dev b up");
            ip("addr add 10.9.0.1/24 dev a");
            ip("link set dev a up");
            peer
        }

        /// `ip -n` would need a root directory that is a mount.
        fn ip(&self, arguments: &str) {
            run(std::process::Command::new("nsenter")
                .arg(format!("--net=/run/netns/{}", self.0))
                .arg("ip")
                .args(arguments.split_whitespace()));
        }
    }

    impl Drop for Peer {
        fn drop(&mut self) {
            let _ = std::process::Command::new("ip")
                .args(["netns", "del", &self.0])
                .status();
        }
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn facts_follow_links_addresses_routes_and_neighbours() {
        namespace();
        block_on(async {
            let mut watcher = Watcher::new().unwrap();
            assert!(watcher.facts().links["lo"].loopback);
            ip("link add name a type veth peer name b");
            ip("link set dev b up");
            ip("link set dev a up");
            until(&mut watcher, |facts| {
                facts.links.get("a").is_some_and(|link| link.up)
            })
            .await;
            let link = watcher.facts().links["a"].clone();
            assert_eq!((link.kind.as_deref(), link.mtu), (Some("veth"), 1500));
            assert!(link.mac.is_some() && link.xdp.is_none() && link.rx_queues > 0);

            ip("addr add 10.8.0.1/24 dev a");
            ip("route add default via 10.8.0.254");
            ip("route add 10.99.0.0/16 via 10.8.0.253 metric 10");
            ip("route add 10.99.0.0/16 via 10.8.0.252 metric 20");
            ip("neigh add 10.8.0.254 dev a lladdr 02:00:00:00:00:fe nud permanent");
            let gateway = (link.ifindex, addr("10.8.0.254"));
            until(&mut watcher, |facts| {
                facts.neighbours.contains_key(&gateway)
            })
            .await;
            let facts = watcher.facts();
            assert!(facts.own.contains(&addr("10.8.0.1")));
            assert!(facts.links["a"].addresses.contains(&(addr("10.8.0.1"), 24)));
            let hop = |to: &str| facts.next_hop(addr(to)).map(|(_, gateway)| gateway);
            assert_eq!(hop("10.8.0.7"), Some(addr("10.8.0.7")));
            assert_eq!(hop("8.8.8.8"), Some(addr("10.8.0.254")));
            assert_eq!(hop("10.99.1.1"), Some(addr("10.8.0.253")));

            ip("link set dev a down");
            until(&mut watcher, |facts| {
                !facts.links["a"].up && facts.routes.is_empty()
            })
            .await;
            ip("link del dev a");
            until(&mut watcher, |facts| !facts.links.contains_key("a")).await;
        });
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn a_refresh_waits_for_no_event() {
        namespace();
        block_on(async {
            let mut watcher = Watcher::new().unwrap();
            ip("link add name a type veth peer name b");
            ip("link set dev a up");
            ip("link set dev b up");
            assert!(watcher.refresh().unwrap());
            assert!(watcher.facts().links["a"].up);
        });
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn a_kept_neighbour_is_resolved_without_traffic_and_again_when_somebody_deletes_it() {
        namespace();
        let _peer = Peer::new();
        block_on(async {
            let mut watcher = Watcher::new().unwrap();
            until(&mut watcher, |facts| {
                facts.links["a"].up && !facts.routes.is_empty()
            })
            .await;
            let key = (watcher.facts().links["a"].ifindex, addr("10.9.0.2"));
            assert!(!watcher.facts().neighbours.contains_key(&key));
            watcher.keep(&BTreeSet::from([key])).unwrap();
            until(&mut watcher, |facts| facts.neighbours.contains_key(&key)).await;
            ip("neigh del 10.9.0.2 dev a");
            until(&mut watcher, |facts| !facts.neighbours.contains_key(&key)).await;
            until(&mut watcher, |facts| facts.neighbours.contains_key(&key)).await;
            watcher.keep(&BTreeSet::new()).unwrap();
            let shown = std::process::Command::new("ip")
                .args(["neigh", "show"])
                .output()
                .unwrap();
            let shown = String::from_utf8(shown.stdout).unwrap();
            assert!(!shown.contains("managed"), "{shown}");
        });
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn ipv6_routes_are_read_and_a_kept_ipv6_neighbour_is_resolved_without_traffic() {
        namespace();
        let peer = Peer::new();
        peer.ip("addr add 2001:db8:9::2/64 dev b nodad");
        ip("addr add 2001:db8:9::1/64 dev a nodad");
        ip(
            "route add 2001:db8:77::/48 nexthop via 2001:db8:9::2 dev a nexthop via 2001:db8:9::3 dev a",
        );
        ip("route add unreachable 2001:db8:66::/48");
        ip("route add default via fe80::99 dev a");
        block_on(async {
            let mut watcher = Watcher::new().unwrap();
            until(&mut watcher, |facts| {
                facts.links["a"].up && facts.next_hop(addr("2001:db8:77::5")).is_some()
            })
            .await;
            let facts = watcher.facts();
            let ifindex = facts.links["a"].ifindex;
            assert!(facts.own.contains(&addr("2001:db8:9::1")));
            for (to, hop) in [
                ("2001:db8:9::7", "2001:db8:9::7"),
                ("2001:db8:77::5", "2001:db8:9::2"),
                ("2001:db8:88::5", "fe80::99"),
            ] {
                assert_eq!(facts.next_hop(addr(to)), Some((ifindex, addr(hop))), "{to}");
            }
            let unreachable = "2001:db8:66::/48".parse().unwrap();
            assert!(facts.routes.iter().all(|route| route.prefix != unreachable));

            let key = (ifindex, addr("2001:db8:9::2"));
            assert!(!watcher.facts().neighbours.contains_key(&key));
            watcher.keep(&BTreeSet::from([key])).unwrap();
            until(&mut watcher, |facts| facts.neighbours.contains_key(&key)).await;
            ip("neigh del 2001:db8:9::2 dev a");
            until(&mut watcher, |facts| !facts.neighbours.contains_key(&key)).await;
            until(&mut watcher, |facts| facts.neighbours.contains_key(&key)).await;
        });
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn a_group_that_is_joined_twice_is_left_at_once_and_the_stacks_own_stay() {
        use lb_plane::multicast::{join, joined, leave, solicited_node_mac};
        namespace();
        ip("link add name a type veth peer name b");
        ip("addr add 2001:db8::42/64 dev a nodad");
        ip("link set dev a up");
        let stacks = solicited_node_mac("2001:db8::42".parse().unwrap());
        let group = solicited_node_mac("2001:db8::1:2345".parse().unwrap());
        assert!(joined("a").unwrap().is_empty());
        join("a", group).unwrap();
        join("a", group).unwrap();
        assert_eq!(joined("a").unwrap(), BTreeSet::from([group]));
        assert!(joined("b").unwrap().is_empty());
        leave("a", stacks).unwrap();
        let hex = |group: lb_core::addr::Mac| group.to_string().replace(':', "");
        let listed = || std::fs::read_to_string("/proc/thread-self/net/dev_mcast").unwrap();
        assert!(listed().contains(&hex(stacks)) && listed().contains(&hex(group)));
        leave("a", group).unwrap();
        leave("a", group).unwrap();
        assert!(!listed().contains(&hex(group)));
        assert!(join("nowhere", group).is_err());
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn a_neighbours_changed_mac_is_seen() {
        namespace();
        let peer = Peer::new();
        block_on(async {
            let mut watcher = Watcher::new().unwrap();
            until(&mut watcher, |facts| {
                facts.links["a"].up && !facts.routes.is_empty()
            })
            .await;
            let key = (watcher.facts().links["a"].ifindex, addr("10.9.0.2"));
            watcher.keep(&BTreeSet::from([key])).unwrap();
            until(&mut watcher, |facts| facts.neighbours.contains_key(&key)).await;
            peer.ip("link set dev b address 02:00:00:00:00:77");
            ip("neigh flush dev a");
            let mac = lb_core::addr::Mac([2, 0, 0, 0, 0, 0x77]);
            until(&mut watcher, |facts| {
                facts.neighbours.get(&key) == Some(&mac)
            })
            .await;
        });
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn an_entry_that_an_operator_fixed_is_left_alone() {
        namespace();
        let _peer = Peer::new();
        ip("neigh add 10.9.0.2 dev a lladdr 02:00:00:00:00:55 nud permanent");
        block_on(async {
            let mut watcher = Watcher::new().unwrap();
            until(&mut watcher, |facts| {
                facts.links["a"].up && !facts.routes.is_empty()
            })
            .await;
            let key = (watcher.facts().links["a"].ifindex, addr("10.9.0.2"));
            watcher.keep(&BTreeSet::from([key])).unwrap();
            watcher.keep(&BTreeSet::new()).unwrap();
            let shown = std::process::Command::new("ip")
                .args(["neigh", "show"])
                .output()
                .unwrap();
            let shown = String::from_utf8(shown.stdout).unwrap();
            assert!(shown.contains("02:00:00:00:00:55 PERMANENT"), "{shown}");
        });
    }
}

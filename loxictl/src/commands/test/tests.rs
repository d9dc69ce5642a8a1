#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn a_target_is_an_address_a_port_and_a_protocol() {
    for (text, want) in [
        ("20.20.20.1:2020", Ok("20.20.20.1:2020/tcp")),
        ("20.20.20.1:2020/tcp", Ok("20.20.20.1:2020/tcp")),
        ("20.20.20.1:53/udp", Ok("20.20.20.1:53/udp")),
        ("20.20.20.1", Err("is not VIP:PORT")),
        ("20.20.20.1:0", Err("1 to 65535")),
        ("20.20.20.1:2020/sctp", Err("tcp or udp")),
        ("[2001:db8::1]:80", Ok("[2001:db8::1]:80/tcp")),
        ("[2001:DB8::1]:53/udp", Ok("[2001:db8::1]:53/udp")),
        ("2001:db8::1:80", Err("is not VIP:PORT")),
        ("20.20.20.1/icmp", Err("tcp or udp")),
        ("web", Err("is not VIP:PORT")),
        ("", Err("is not VIP:PORT")),
    ] {
        match (target(text).map(|target| target.to_string()), want) {
            (Ok(got), Ok(want)) => assert_eq!(got, want),
            (Err(got), Err(want)) => assert!(got.contains(want), "`{text}`: {got}"),
            (got, _) => panic!("`{text}`: {got:?}"),
        }
    }
}

#[test]
fn a_target_is_the_service_that_has_its_port() {
    let keys = [
        "20.20.20.1:*/tcp",
        "20.20.20.1:80-90/tcp",
        "20.20.20.1:80-90/udp",
        "20.20.20.1:443/tcp",
        "[2001:db8::1]:80/tcp",
        "20.20.20.1/icmp",
    ];
    for (text, want) in [
        ("20.20.20.1:443", Some("20.20.20.1:443/tcp")),
        ("20.20.20.1:85", Some("20.20.20.1:80-90/tcp")),
        ("20.20.20.1:91", Some("20.20.20.1:*/tcp")),
        ("20.20.20.1:80/udp", Some("20.20.20.1:80-90/udp")),
        ("20.20.20.1:91/udp", None),
        ("[2001:db8::1]:80", Some("[2001:db8::1]:80/tcp")),
        ("[2001:db8::1]:81", None),
    ] {
        let target = target(text).unwrap();
        let found = keys.iter().filter(|key| target.rank(key).is_some());
        let found = found.min_by_key(|key| target.rank(key));
        assert_eq!(found.copied(), want, "{text}");
    }
}

#[test]
fn only_counters_that_grew_are_told() {
    let count = |reason: &str, packets| ReasonCount {
        reason: reason.into(),
        class: "drop".into(),
        packets,
        recent: 0,
        remedy: String::new(),
        meaning: String::new(),
    };
    let before = [count("no_backend", 5), count("next_hop_unresolved", 1)];
    let after = vec![
        count("no_backend", 5),
        count("next_hop_unresolved", 4),
        count("bad_checksum", 2),
    ];
    assert_eq!(
        grown(&before, after),
        [count("next_hop_unresolved", 3), count("bad_checksum", 2)]
    );
}

mod netns {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    fn link_exists(name: &str) -> bool {
        std::path::Path::new("/sys/class/net").join(name).exists()
    }

    /// Here the box's own address answers: what is tried is the namespace, not the balancer.
    #[tokio::test]
    #[ignore = "needs root: run make test"]
    async fn a_throw_away_namespace_connects_over_both_families_and_leaves_nothing() {
        // One after the other: the link is named by the process.
        for ipv4 in [true, false] {
            connects_and_leaves_nothing(network::free(ipv4).unwrap()).await;
        }
    }

    async fn connects_and_leaves_nothing(network: Network) {
        let client = Client::start(network).unwrap();
        let link = client.link().to_owned();
        assert!(link_exists(&link));

        let listener = TcpListener::bind((network.box_end(), 0)).unwrap();
        let served = listener.local_addr().unwrap();
        let timeout = Duration::from_secs(5);
        let outcome = client
            .connect(served, Protocol::Tcp, timeout)
            .await
            .unwrap();
        assert!(
            matches!(outcome.answer, Answer::Connected(_)),
            "{:?}",
            outcome.answer
        );
        let end: SocketAddr = outcome.client.parse().unwrap();
        assert_eq!(end.ip(), network.client_end());
        let (_, peer) = listener.accept().unwrap();
        assert_eq!(peer.to_string(), outcome.client);

        drop(listener);
        let outcome = client
            .connect(served, Protocol::Tcp, timeout)
            .await
            .unwrap();
        assert!(
            matches!(outcome.answer, Answer::Refused(_)),
            "{:?}",
            outcome.answer
        );

        let server = UdpSocket::bind((network.box_end(), 0)).unwrap();
        let served = server.local_addr().unwrap();
        let outcome = client
            .connect(served, Protocol::Udp, Duration::from_millis(100))
            .await
            .unwrap();
        assert_eq!(outcome.answer, Answer::Sent);
        let (length, from) = server.recv_from(&mut [0; 16]).unwrap();
        assert_eq!((length, from.ip()), (0, network.client_end()));

        drop(client);
        assert!(!link_exists(&link), "{link} is left");
    }
}

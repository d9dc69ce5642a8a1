use super::*;
use crate::options::DEFAULT_LIMITS;

#[test]
fn a_limit_of_connections_is_kept_with_a_quarter_of_the_places_to_spare() {
    for connections in [128, 129, 1 << 20, CONNECTIONS_MOST - 1000] {
        let asked = Limits {
            connections,
            connections6: 128,
            ..DEFAULT_LIMITS
        };
        let config = sizes(&asked, 2).expect("sizes that are allowed");
        let kept = limits(&config).connections;
        assert!((connections..connections + CONNECTIONS_PER_LINE).contains(&kept));
        let places = u64::from(config.conn_lines4) * u64::from(abi::LB_LINE_WORDS);
        assert!(places * 3 >= u64::from(connections) * 4);
    }
}

#[test]
fn a_limit_that_is_read_back_makes_the_same_sizes() {
    let config = sizes(&DEFAULT_LIMITS, 2).expect("sizes that are allowed");
    let again = sizes(&limits(&config), 2).expect("sizes that are allowed");
    assert_eq!(limits(&again), limits(&config));
}

#[test]
fn connections_of_both_families_share_the_positions_there_are() {
    let asked = Limits {
        connections: CONNECTIONS_MOST - 6,
        connections6: 128,
        ..DEFAULT_LIMITS
    };
    let refused = sizes(&asked, 2).expect_err("there is one line left");
    assert_eq!((refused.limit, refused.most), ("connections6", 6));
    let asked = Limits {
        connections: CONNECTIONS_MOST - 132,
        ..asked
    };
    let config = sizes(&asked, 2).expect("there is room for both");
    assert!((config.conn_lines4 + config.conn_lines6) * abi::LB_LINE_WORDS <= POSITIONS_MOST);
}

#[test]
fn a_key_begins_as_every_shorter_key_of_the_secret() {
    let short: [u64; 16] = expand("select", &[2; 32]);
    let long: [u64; 40] = expand("select", &[2; 32]);
    assert_eq!(short, long[..16]);
    assert!(long.iter().all(|word| word & 1 == 1));
    let mut unique = long.to_vec();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), 40);
}

fn sources(ipv4: Option<&str>, ipv6: Option<&str>) -> Result<abi::lb_config, InvalidTunnelSource> {
    let prefix = |text: &str| text.parse().expect("a prefix");
    let mut config = abi::lb_config::new_zeroed();
    let sources = TunnelSources {
        ipv4: ipv4.map(prefix),
        ipv6: ipv6.map(prefix),
    };
    set_tunnel_sources(&mut config, &sources).map(|()| config)
}

#[test]
fn the_bits_behind_a_tunnels_source_prefix_are_spread() {
    let wire = |octets| u32::from_ne_bytes(octets);
    let config = sources(Some("100.64.0.0/10"), Some("2001:db8::f00:0/104")).expect("prefixes");
    assert_eq!(config.tunnel_source4, wire([100, 64, 0, 0]));
    assert_eq!(config.tunnel_spread4, wire([0, 63, 255, 255]));
    assert_eq!(config.tunnel_source6[0], wire([0x20, 1, 0x0d, 0xb8]));
    assert_eq!(config.tunnel_source6[3], wire([0x0f, 0, 0, 0]));
    assert_eq!(config.tunnel_spread6, wire([0, 255, 255, 255]));
    let config = sources(Some("10.0.0.1/32"), Some("2001:db8::/96")).expect("prefixes");
    assert_eq!(
        (config.tunnel_spread4, config.tunnel_spread6),
        (0, u32::MAX)
    );
    let none = sources(None, None).expect("no prefix is needed");
    assert_eq!((none.tunnel_source4, none.tunnel_source6), (0, [0; 4]));
}

#[test]
fn a_tunnels_source_of_another_family_or_too_short_is_refused_with_the_remedy() {
    for (ipv4, ipv6, remedy) in [
        (Some("2001:db8::/96"), None, "IPv4"),
        (None, Some("10.0.0.0/8"), "IPv6"),
        (None, Some("2001:db8::/95"), "/96 or longer"),
        (Some("0.0.0.0/8"), None, "unicast"),
    ] {
        let text = sources(ipv4, ipv6).expect_err(remedy).to_string();
        assert!(text.contains(remedy), "{text}");
    }
}

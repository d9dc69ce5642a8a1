#![allow(clippy::unwrap_used)]

use super::*;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(text, Some("f".into()), &Options::default()).map_err(|error| error.to_string())
}

#[test]
fn every_mistake_is_said_with_line_and_column() {
    let table = [
        ("limit: 3\n", "f:1:1: ", "unknown field `limit`"),
        ("log:\n  levle: info\n", "f:2:3: ", "unknown field `levle`"),
        (
            "api:\n  tcp:\n    adress: none\n",
            "f:3:5: ",
            "unknown field `adress`",
        ),
        (
            "interfaces:\n  - name: eth0\n    mod: native\n",
            "f:3:5: ",
            "unknown field `mod`",
        ),
        (
            "interfaces:\n  - name: eth0\n    mode: fast\n",
            "f:3:11: ",
            "unknown variant `fast`",
        ),
        (
            "interfaces:\n  - mode: auto\n",
            "f:2:",
            "missing field `name`",
        ),
        ("instance: loxid\ninstance: loxid\n", "f:2:", "duplicate"),
        ("instance: [\n", "f:", ""),
        ("instance: Lox\n", "f:1:11: instance: \"Lox\"", "1 to 32"),
        (
            "stateDir: var\n",
            "f:1:11: stateDir: \"var\"",
            "start it with /",
        ),
        (
            "interfaces:\n  - name: a b\n",
            "f:2:11: interfaces[0].name",
            "no interface name",
        ),
        (
            "interfaces: [{name: a}, {name: a}]\n",
            "f:1:32: interfaces[1].name",
            "twice",
        ),
        (
            "api:\n  tcp:\n    address: 0.0.0.0:80\n",
            "f:3:14: api.tcp.address",
            "neither TLS nor tokens",
        ),
        (
            "api:\n  tcp:\n    address: 10.0.0.1:80\n",
            "f:3:14: api.tcp.address",
            "not on loopback",
        ),
        (
            "api:\n  tcp:\n    address: localhost\n",
            "f:3:14: api.tcp.address",
            "ADDRESS:PORT",
        ),
        (
            "api:\n  tcp:\n    loopbackRole: root\n",
            "f:3:19: ",
            "unknown variant `root`",
        ),
        (
            "api:\n  unix:\n    path: sock\n",
            "f:3:11: api.unix.path",
            "start it with /",
        ),
        ("hashSecret: short\n", "f:1:13: hashSecret", "at least 16"),
        (
            "hashSecretFile: /absent/secret\n",
            "f:1:17: hashSecretFile",
            "cannot be read",
        ),
        (
            "limits:\n  services: 0\n",
            "f:2:13: limits.services: 0",
            "1 to 65535",
        ),
        (
            "limits:\n  services: 65536\n",
            "f:2:13: limits.services: 65536",
            "1 to 65535",
        ),
        ("limits:\n  services: many\n", "f:2:13: ", ""),
        (
            "limits:\n  connections: 10\n",
            "f:2:16: limits.connections: 10",
            "1024 to",
        ),
        (
            "limits:\n  connections6: 10\n",
            "f:2:17: limits.connections6: 10",
            "1024 to",
        ),
        (
            "limits:\n  connections: 40000000\n  connections6: 20000000\n",
            "f:3:17: limits.connections6: 20000000 beside 40000000",
            "lower one",
        ),
        (
            "limits:\n  affinities: 0\n",
            "f:2:15: limits.affinities: 0",
            "use 2 to",
        ),
        (
            "limits:\n  sources: 0\n",
            "f:2:12: limits.sources: 0",
            "use 1 to",
        ),
        (
            "announce:\n  probe: never\n",
            "f:2:10: announce.probe: \"never\"",
            "use careful",
        ),
        (
            "tunnelSource:\n  ipv4: 10.0.0.1/24\n",
            "f:2:9: tunnelSource.ipv4: ",
            "write 10.0.0.0/24",
        ),
        (
            "tunnelSource:\n  ipv4: 2001:db8::/96\n",
            "f:2:9: tunnelSource.ipv4: ",
            "not of IPv4",
        ),
        (
            "tunnelSource:\n  ipv6: 2001:db8::/64\n",
            "f:2:9: tunnelSource.ipv6: ",
            "give a /96 or a longer one",
        ),
        (
            "tunnelSource:\n  ipv6: ff02::/96\n",
            "f:2:9: tunnelSource.ipv6: ",
            "multicast",
        ),
        ("sourcePorts: 10240\n", "f:1:14: sourcePorts", "FIRST-LAST"),
        (
            "sourcePorts: 9000-8000\n",
            "f:1:14: sourcePorts",
            "lower port first",
        ),
        ("sourcePorts: 80-9000\n", "f:1:14: sourcePorts", "1024"),
        (
            "log:\n  level: '=loud='\n",
            "f:2:10: log.level",
            "use error, warn",
        ),
        (
            "services:\n  - vip: 10.0.0.1\n    port: 65536\n    protocol: tcp\n",
            "f:2:5: services[0].port",
            "1 to 65535",
        ),
        (
            "services:\n  - {vip: 10.0.0.1, port: 80, protocol: tcp}\n  - {vip: 10.0.0.1, port: 80, protocol: tcp}\n",
            "f:3:5: services[1]",
            "",
        ),
        (
            "services:\n  - vip: 10.0.0.1\n    port: 80\n    protocol: tcp\n    colour: red\n",
            "f:5:5: ",
            "unknown field `colour`",
        ),
        ("---\na: 1\n---\nb: 2\n", "f:3:1: ", "second YAML document"),
    ];
    for (text, start, part) in table {
        let error = parse(text).unwrap_err();
        assert!(
            error.starts_with(start) && error.contains(part),
            "{text}\nwant {start}...{part}...\ngot  {error}"
        );
    }
}

/// A VLAN on a listed interface, with these keys more.
fn vlan(rest: &str) -> String {
    format!("interfaces: [{{name: eth0}}]\nvlans:\n  - interface: eth0\n{rest}")
}

#[test]
fn every_mistake_in_a_vlan_is_said_with_line_and_column() {
    let at_id = "    id: 100\n";
    let table = [
        (
            vlan("    id: 0\n"),
            "f:4:9: vlans[0].id: 0",
            "use 1 to 4094",
        ),
        (
            vlan("    id: 4095\n"),
            "f:4:9: vlans[0].id: 4095",
            "is reserved",
        ),
        (
            vlan("    id: -1\n"),
            "f:4:9: vlans[0].id: -1",
            "use 1 to 4094",
        ),
        (vlan(""), "f:3:", "missing field `id`"),
        (
            vlan(&format!("{at_id}    outer: 4095\n")),
            "f:5:12: vlans[0].outer: 4095",
            "use 1 to 4094",
        ),
        (
            vlan(&format!("{at_id}    protocol: qinq\n")),
            "f:5:15: vlans[0].protocol: ",
            "use 802.1Q or 802.1ad",
        ),
        (
            vlan(&format!("{at_id}    mtu: 67\n")),
            "f:5:10: vlans[0].mtu: 67",
            "use 68 to 65535",
        ),
        (
            vlan(&format!(
                "{at_id}    addresses: ['2001:db8::1/64']\n    mtu: 1279\n"
            )),
            "f:6:10: vlans[0].mtu: 1279",
            "use 1280 to 65535",
        ),
        (
            vlan(&format!("{at_id}    addresses: [10.1.0.1]\n")),
            "f:5:17: vlans[0].addresses[0]: ",
            "such as 10.1.0.1/24",
        ),
        (
            vlan(&format!("{at_id}    addresses: [10.1.0.1/24, 10.1/24]\n")),
            "f:5:30: vlans[0].addresses[1]: ",
            "such as 10.1.0.1/24",
        ),
        (
            vlan(&format!("{at_id}    addresses: [10.1.0.1/33]\n")),
            "f:5:17: vlans[0].addresses[0]: ",
            "use 1 to 32",
        ),
        (
            vlan(&format!("{at_id}    addresses: [10.1.0.0/24]\n")),
            "f:5:17: vlans[0].addresses[0]: ",
            "is the network itself",
        ),
        (
            vlan(&format!("{at_id}    addresses: [224.0.0.1/24]\n")),
            "f:5:17: vlans[0].addresses[0]: ",
            "multicast",
        ),
        (
            vlan(&format!(
                "{at_id}    addresses: [10.1.0.1/24]\n    neighbours:\n      10.1.0.9: 02:00:00:00:00\n"
            )),
            "f:7:17: vlans[0].neighbours.10.1.0.9: ",
            "is not a MAC address",
        ),
        (
            vlan(&format!(
                "{at_id}    addresses: [10.1.0.1/24]\n    neighbours:\n      10.1.0.9: 33:33:00:00:00:01\n"
            )),
            "f:7:17: vlans[0].neighbours.10.1.0.9: ",
            "no box's address",
        ),
        (
            vlan(&format!(
                "{at_id}    addresses: [10.1.0.1/24]\n    neighbours:\n      10.2.0.9: 02:00:00:00:00:01\n"
            )),
            "f:7:17: vlans[0].neighbours.10.2.0.9: ",
            "add an address of its network",
        ),
        (
            vlan(&format!(
                "{at_id}    neighbours:\n      router: 02:00:00:00:00:01\n"
            )),
            "f:6:15: vlans[0].neighbours.router: ",
            "is not an address",
        ),
        (
            vlan(&format!("{at_id}  - {{interface: eth0, id: 100}}\n")),
            "f:5:17: vlans[1]: eth0.100",
            "there twice",
        ),
        (
            "vlans:\n  - {interface: eth0, id: 100}\n".into(),
            "f:2:17: vlans[0].interface: \"eth0\"",
            "is not in `interfaces`",
        ),
        (
            vlan(&format!("{at_id}    colour: red\n")),
            "f:5:5: ",
            "unknown field `colour`",
        ),
    ];
    for (text, start, part) in table {
        let error = parse(&text).unwrap_err();
        assert!(
            error.starts_with(start) && error.contains(part),
            "{text}\nwant {start}...{part}...\ngot  {error}"
        );
    }
}

#[test]
fn a_vlan_has_tags_addresses_and_neighbours() {
    let text = vlan(
        "    id: 100\n    outer: 200\n    protocol: 802.1ad\n    addresses: [10.1.0.1/24, '2001:db8::1/64']\n    \
         mtu: 1496\n    neighbours: {10.1.0.9: 02:00:00:00:00:09, '2001:db8::9': 02:00:00:00:00:09}\n",
    );
    let config = parse(&text).unwrap();
    let vlan = &config.vlans[0];
    assert_eq!(vlan.name(), "eth0.200.100");
    assert_eq!(vlan.tags.protocol.as_str(), "802.1ad");
    assert_eq!((vlan.addresses.len(), vlan.neighbours.len()), (2, 2));
    assert_eq!(vlan.mtu, Some(1496));
    let qinq = vlan.clone();
    let single = parse(&self::vlan("    id: 100\n")).unwrap();
    assert_eq!(single.vlans[0].name(), "eth0.100");
    assert_ne!(single.vlans[0].tags, qinq.tags);
}

#[test]
fn outer_sources_of_tunnels_are_prefixes() {
    let text = "tunnelSource: {ipv4: 100.64.0.0/16, ipv6: '2001:db8:f::/96'}\n";
    let config = parse(text).unwrap();
    let shown = [config.tunnel_sources.ipv4, config.tunnel_sources.ipv6];
    let shown = shown.map(|prefix| prefix.unwrap().to_string());
    assert_eq!(shown, ["100.64.0.0/16", "2001:db8:f::/96"]);
}

#[test]
fn all_mistakes_of_values_are_said_at_once() {
    let error = parse("instance: X\nrunDir: run\nlimits: {vips: 0}\n").unwrap_err();
    assert_eq!(error.lines().count(), 3, "{error}");
}

#[test]
fn a_file_that_says_nothing_is_good() {
    for text in ["", "\n", "# only words\n", "---\n"] {
        assert_eq!(parse(text).unwrap().limits, Limits::default(), "{text:?}");
    }
}

#[test]
fn an_absent_file_is_good_only_where_nobody_named_it() {
    let named = Options {
        config: Some("/absent/loxid.yaml".into()),
        ..Options::default()
    };
    assert!(matches!(
        Config::load(&named),
        Err(ConfigError::Read { .. })
    ));
}

#[test]
fn the_command_line_goes_before_the_file() {
    let options = Options {
        instance: Some("other".into()),
        run_dir: Some("/tmp/run".into()),
        ..Options::default()
    };
    let config = Config::parse(
        "instance: loxid\nrunDir: /run/x\nstateDir: /s\n",
        None,
        &options,
    )
    .unwrap();
    assert_eq!(
        (config.instance.as_str(), config.state_dir.to_str()),
        ("other", Some("/s"))
    );
    assert_eq!(config.unix.path.to_str(), Some("/tmp/run/loxid.sock"));
}

#[test]
fn a_mistake_on_the_command_line_is_said_as_such() {
    let options = Options {
        bpffs: Some("here".into()),
        ..Options::default()
    };
    let error = Config::parse("", None, &options).unwrap_err().to_string();
    assert!(
        error.starts_with("command line: bpffs: \"here\""),
        "{error}"
    );
}

#[test]
fn ports_that_the_kernel_gives_out_are_refused_if_asked_for() {
    let local = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
    let first: u16 = local.split_whitespace().next().unwrap().parse().unwrap();
    let error = parse(&format!("sourcePorts: {first}-{}\n", first + 2000)).unwrap_err();
    assert!(
        error.starts_with("f:1:14: sourcePorts") && error.contains("ip_local_port_range"),
        "{error}"
    );
}

#[test]
fn the_example_shows_the_defaults() {
    let example = include_str!("../../../../packaging/examples/loxid.yaml");
    let mut config = parse(example).unwrap();
    config.file = None;
    assert_eq!(
        config,
        Config::parse("", None, &Options::default()).unwrap()
    );
}

#[test]
fn the_comments_of_the_example_are_valid_when_they_are_taken_for_keys() {
    let example = include_str!("../../../../packaging/examples/loxid.yaml");
    let wanted = |line: &str| {
        ["interfaces", "vlans", "services"]
            .iter()
            .fold(line.to_owned(), |line, key| {
                line.replacen(&format!("{key}: []"), &format!("{key}:"), 1)
            })
    };
    let taken: Vec<String> = example
        .lines()
        .map(|line| match line.strip_prefix("#  ") {
            Some(_) if line.starts_with("#   ") && !line.starts_with("#    ") => line.to_owned(),
            Some(rest) => format!("  {rest}"),
            None => wanted(line),
        })
        .filter(|line| !line.trim_start().starts_with('#'))
        .collect();
    let config = parse(&taken.join("\n")).unwrap();
    assert_eq!((config.interfaces.len(), config.document.len()), (1, 2));
    assert_eq!(config.vlans.len(), 1);
}

#[test]
fn an_interface_has_a_datapath_and_the_worker_its_options() {
    let text = "interfaces: [{name: eth0, datapath: afxdp, mode: native}, {name: eth1}]\n\
        afxdp: {framesPerQueue: 2048, zeroCopy: [ice, eth1], busyPoll: true, tap: tap7, workers: external}\n";
    let config = parse(text).unwrap();
    assert_eq!(config.interfaces[0].how.datapath, wire::Datapath::AfXdp);
    assert_eq!(config.interfaces[1].how, AttachAs::default());
    let afxdp = &config.afxdp;
    assert_eq!((afxdp.frames_per_queue, afxdp.tap.as_str()), (2048, "tap7"));
    assert_eq!((afxdp.busy_poll, afxdp.workers), (true, Workers::External));
    assert!(afxdp.is_zero_copy("eth1", None) && afxdp.is_zero_copy("eth0", Some("ice")));
    assert!(!afxdp.is_zero_copy("eth0", Some("veth")));
    assert_eq!(parse("").unwrap().afxdp, AfXdp::default());
}

#[test]
fn the_tap_of_another_instance_is_another_one_and_no_longer_than_names_may_be() {
    let tap = |instance: &str| parse(&format!("instance: {instance}\n")).unwrap().afxdp.tap;
    assert_eq!(tap("loxid"), "loxid-tap");
    let long = tap("an-instance-of-thirty-two-bytes-");
    assert_ne!(long, tap("edge"));
    assert!(is_interface_name(&long), "{long}");
}

#[test]
fn what_the_worker_cannot_be_run_with_is_refused_with_its_place() {
    let table = [
        ("interfaces: [{name: eth0, datapath: dpdk}]\n", "dpdk"),
        (
            "afxdp: {framesPerQueue: 1000}\n",
            "power of two from 256 to 65536",
        ),
        ("afxdp: {framesPerQueue: 131072}\n", "131072"),
        ("afxdp: {framesPerQueue: 0}\n", "framesPerQueue: 0"),
        ("afxdp: {zeroCopy: ['a/b']}\n", "afxdp.zeroCopy[0]"),
        (
            "afxdp: {tap: an-interface-name-that-is-long}\n",
            "1 to 15 bytes",
        ),
        ("afxdp: {workers: 4}\n", "workers"),
        ("afxdp: {queues: 4}\n", "queues"),
    ];
    for (text, said) in table {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(said), "{text}: {error}");
        assert!(error.contains(":1:"), "{text}: {error}");
    }
}

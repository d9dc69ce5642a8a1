#![allow(clippy::unwrap_used)]

use clap::Parser;

use super::*;
use crate::cli::{Cli, Command};

/// `loxictl create lb` with these words: the document it makes, or the whole error.
fn create(words: &str) -> std::result::Result<Document, String> {
    let words = ["loxictl", "create", "lb"]
        .into_iter()
        .chain(words.split_whitespace());
    let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
    let Command::Create(Create { what: What::Lb(lb) }) = cli.command else {
        panic!("not a create");
    };
    lb.document().map_err(|failure| failure.to_string())
}

/// One line for a service: what is not said is the default.
fn line(service: &Service) -> String {
    let backends: Vec<String> = service
        .backends
        .iter()
        .map(|one| {
            let port = one.port.map(|port| format!(":{port}")).unwrap_or_default();
            let max = one.max_connections.map(|max| format!("/{max}"));
            let max = max.unwrap_or_default();
            format!("{}{port}*{}{max}", one.address, one.weight)
        })
        .collect();
    let mut line = format!(
        "{} {:?} {:?} [{}]",
        key(service),
        service.mode,
        service.select,
        backends.join(" ")
    );
    if let Some(name) = &service.name {
        line += &format!(" name={name}");
    }
    if let Some(seconds) = service.idle_timeout {
        line += &format!(" idle={seconds}");
    }
    if service.no_backend != NoBackend::Reject {
        line += &format!(" {:?}", service.no_backend);
    }
    if service.last_hop {
        line += " last-hop";
    }
    for (name, value) in [
        ("tunnel-port", service.tunnel_port),
        ("persist", service.persist),
        ("mss", service.mss_clamp),
    ] {
        line += &value
            .map(|value| format!(" {name}={value}"))
            .unwrap_or_default();
    }
    for (name, prefixes) in [
        ("allow", &service.allowed_sources),
        ("deny", &service.denied_sources),
    ] {
        if !prefixes.is_empty() {
            line += &format!(" {name}={}", prefixes.join(","));
        }
    }
    line
}

#[test]
fn loxicmds_words_make_these_services() {
    let table: &[(&str, &[&str])] = &[
        (
            "20.20.20.1 --tcp=2020:8080 --endpoints=31.31.31.1:1,32.32.32.1:1",
            &["20.20.20.1:2020/tcp Dnat Rr [31.31.31.1:8080*1 32.32.32.1:8080*1]"],
        ),
        (
            "20.20.20.1 --tcp 2020:8080 --endpoints 31.31.31.1:1",
            &["20.20.20.1:2020/tcp Dnat Rr [31.31.31.1:8080*1]"],
        ),
        (
            "--tcp=2020:8080 --endpoints=31.31.31.1:1 20.20.20.1",
            &["20.20.20.1:2020/tcp Dnat Rr [31.31.31.1:8080*1]"],
        ),
        (
            "20.20.20.1 --tcp=80 --endpoints=31.31.31.1",
            &["20.20.20.1:80/tcp Dnat Rr [31.31.31.1:80*1]"],
        ),
        (
            "20.20.20.1 --udp=53:5353 --endpoints=31.31.31.1:7",
            &["20.20.20.1:53/udp Dnat Rr [31.31.31.1:5353*7]"],
        ),
        (
            "20.20.20.1 --tcp=80:8080,443:8443 --udp=53 --endpoints=31.31.31.1:0",
            &[
                "20.20.20.1:80/tcp Dnat Rr [31.31.31.1:8080*0]",
                "20.20.20.1:443/tcp Dnat Rr [31.31.31.1:8443*0]",
                "20.20.20.1:53/udp Dnat Rr [31.31.31.1:53*0]",
            ],
        ),
        ("20.20.20.1 --tcp=80", &["20.20.20.1:80/tcp Dnat Rr []"]),
        (
            "20.20.20.1 --tcp=80 --select=rr --mode=default",
            &["20.20.20.1:80/tcp Dnat Rr []"],
        ),
        (
            "20.20.20.1 --tcp=80 --select=hash --mode=dnat",
            &["20.20.20.1:80/tcp Dnat Maglev []"],
        ),
        (
            "20.20.20.1 --tcp=80 --select=maglev --mode=onearm",
            &["20.20.20.1:80/tcp Onearm Maglev []"],
        ),
        (
            "20.20.20.1 --tcp=80 --mode=fullnat --last-hop",
            &["20.20.20.1:80/tcp Fullnat Rr [] last-hop"],
        ),
        (
            "20.20.20.1 --tcp=80 --name=web --inatimeout=60",
            &["20.20.20.1:80/tcp Dnat Rr [] name=web idle=60"],
        ),
        (
            "20.20.20.1 --tcp=80 --udp=80 --name=web",
            &[
                "20.20.20.1:80/tcp Dnat Rr [] name=web-tcp-80",
                "20.20.20.1:80/udp Dnat Rr [] name=web-udp-80",
            ],
        ),
        (
            "20.20.20.1 --tcp=80 --no-backend=reject",
            &["20.20.20.1:80/tcp Dnat Rr []"],
        ),
        (
            "20.20.20.1 --tcp=80 --no-backend=drop",
            &["20.20.20.1:80/tcp Dnat Rr [] Drop"],
        ),
        (
            "20.20.20.1 --tcp=80 --no-backend=pass",
            &["20.20.20.1:80/tcp Dnat Rr [] Pass"],
        ),
    ];
    for (words, want) in table {
        let document = create(words).unwrap_or_else(|error| panic!("`{words}`: {error}"));
        assert_eq!(
            document.services.iter().map(line).collect::<Vec<_>>(),
            *want,
            "`{words}`"
        );
    }
}

#[test]
fn ports_and_protocol_in_words_of_our_own_make_these_services() {
    let table: &[(&str, &[&str])] = &[
        (
            "20.20.20.1 --port=80 --endpoints=31.31.31.1:8080,31.31.31.2:8081=3/100",
            &["20.20.20.1:80/tcp Dnat Rr [31.31.31.1:8080*1 31.31.31.2:8081*3/100]"],
        ),
        (
            "2001:db8::80 --port=53 --protocol=udp --endpoints=[2001:db8::1]:5353=0,2001:db8::2",
            &["[2001:db8::80]:53/udp Dnat Rr [2001:db8::1:5353*0 2001:db8::2*1]"],
        ),
        (
            "20.20.20.1 --port=80-90 --endpoints=31.31.31.1",
            &["20.20.20.1:80-90/tcp Dnat Rr [31.31.31.1*1]"],
        ),
        (
            "20.20.20.1 --port any --protocol udp --endpoints=31.31.31.1=7",
            &["20.20.20.1:*/udp Dnat Rr [31.31.31.1*7]"],
        ),
        (
            "20.20.20.1 --protocol=icmp",
            &["20.20.20.1/icmp Dnat Maglev []"],
        ),
        (
            "2001:db8::80 --protocol=icmp",
            &["2001:db8::80/icmp Dnat Maglev []"],
        ),
        (
            "20.20.20.1 --tcp=80-90,443:8443,any --name=web --endpoints=31.31.31.1:2",
            &[
                "20.20.20.1:80-90/tcp Dnat Rr [31.31.31.1*2] name=web-tcp-80-90",
                "20.20.20.1:443/tcp Dnat Rr [31.31.31.1:8443*2] name=web-tcp-443",
                "20.20.20.1:*/tcp Dnat Rr [31.31.31.1*2] name=web-tcp-any",
            ],
        ),
        (
            "20.20.20.1 --port=80 --mode=dsr --endpoints=31.31.31.1:80,31.31.31.2",
            &["20.20.20.1:80/tcp Dsr Rr [31.31.31.1:80*1 31.31.31.2*1]"],
        ),
        (
            "20.20.20.1 --tcp=80 --mode=dsr --endpoints=31.31.31.1",
            &["20.20.20.1:80/tcp Dsr Rr [31.31.31.1:80*1]"],
        ),
        (
            "20.20.20.1 --port=80 --mode=ipip --endpoints=31.31.31.1,2001:db8::1",
            &["20.20.20.1:80/tcp Ipip Rr [31.31.31.1*1 2001:db8::1*1]"],
        ),
        (
            "20.20.20.1 --port=80 --mode=gue --tunnel-port=6081 --endpoints=31.31.31.1",
            &["20.20.20.1:80/tcp Gue Rr [31.31.31.1*1] tunnel-port=6081"],
        ),
        (
            "20.20.20.1 --port=80 --select=lc --mss-clamp=1400",
            &["20.20.20.1:80/tcp Dnat Lc [] mss=1400"],
        ),
        (
            "20.20.20.1 --port=80 --persist=300",
            &["20.20.20.1:80/tcp Dnat Maglev [] persist=300"],
        ),
        (
            "20.20.20.1 --tcp=80 --allow=10.0.0.0/8 --allow 192.0.2.0/24 --deny=10.66.0.0/16,10.67.0.0/16",
            &[
                "20.20.20.1:80/tcp Dnat Rr [] allow=10.0.0.0/8,192.0.2.0/24 deny=10.66.0.0/16,10.67.0.0/16",
            ],
        ),
    ];
    for (words, want) in table {
        let document = create(words).unwrap_or_else(|error| panic!("`{words}`: {error}"));
        assert_eq!(
            document.services.iter().map(line).collect::<Vec<_>>(),
            *want,
            "`{words}`"
        );
    }
}

#[test]
fn wrong_words_are_errors_that_name_the_rule() {
    let table: &[(&str, &str)] = &[
        ("", "<VIP>"),
        ("20.20.20.1", "--tcp"),
        ("20.20.20 --tcp=80", "invalid value '20.20.20'"),
        ("example.com --tcp=80", "invalid value 'example.com'"),
        ("20.20.20.1 --tcp=0", "1 to 65535"),
        ("20.20.20.1 --tcp=80:0", "1 to 65535"),
        ("20.20.20.1 --udp=", "is not a port"),
        ("20.20.20.1 --tcp=1-9:80", "get each client's own port"),
        ("20.20.20.1 --port=80 --tcp=80", "cannot be used with"),
        ("20.20.20.1 --protocol=tcp", "which port? --port=80"),
        ("20.20.20.1 --protocol=icmp --port=80", "icmp has no ports"),
        ("20.20.20.1 --protocol=sctp --port=80", "tcp, udp or icmp"),
        (
            "20.20.20.1 --protocol=icmp --endpoints=31.31.31.1",
            "services[0].backends",
        ),
        ("20.20.20.1 --port=90-80", "the lower port first"),
        ("20.20.20.1 --port=0", "or * for any port"),
        (
            "20.20.20.1 --port=80-90 --endpoints=31.31.31.1:80",
            "services[0].backends[0].port",
        ),
        ("20.20.20.1 --tcp=80-90,85", "overlap"),
        (
            "20.20.20.1 --port=80 --mode=dsr --endpoints=31.31.31.1:81",
            "services[0].backends[0].port",
        ),
        (
            "20.20.20.1 --port=80 --tunnel-port=6080",
            "services[0].tunnelPort",
        ),
        (
            "20.20.20.1 --port=80 --mode=dsr --mss-clamp=1400",
            "services[0].mssClamp",
        ),
        ("20.20.20.1 --port=80 --mss-clamp=500", "536..=65495"),
        ("20.20.20.1 --port=80 --persist=0", "1..=86400"),
        (
            "20.20.20.1 --port=80 --persist=60 --select=rr",
            "services[0].persist",
        ),
        (
            "20.20.20.1 --port=80 --allow=10.0.0.1/8",
            "write 10.0.0.0/8",
        ),
        (
            "20.20.20.1 --port=80 --allow=2001:db8::/32",
            "services[0].allowedSources",
        ),
        ("20.20.20.1 --sctp=80:80", "--sctp"),
        (
            "20.20.20.1 --tcp=80 --endpoints=31.31.31.1:1001",
            "0 (takes no new connection) to 1000",
        ),
        (
            "20.20.20.1 --tcp=80 --endpoints=31.31.31.1:1:1",
            "is not an address",
        ),
        ("20.20.20.1 --tcp=80 --select=n2", "not supported"),
        (
            "20.20.20.1 --tcp=80 --select=best",
            "rr, hash, maglev or lc",
        ),
        ("20.20.20.1 --tcp=80 --mode=fullproxy", "not supported"),
        (
            "20.20.20.1 --tcp=80 --mode=snat",
            "default, dnat, onearm, fullnat, dsr, ipip or gue",
        ),
        ("20.20.20.1 --tcp=80 --inatimeout=0", "1..=28800"),
        ("20.20.20.1 --tcp=80 --inatimeout=28801", "1..=28800"),
        (
            "20.20.20.1 --tcp=80 --no-backend=accept",
            "reject, drop or pass",
        ),
        ("20.20.20.1 --tcp=80 --source=Web!", "invalid value 'Web!'"),
        // What is wrong only when it is seen together: the document's own rules.
        ("20.20.20.1 --tcp=80,80", "services[1]"),
        (
            "20.20.20.1 --tcp=80 --endpoints=31.31.31.1,31.31.31.1",
            "backends[1]",
        ),
        ("20.20.20.1 --tcp=80 --endpoints=2001:db8::1", "backends[0]"),
        ("224.0.0.1 --tcp=80", "vip"),
    ];
    for (words, want) in table {
        let error = create(words).expect_err(words);
        assert!(error.contains(want), "`{words}`: {error}");
    }
}

#[test]
fn the_document_that_is_printed_is_one_that_apply_takes() {
    let document =
        create("20.20.20.1 --tcp=2020:8080 --endpoints=31.31.31.1:1 --select=hash --name=web")
            .unwrap();
    let text = crate::output::yaml(&document);
    assert_eq!(
        text,
        "services:\n  - name: web\n    vip: 20.20.20.1\n    port: 2020\n    protocol: tcp\n    mode: dnat\n    \
         select: maglev\n    noBackend: reject\n    backends:\n      - address: 31.31.31.1\n        port: 8080\n        \
         weight: 1\n"
    );
    assert_eq!(
        lb_api::parse::yaml::<Document>(text.as_bytes()).unwrap(),
        document
    );
}

#[test]
fn a_service_or_name_that_is_there_is_a_conflict_and_nothing_is_added() {
    let source = Source::Api;
    let there = create("20.20.20.1 --tcp=80 --name=web").unwrap();
    for words in ["20.20.20.1 --tcp=443,80", "20.20.20.2 --tcp=80 --name=web"] {
        let mut document = there.clone();
        let failure = add(&mut document, &create(words).unwrap(), &source).unwrap_err();
        assert_eq!(failure.kind, Kind::Conflict, "{failure}");
        assert_eq!(document, there);
    }
    let mut document = there.clone();
    add(
        &mut document,
        &create("20.20.20.1 --udp=80").unwrap(),
        &source,
    )
    .unwrap();
    assert_eq!(document.services.len(), 2);
}

//! Announcing, as a capture on the client's link shows it.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lb_tests::daemon::Daemon;
use lb_tests::namespace::mac;
use lb_tests::tap::{Seen, Tap, Told};
use lb_tests::topology::{CLIENT, Topology};
use lb_tests::traffic::{Server, get};
use lb_tests::wait::until;
use serde_json::Value;

use super::{Site, backends, service};

/// In the client's own subnets, and nobody's.
const NEAR: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);
const NEAR6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100);
const NOBODY: ([u8; 6], Ipv4Addr) = ([0; 6], Ipv4Addr::UNSPECIFIED);
const BROADCAST: [u8; 6] = [0xff; 6];
/// Somebody who is not there but for what a test says.
const OTHER: [u8; 6] = [2, 0, 0, 0, 9, 9];

/// A site with a tap on the client's end of the link to the balancer.
struct Watched {
    tap: Tap,
    front: [u8; 6],
    client: [u8; 6],
    site: Site,
}

fn bytes(text: &str) -> [u8; 6] {
    let all: Vec<u8> = text
        .split(':')
        .map(|hex| u8::from_str_radix(hex, 16).unwrap())
        .collect();
    all.try_into().unwrap()
}

impl Watched {
    fn new(probe: &str) -> Self {
        Self::with(probe, "")
    }

    /// With further lines of configuration.
    fn with(probe: &str, more: &str) -> Self {
        let topology = Topology::routed(1).unwrap().with_ipv6().unwrap();
        let servers = Server::all(&topology).unwrap();
        let tap = Tap::on(&topology.client, "eth0").unwrap();
        let configuration = format!(
            "interfaces:\n  - name: front\n  - name: back1\nannounce: {{probe: {probe}}}\n{more}"
        );
        let daemon = Daemon::with(&topology, &configuration).unwrap();
        Watched {
            tap,
            front: bytes(&topology.mac("front").unwrap()),
            client: bytes(&mac(&topology.client, "eth0").unwrap()),
            site: Site {
                daemon,
                _servers: servers,
                topology,
            },
        }
    }

    /// Applies services of both families; `words` are further fields.
    fn apply(&self, words: &str) {
        let to = &self.site.topology;
        let of = |vip: &str, list: &str| service(vip, 80, "tcp", words, list);
        let (four, six) = (
            backends(&to.addresses, Some(8080)),
            backends(&to.addresses6, Some(8080)),
        );
        let all = [of(&NEAR.to_string(), &four), of(&NEAR6.to_string(), &six)];
        self.put(&all.join(","));
    }

    fn put(&self, services: &str) {
        let body = format!(r#"{{"services":[{services}]}}"#);
        let daemon = &self.site.daemon;
        let (status, answer) = daemon.request("PUT", "/v1/documents/api", &body).unwrap();
        assert!((200..300).contains(&status), "{status} {answer}");
    }

    fn service(&self, vip: &str) -> Value {
        let path = format!("/v1/services/{vip}/80/tcp");
        self.site.daemon.get(&path).unwrap().1
    }

    fn condition(&self, vip: &str, kind: &str) -> Option<Value> {
        let service = self.service(vip);
        let all = service["conditions"].as_array()?;
        all.iter().find(|one| one["type"] == kind).cloned()
    }

    fn reason(&self, vip: &str) -> String {
        let condition = self.condition(vip, "Announced");
        let reason = condition.map(|one| one["reason"].as_str().unwrap_or_default().to_owned());
        reason.unwrap_or_default()
    }

    /// Waits until the condition `Announced` of a VIP has this reason.
    fn becomes(&self, vip: &str, reason: &str) {
        until(&format!("{vip} to be {reason}"), || {
            Ok((self.reason(vip) == reason).then_some(()))
        })
        .unwrap_or_else(|error| panic!("{error:#}: {}", self.service(vip)));
    }

    /// What the balancer has sent by its front interface, that passes.
    fn sent(&self, passes: impl Fn(&Told) -> bool) -> Vec<Seen> {
        let all = self.tap.seen().into_iter();
        all.filter(|seen| seen.from == self.front && passes(&seen.told))
            .collect()
    }

    /// Waits for this many frames of the balancer that pass.
    fn await_sent(&self, what: &str, count: usize, passes: impl Fn(&Told) -> bool) -> Vec<Seen> {
        until(what, || {
            let sent = self.sent(&passes);
            Ok((sent.len() >= count).then_some(sent))
        })
        .unwrap_or_else(|error| panic!("{error:#}: {:#?}", self.tap.seen()))
    }

    fn answers_arp(&self) -> bool {
        self.tap.forget();
        self.tap
            .arp(1, (self.client, CLIENT), (NOBODY.0, NEAR))
            .unwrap();
        // A ping to the front address comes back after whatever the request got.
        lb_tests::traffic::ping(&self.site.topology.client, lb_tests::topology::FRONT).unwrap();
        !self.sent(is_answer).is_empty()
    }
}

fn is_probe(told: &Told) -> bool {
    matches!(
        told,
        Told::Arp {
            operation: 1,
            sender: (_, Ipv4Addr::UNSPECIFIED),
            target: (_, NEAR)
        }
    )
}

fn is_request(told: &Told) -> bool {
    matches!(
        told,
        Told::Arp {
            operation: 1,
            sender: (_, NEAR),
            target: (_, NEAR)
        }
    )
}

fn is_reply(told: &Told) -> bool {
    matches!(
        told,
        Told::Arp {
            operation: 2,
            sender: (_, NEAR),
            target: (_, NEAR)
        }
    )
}

/// To somebody who asked.
fn is_answer(told: &Told) -> bool {
    matches!(told, Told::Arp { operation: 2, sender: (_, NEAR), target: (_, target) } if *target != NEAR)
}

fn is_solicitation(told: &Told) -> bool {
    matches!(
        told,
        Told::Solicitation {
            from: Ipv6Addr::UNSPECIFIED,
            target: NEAR6
        }
    )
}

fn is_advertisement(told: &Told) -> bool {
    matches!(
        told,
        Told::Advertisement {
            target: NEAR6,
            is_solicited: false,
            ..
        }
    )
}

#[test]
#[ignore = "needs root: run make test"]
fn a_vip_is_probed_for_as_the_rfcs_say_before_anything_answers_for_it_and_then_announced() {
    let watched = Watched::new("careful");
    watched.apply("");
    let probes = watched.await_sent("three probes", 3, is_probe);
    assert_eq!(watched.reason(&NEAR.to_string()), "Probing");
    assert!(!watched.answers_arp(), "answered while it is probed for");
    for probe in &probes {
        assert_eq!(probe.to, BROADCAST);
    }
    let gaps: Vec<Duration> = probes
        .windows(2)
        .map(|pair| pair[1].since(&pair[0]))
        .collect();
    let (least, most) = (Duration::from_millis(980), Duration::from_millis(2500));
    assert!(
        gaps.iter().all(|gap| (least..most).contains(gap)),
        "{gaps:?}"
    );
    let last = probes[2].clone();

    let requests = watched.await_sent("announcements by request", 5, is_request);
    let replies = watched.await_sent("announcements by reply", 5, is_reply);
    assert!(
        requests[0].since(&last) >= Duration::from_millis(1900),
        "ANNOUNCE_WAIT"
    );
    for seen in requests.iter().chain(&replies) {
        assert_eq!(seen.to, BROADCAST);
        let Told::Arp {
            sender: (sender, _),
            target: (target, _),
            operation,
        } = seen.told
        else {
            panic!("{seen:?}");
        };
        assert_eq!(sender, watched.front);
        let expected = if operation == 1 {
            [0; 6]
        } else {
            watched.front
        };
        assert_eq!(target, expected);
    }
    let span = requests[4].since(&requests[0]);
    assert!(
        (Duration::from_millis(4300)..Duration::from_millis(5500)).contains(&span),
        "{span:?}"
    );
    assert!(watched.answers_arp());
    watched.becomes(&NEAR.to_string(), "Announced");
    get(&watched.site.topology.client, SocketAddr::from((NEAR, 80))).unwrap();
}

#[test]
#[ignore = "needs root: run make test"]
fn an_ipv6_vip_is_solicited_from_nobody_and_advertised_with_override_and_its_mac_address() {
    let watched = Watched::new("careful");
    watched.apply("");
    let told = watched.await_sent("advertisements", 5, is_advertisement);
    let asked = watched.sent(is_solicitation);
    assert_eq!(asked[0].to, [0x33, 0x33, 0xff, 0, 1, 0]);
    assert!(
        told[0].since(&asked[0]) >= Duration::from_millis(950),
        "RetransTimer"
    );
    for seen in &told {
        assert_eq!(seen.to, [0x33, 0x33, 0, 0, 0, 1]);
        let Told::Advertisement {
            from,
            is_override,
            mac,
            ..
        } = seen.told
        else {
            panic!("{seen:?}");
        };
        assert_eq!((from, is_override, mac), (NEAR6, true, Some(watched.front)));
    }
    let groups = watched
        .site
        .topology
        .balancer
        .ip("maddress show dev front")
        .unwrap();
    assert!(
        groups.contains("ff02::1:ff00:100"),
        "switches are told by MLD: {groups}"
    );
    get(&watched.site.topology.client, SocketAddr::from((NEAR6, 80))).unwrap();
}

#[test]
#[ignore = "needs root: run make test"]
fn tables_answer_before_the_first_announcement_is_sent() {
    let watched = Watched::new("quick");
    let stop = AtomicBool::new(false);
    let asked = (watched.client, CLIENT);
    std::thread::scope(|scope| {
        // Somebody who asks all the time.
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                watched.tap.arp(1, asked, (NOBODY.0, NEAR)).unwrap();
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        watched.apply("");
        watched.await_sent("announcements", 2, is_request);
        stop.store(true, Ordering::Relaxed);
    });
    let all = watched.tap.seen();
    let ours = |seen: &&Seen| seen.from == watched.front;
    let at =
        |passes: fn(&Told) -> bool| all.iter().filter(ours).position(|seen| passes(&seen.told));
    let first = all
        .iter()
        .position(|s| s.from == watched.front && is_request(&s.told))
        .unwrap();
    let questions = |seen: &&Seen| matches!(seen.told, Told::Arp { operation: 1, sender: (mac, CLIENT), target: (_, NEAR) } if mac == watched.client);
    let answers = |seen: &&Seen| seen.from == watched.front && is_answer(&seen.told);
    // Each question after the announcement is answered, but for the last, whose answer is under way.
    let (after, answered) = (
        all[first..].iter().filter(questions).count(),
        all[first..].iter().filter(answers).count(),
    );
    assert!(
        after > 100 && answered + 2 >= after,
        "{answered} of {after} are answered"
    );
    // And none before the probes had passed.
    let probes = all
        .iter()
        .rposition(|s| s.from == watched.front && is_probe(&s.told) && s.at < all[first].at);
    let early = all[..probes.unwrap()].iter().filter(answers).count();
    assert_eq!(early, 0);
    assert!(at(is_probe) < at(is_request));
}

#[test]
#[ignore = "needs root: run make test"]
fn a_vip_is_withdrawn_when_no_service_wants_it_any_more() {
    let watched = Watched::new("quick");
    let near = NEAR.to_string();
    watched.apply("");
    watched.becomes(&near, "Announced");
    let all = backends(&watched.site.topology.addresses, Some(8080));
    let none = r#""announce":"none","#;
    let both = |first: &str, second: &str| {
        [
            service(NEAR, 80, "tcp", first, &all),
            service(NEAR, 81, "tcp", second, &all),
        ]
        .join(",")
    };
    watched.put(&both("", none));
    assert!(watched.answers_arp(), "one of two services is enough");
    watched.put(&both(none, none));
    watched.becomes(&near, "NotAsked");
    assert!(!watched.answers_arp());
    watched.tap.forget();
    watched.put(&both(none, ""));
    watched.await_sent("a probe for what is claimed anew", 1, is_probe);
    watched.await_sent("announcements", 1, is_reply);
    watched.put("");
    assert!(!watched.answers_arp());
}

#[test]
#[ignore = "needs root: run make test"]
fn an_address_that_somebody_has_is_refused_and_says_who_until_it_is_free() {
    let watched = Watched::new("quick");
    let near = NEAR.to_string();
    let client = &watched.site.topology.client;
    client
        .ip(&format!("address add {NEAR}/24 dev eth0"))
        .unwrap();
    client
        .ip(&format!("address add {NEAR6}/64 dev eth0 nodad"))
        .unwrap();
    watched.apply("");
    for vip in [near.clone(), NEAR6.to_string()] {
        watched.becomes(&vip, "AddressInUse");
        let told = watched.condition(&vip, "Announced").unwrap().to_string();
        let owner = mac(client, "eth0").unwrap();
        assert!(told.contains(&owner) && told.contains("front"), "{told}");
        let announced = watched.service(&vip)["announcements"].to_string();
        assert!(
            announced.contains("inUse") && announced.contains(&owner),
            "{announced}"
        );
    }
    let wide = watched.site.daemon.loxictl("get lb -o wide").unwrap();
    assert!(wide.contains("front (inUse "), "{wide}");
    assert!(watched.sent(is_request).is_empty() && watched.sent(is_advertisement).is_empty());
    let metrics = watched.site.daemon.get("/metrics").unwrap().1.to_string();
    assert!(
        metrics.contains(r#"loxid_announce_conflicts_total{kind=\"in_use\"} 2"#),
        "{metrics}"
    );

    client
        .ip(&format!("address delete {NEAR}/24 dev eth0"))
        .unwrap();
    client
        .ip(&format!("address delete {NEAR6}/64 dev eth0"))
        .unwrap();
    // It is probed for again within a quarter of a minute, which is longer than `until` waits.
    for _ in 0..2 {
        if watched.reason(&near) != "Announced" {
            let _ = until("the address to be free", || {
                Ok((watched.reason(&near) == "Announced").then_some(()))
            });
        }
    }
    watched.becomes(&near, "Announced");
    watched.becomes(&NEAR6.to_string(), "Announced");
}

#[test]
#[ignore = "needs root: run make test"]
fn somebody_who_speaks_for_an_announced_vip_is_a_conflict_that_is_said_and_defended() {
    let watched = Watched::new("quick");
    let near = NEAR.to_string();
    watched.apply("");
    watched.becomes(&near, "Announced");
    watched.await_sent("all announcements", 5, is_reply);
    assert!(watched.condition(&near, "AddressConflict").is_none());
    watched.tap.forget();
    watched.tap.arp(2, (OTHER, NEAR), (OTHER, NEAR)).unwrap();
    watched.await_sent("the defence by request", 1, is_request);
    watched.await_sent("the defence by reply", 1, is_reply);
    until("the conflict to be said", || {
        let said = watched.condition(&near, "AddressConflict");
        Ok(said
            .filter(|one| one["message"].to_string().contains("02:00:00:00:09:09"))
            .map(drop))
    })
    .unwrap();
    assert_eq!(watched.reason(&near), "Announced", "it stays announced");
    assert!(watched.answers_arp());
    let wide = watched.site.daemon.loxictl("get lb -o wide").unwrap();
    assert!(
        wide.contains("front (conflict 02:00:00:00:09:09)"),
        "{wide}"
    );
    let metrics = watched.site.daemon.get("/metrics").unwrap().1.to_string();
    assert!(
        metrics.contains(r#"loxid_announce_conflicts_total{kind=\"conflict\"} 1"#),
        "{metrics}"
    );
    // Nobody answers the probes: after some of them it is over.
    watched.await_sent("probes for who speaks", 1, is_probe);
    for _ in 0..3 {
        let over = || {
            Ok(watched
                .condition(&near, "AddressConflict")
                .is_none()
                .then_some(()))
        };
        if until("the conflict to be over", over).is_ok() {
            return;
        }
    }
    panic!("{}", watched.service(&near));
}

#[test]
#[ignore = "needs root: run make test"]
fn a_vip_is_announced_again_after_the_link_was_down_and_when_the_mac_address_changes() {
    let watched = Watched::new("quick");
    let near = NEAR.to_string();
    watched.apply("");
    watched.becomes(&near, "Announced");
    watched.await_sent("all announcements", 5, is_reply);
    let to = &watched.site.topology;
    to.client.ip("link set eth0 down").unwrap();
    watched.becomes(&near, "LinkDown");
    watched.tap.forget();
    to.client.ip("link set eth0 up").unwrap();
    let again = watched.await_sent("announcements after link up", 2, is_reply);
    let probes = watched.sent(is_probe);
    assert!(
        probes.iter().all(|probe| probe.at > again[0].at),
        "announced without a probe before"
    );
    watched.becomes(&near, "Announced");

    watched.await_sent("all announcements", 5, is_reply);
    watched.tap.forget();
    to.balancer
        .ip("link set front address 02:00:00:00:07:07")
        .unwrap();
    let new = [2, 0, 0, 0, 7, 7];
    until("announcements of the new address", || {
        let said = |seen: &Seen| {
            matches!(seen.told, Told::Arp { operation: 2, sender: (mac, NEAR), target: (_, NEAR) } if mac == new)
                && seen.from == new
        };
        let advertised = |seen: &Seen| {
            matches!(seen.told, Told::Advertisement { target: NEAR6, mac: Some(mac), .. } if mac == new)
        };
        let seen = watched.tap.seen();
        Ok((seen.iter().any(said) && seen.iter().any(advertised)).then_some(()))
    })
    .unwrap();
}

#[test]
#[ignore = "needs root: run make test"]
fn a_daemon_that_starts_again_neither_probes_nor_leaves_a_question_unanswered() {
    let mut watched = Watched::new("quick");
    let near = NEAR.to_string();
    watched.apply("");
    watched.becomes(&near, "Announced");
    watched.await_sent("all announcements", 5, is_reply);
    watched.tap.forget();
    let stop = AtomicBool::new(false);
    let asked = (watched.client, CLIENT);
    let Watched { tap, site, .. } = &mut watched;
    std::thread::scope(|scope| {
        let tap = &*tap;
        let stop = &stop;
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                tap.arp(1, asked, (NOBODY.0, NEAR)).unwrap();
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        site.daemon.kill().unwrap();
        site.daemon.launch().unwrap();
        stop.store(true, Ordering::Relaxed);
    });
    watched.becomes(&near, "Announced");
    let refreshed = watched.await_sent("an announcement of the new daemon", 1, is_reply);
    let before = |told: fn(&Told) -> bool| {
        let sent = watched.sent(told);
        sent.iter().filter(|seen| seen.at < refreshed[0].at).count()
    };
    assert_eq!(before(is_probe), 0, "it was not probed for again");
    let all = watched.tap.seen();
    let questions = all
        .iter()
        .filter(|seen| seen.from == watched.client && !is_answer(&seen.told));
    let (questions, answers) = (questions.count(), watched.sent(is_answer).len());
    assert!(questions > 50, "only {questions}");
    assert!(
        answers + 1 >= questions,
        "{answers} of {questions} are answered"
    );
}

#[test]
#[ignore = "needs root: run make test"]
fn what_a_service_asks_for_decides_where_and_whether_it_is_announced() {
    let watched = Watched::new("quick");
    let near = NEAR.to_string();
    let all = backends(&watched.site.topology.addresses, Some(8080));
    let put = |words: &str| watched.put(&service(NEAR, 80, "tcp", words, &all));
    put(r#""announceInterfaces":["back1"],"#);
    watched.becomes(&near, "Announced");
    assert!(
        watched.service(&near)["announcements"]
            .to_string()
            .contains("back1")
    );
    assert!(!watched.answers_arp(), "not on front");
    watched.put(&service(
        NEAR,
        80,
        "tcp",
        r#""announceWhen":"healthy","#,
        "",
    ));
    watched.becomes(&near, "NoHealthyBackend");
    assert!(!watched.answers_arp());
    put(r#""announceWhen":"healthy","#);
    watched.becomes(&near, "Announced");
    assert!(watched.answers_arp());
    watched.put(&service("20.0.0.1", 80, "tcp", "", &all));
    watched.becomes("20.0.0.1", "Routed");
}

#[test]
#[ignore = "needs root: run make test"]
fn an_interface_that_is_not_there_is_refused_with_field_value_rule_and_remedy_and_nothing_changes()
{
    let watched = Watched::new("quick");
    watched.apply("");
    let daemon = &watched.site.daemon;
    let before = daemon.get("/v1/documents/api").unwrap();
    let wrong = service(NEAR, 81, "tcp", r#""announceInterfaces":["eth9"],"#, "");
    let body = format!(r#"{{"services":[{wrong}]}}"#);
    let (status, answer) = daemon.request("PUT", "/v1/documents/api", &body).unwrap();
    let text = answer.to_string();
    assert_eq!(status, 422, "{text}");
    for part in [
        "announceInterfaces",
        "eth9",
        "no interface of this box",
        "front",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(daemon.get("/v1/documents/api").unwrap(), before);
    // By the command line, too.
    let output = daemon
        .try_loxictl("create lb 10.0.0.101 --tcp=80 --endpoints=31.0.1.1 --announce-on=eth9")
        .unwrap();
    let talk = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && talk.contains("eth9"), "{talk}");
}

#[test]
#[ignore = "needs root: run make test"]
fn who_has_an_address_counts_on_the_vlan_that_it_is_wanted_on() {
    let vlan = "vlans:\n  - {interface: front, id: 100, addresses: [10.0.0.9/24]}\n";
    let watched = Watched::with("quick", vlan);
    let on = |name: &str, words: &str| {
        let near = service(NEAR, 80, "tcp", words, "");
        watched.put(&near);
        watched.await_sent(&format!("announcements on {name}"), 5, is_reply);
        watched.becomes(&NEAR.to_string(), "Announced");
        let announced = watched.service(&NEAR.to_string())["announcements"].to_string();
        assert!(announced.contains(&format!(r#""{name}""#)), "{announced}");
    };
    on("front.100", r#""announceInterfaces":["front.100"],"#);
    let contested = || {
        watched
            .condition(&NEAR.to_string(), "AddressConflict")
            .is_some()
    };
    // The same address without a tag is another network's.
    watched.tap.arp(2, (OTHER, NEAR), (OTHER, NEAR)).unwrap();
    lb_tests::traffic::ping(&watched.site.topology.client, lb_tests::topology::FRONT).unwrap();
    assert!(!contested());
    let mut tagged = [BROADCAST, OTHER].concat();
    tagged.extend([0x81, 0, 0, 100, 8, 6, 0, 1, 8, 0, 6, 4, 0, 2]);
    for _ in 0..2 {
        tagged.extend(OTHER);
        tagged.extend(NEAR.octets());
    }
    watched.tap.send(&tagged).unwrap();
    until("the conflict to be heard", || Ok(contested().then_some(()))).unwrap();
}

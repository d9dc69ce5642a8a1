#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::tables::{InterfaceRow, VipRow};
use crate::testing::{facts, ip, mac};

mod model;

const VIP: &str = "10.0.0.100";
const VIP6: &str = "2001:db8::100";
const ETH0: InterfaceSlot = InterfaceSlot(0);
const OTHER: Mac = Mac([2, 0, 0, 0, 9, 9]);

/// An announcer, and what the caller of one keeps: links, the tables that packets read, and the time.
struct World {
    announcer: Announcer,
    links: BTreeMap<InterfaceSlot, Link>,
    wanted: BTreeMap<IpAddr, u64>,
    committed: Tables,
    now: Time,
}

fn ms(ms: u64) -> Time {
    Time::from_millis(ms)
}

impl World {
    /// With `eth0` and `eth1`, both listened to.
    fn new(probe: Probe) -> Self {
        let mut announcer = Announcer::new(Timing::new(probe), 1);
        announcer.listening([10, 11].into(), Time::ZERO);
        Self {
            announcer,
            links: facts().links,
            wanted: BTreeMap::new(),
            committed: Tables::default(),
            now: Time::ZERO,
        }
    }

    fn tables(&self) -> Tables {
        let mut tables = Tables::default();
        for (slot, link) in self.links.iter().filter(|(_, link)| link.attached) {
            let row = InterfaceRow {
                ifindex: link.device,
                mac: link.mac,
                mtu: link.mtu,
                address4: None,
                address6: None,
                vlan: link.vlan,
            };
            tables.interfaces.insert(*slot, row);
        }
        let attached = tables
            .interfaces
            .keys()
            .fold(0, |bits, slot| bits | bit(*slot));
        for (vip, bits) in &self.wanted {
            let arp = bits & attached;
            tables.image.vips.insert(*vip, VipRow { arp, echo: true });
        }
        tables
    }

    /// What a pass makes of it; committed unless that fails.
    fn pass(&mut self, succeeds: bool) {
        let mut tables = self.tables();
        self.announcer
            .want(&tables, &self.committed, &self.links, self.now);
        self.announcer.mask(&mut tables);
        if succeeds {
            self.announcer.committed(&tables, self.now);
            self.committed = tables;
        }
    }

    fn want(&mut self, vip: &str, bits: u64) {
        self.wanted.insert(ip(vip), bits);
        self.pass(true);
    }

    fn heard(&mut self, about: &str, what: What) {
        let heard = Heard {
            vlan: None,
            mac: OTHER,
            about: ip(about),
            what,
        };
        self.announcer.heard(10, &heard, self.now);
    }

    /// What is sent until then, and when; a claim that is cleared is committed at once.
    fn run(&mut self, until: Time) -> Vec<(Time, Message)> {
        let mut sent = Vec::new();
        while let Some(at) = self.announcer.wake_at().filter(|at| *at <= until) {
            self.now = at.max(self.now);
            let frames = self.announcer.step(self.now);
            sent.extend(frames.into_iter().map(|frame| (self.now, frame.message)));
            if self.announcer.take_ready() {
                self.pass(true);
            }
        }
        self.now = until;
        sent
    }

    fn state(&self, vip: &str) -> State {
        self.announcer.statuses(ip(vip))[0].state
    }

    fn answers(&self, vip: &str) -> bool {
        self.committed.image.vips[&ip(vip)].arp != 0
    }

    fn flap(&mut self) {
        for attached in [false, true] {
            self.links.get_mut(&ETH0).unwrap().attached = attached;
            self.pass(true);
        }
    }
}

fn kinds(sent: &[(Time, Message)]) -> Vec<&'static str> {
    sent.iter().map(|(_, message)| message.kind()).collect()
}

#[test]
fn a_new_address_is_probed_for_as_rfc_5227_wants_it_and_then_announced() {
    let mut world = World::new(Probe::Careful);
    world.want(VIP, 1);
    assert!(!world.answers(VIP));
    let sent = world.run(ms(60_000));
    let probes: Vec<Time> = sent.iter().take(3).map(|(at, _)| *at).collect();
    assert_eq!(kinds(&sent[..3]), ["arp_probe"; 3]);
    assert!(probes[0] <= ms(1000), "PROBE_WAIT: {probes:?}");
    for pair in probes.windows(2) {
        let gap = pair[1] - pair[0];
        assert!(
            (ms(1000)..=ms(2000)).contains(&gap),
            "PROBE_MIN, PROBE_MAX: {gap:?}"
        );
    }
    let first = sent[3].0;
    let wait = first - probes[2];
    assert!(
        (ms(2000)..=ms(2050)).contains(&wait),
        "ANNOUNCE_WAIT: {wait:?}"
    );
    assert!(world.answers(VIP));
    assert_eq!(world.state(VIP), State::Announced);
}

#[test]
fn announcements_are_made_at_once_and_every_1100_ms_for_five_seconds_in_both_kinds() {
    let mut world = World::new(Probe::Quick);
    world.want(VIP, 1);
    let sent = world.run(ms(10_000));
    let announced: Vec<_> = sent
        .iter()
        .filter(|(_, m)| m.kind() != "arp_probe")
        .collect();
    let first = announced[0].0;
    let expected: Vec<(Time, &str)> = (0..5)
        .flat_map(|round| ["arp_request", "arp_reply"].map(|kind| (ms(round * 1100), kind)))
        .collect();
    let found: Vec<_> = announced
        .iter()
        .map(|(at, m)| (*at - first, m.kind()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn an_address_of_ipv6_is_solicited_once_and_advertised() {
    let mut world = World::new(Probe::Careful);
    world.want(VIP6, 1);
    let sent = world.run(ms(3000));
    assert_eq!(kinds(&sent)[..2], ["nd_solicitation", "nd_advertisement"]);
    let wait = sent[1].0 - sent[0].0;
    assert!(
        (ms(1000)..=ms(1050)).contains(&wait),
        "RetransTimer: {wait:?}"
    );
}

#[test]
fn an_address_that_somebody_has_is_not_announced_until_nobody_has_it() {
    for what in [What::Claims, What::Probes] {
        let mut world = World::new(Probe::Quick);
        world.want(VIP, 1);
        world.run(ms(60));
        world.heard(VIP, what);
        assert_eq!(world.state(VIP), State::InUse);
        assert_eq!(world.announcer.statuses(ip(VIP))[0].other, Some(OTHER));
        let (vip, interface) = (ip(VIP), "eth0".to_owned());
        let event = Event::InUse {
            vip,
            interface,
            other: OTHER,
        };
        assert_eq!(world.announcer.take_events(), [event]);
        assert_eq!(world.run(ms(4000)), []);
        assert!(!world.answers(VIP));
        // As long as it is the same who has it, it is said once.
        while world.run(world.now + ms(100)).is_empty() {}
        assert_eq!(world.state(VIP), State::InUse);
        world.heard(VIP, what);
        assert_eq!(world.announcer.take_events(), []);
        let sent = world.run(world.now + ms(20_000));
        assert_eq!(
            kinds(&sent)[..4],
            ["arp_probe", "arp_probe", "arp_probe", "arp_request"]
        );
    }
}

#[test]
fn nothing_is_probed_where_nobody_listens() {
    let mut world = World::new(Probe::Quick);
    world.announcer.listening(BTreeSet::new(), Time::ZERO);
    world.want(VIP, 1);
    assert_eq!(world.run(ms(60_000)), []);
    assert_eq!(world.state(VIP), State::Waiting);
    world.announcer.listening([10].into(), world.now);
    assert_eq!(kinds(&world.run(ms(60_100)))[..1], ["arp_probe"]);
}

#[test]
fn nothing_is_announced_before_tables_answer() {
    let mut world = World::new(Probe::Quick);
    world.wanted.insert(ip(VIP), 1);
    world.pass(false);
    let mut sent = Vec::new();
    while world.now < ms(5000) {
        world.now += ms(10);
        sent.extend(world.announcer.step(world.now));
        world.pass(false);
    }
    assert!(
        sent.iter().all(|frame| frame.message.kind() == "arp_probe"),
        "{sent:?}"
    );
    world.pass(true);
    assert_eq!(
        kinds(&world.run(ms(5000)))[..2],
        ["arp_request", "arp_reply"]
    );
}

#[test]
fn what_tables_answer_at_the_start_is_neither_probed_for_nor_unanswered() {
    let mut before = World::new(Probe::Quick);
    before.want(VIP, 1);
    before.run(ms(20_000));
    let mut world = World::new(Probe::Careful);
    world.committed = before.committed;
    world.announcer.listening(BTreeSet::new(), Time::ZERO);
    world.want(VIP, 1);
    assert!(world.answers(VIP));
    // One announcement, and whether anybody else has taken it meanwhile.
    assert_eq!(
        kinds(&world.run(ms(50_000))),
        ["arp_request", "arp_reply", "arp_probe"]
    );
}

#[test]
fn a_start_with_another_mac_address_announces_it() {
    let mut before = World::new(Probe::Quick);
    before.want(VIP, 1);
    before.run(ms(20_000));
    let mut world = World::new(Probe::Careful);
    world.committed = before.committed;
    world.links.get_mut(&ETH0).unwrap().mac = mac(77);
    world.want(VIP, 1);
    assert_eq!(
        kinds(&world.run(ms(6000)))
            .iter()
            .filter(|k| **k == "arp_reply")
            .count(),
        5
    );
}

#[test]
fn what_tables_answer_later_without_a_claim_is_not_taken_over() {
    let mut world = World::new(Probe::Quick);
    world.pass(true);
    world
        .committed
        .image
        .vips
        .insert(ip(VIP), VipRow { arp: 1, echo: true });
    world.want(VIP, 1);
    assert!(!world.answers(VIP));
}

#[test]
fn a_link_that_comes_back_and_a_new_mac_address_are_announced_without_a_probe() {
    let mut world = World::new(Probe::Quick);
    world.want(VIP, 1);
    world.run(ms(20_000));
    world.flap();
    assert!(world.answers(VIP));
    let sent = world.run(ms(26_000));
    assert_eq!(kinds(&sent)[..2], ["arp_request", "arp_reply"]);
    assert_eq!(
        kinds(&sent)
            .iter()
            .filter(|kind| **kind == "arp_reply")
            .count(),
        5
    );

    world.links.get_mut(&ETH0).unwrap().mac = mac(77);
    world.pass(true);
    let frames = world.announcer.step(world.now);
    assert!(!frames.is_empty() && frames.iter().all(|frame| frame.mac == mac(77)));
}

#[test]
fn while_the_link_is_down_its_claim_is_kept_and_says_so() {
    let mut world = World::new(Probe::Quick);
    world.want(VIP, 1);
    world.run(ms(20_000));
    world.links.get_mut(&ETH0).unwrap().attached = false;
    world.pass(true);
    assert_eq!(world.state(VIP), State::LinkDown);
    assert_eq!(world.run(ms(200_000)), []);
}

#[test]
fn an_interface_that_was_made_again_is_another_place() {
    let mut world = World::new(Probe::Quick);
    world.want(VIP, 1);
    world.run(ms(20_000));
    let link = world.links.get_mut(&ETH0).unwrap();
    (link.ifindex, link.device) = (50, 50);
    world.announcer.listening([50].into(), world.now);
    world.announcer.take_events();
    world.pass(true);
    let (vip, interface) = (ip(VIP), "eth0".to_owned());
    assert_eq!(
        world.announcer.take_events(),
        [Event::Withdrawn { vip, interface }]
    );
    assert!(!world.answers(VIP));
    assert_eq!(world.state(VIP), State::Probing);
}

#[test]
fn an_address_that_is_no_longer_wanted_is_withdrawn_at_once() {
    let mut world = World::new(Probe::Quick);
    world.want(VIP, 1);
    world.run(ms(2000));
    world.announcer.take_events();
    world.want(VIP, 0);
    assert!(!world.answers(VIP));
    let (vip, interface) = (ip(VIP), "eth0".to_owned());
    assert_eq!(
        world.announcer.take_events(),
        [Event::Withdrawn { vip, interface }]
    );
    assert_eq!(world.run(ms(200_000)), []);
}

#[test]
fn an_announced_address_that_somebody_else_claims_is_defended_every_ten_seconds_at_most() {
    let mut world = World::new(Probe::Quick);
    world.want(VIP, 1);
    world.run(ms(10_000));
    world.announcer.take_events();
    let mut defended = Vec::new();
    for at in (10_000..40_000).step_by(100) {
        world.heard(VIP, What::Claims);
        let sent = world.run(ms(at));
        defended.extend(sent.into_iter().filter(|(_, m)| m.kind() == "arp_reply"));
    }
    assert_eq!(defended.len(), 3, "{defended:?}");
    assert_eq!(world.state(VIP), State::Conflict);
    assert!(world.answers(VIP), "it stays answered");
    let (vip, interface) = (ip(VIP), "eth0".to_owned());
    let event = Event::Conflict {
        vip,
        interface: interface.clone(),
        other: OTHER,
    };
    assert_eq!(world.announcer.take_events(), [event], "it is said once");

    let sent = world.run(ms(70_000));
    assert!(
        kinds(&sent).contains(&"arp_probe"),
        "it is found out whether it is over"
    );
    assert_eq!(world.state(VIP), State::Announced);
    assert_eq!(
        world.announcer.take_events(),
        [Event::Settled { vip, interface }]
    );
}

#[test]
fn probes_for_an_announced_address_are_no_conflict() {
    let mut world = World::new(Probe::Quick);
    world.want(VIP, 1);
    world.run(ms(10_000));
    world.heard(VIP, What::Probes);
    assert_eq!(world.state(VIP), State::Announced);
}

#[test]
fn what_another_interface_of_the_box_says_is_no_conflict() {
    let mut world = World::new(Probe::Quick);
    world.want(VIP, 3);
    let heard = Heard {
        vlan: None,
        mac: mac(1),
        about: ip(VIP),
        what: What::Probes,
    };
    world.announcer.heard(10, &heard, world.now);
    assert_eq!(world.state(VIP), State::Probing);
}

#[test]
fn ten_thousand_addresses_are_announced_a_few_at_a_time() {
    let mut world = World::new(Probe::Quick);
    let vips = (0..10_000u32).map(|number| IpAddr::from((0x0a00_1000 + number).to_be_bytes()));
    world.wanted = vips.map(|vip| (vip, 1)).collect();
    world.pass(true);
    let mut most = 0;
    let mut sent = 0;
    while let Some(at) = world.announcer.wake_at().filter(|at| *at <= ms(30_000)) {
        world.now = at.max(world.now);
        let frames = world.announcer.step(world.now);
        most = most.max(frames.len());
        sent += frames.len();
        if world.announcer.take_ready() {
            world.pass(true);
        }
    }
    assert!(most <= BURST + 3, "{most}");
    // Three probes, five pairs of announcements, and the question whether somebody is silent.
    assert_eq!(sent, 10_000 * (3 + 5 * 2 + 1));
}

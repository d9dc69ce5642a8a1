//! Where VIPs are wanted announced.

use super::*;
use crate::health::{Standing, Standings};
use crate::status::Announcing;

const NEAR: &str = "10.0.0.100:80/tcp";
const ALSO: &str = "10.0.0.100:81/tcp";

fn announce(service: Service, interfaces: &[&str], when: AnnounceWhen) -> Service {
    let interfaces = interfaces
        .iter()
        .map(|name| InterfaceName::new(name).unwrap())
        .collect();
    with_policy(service, |policy| {
        policy.announce = Announce::L2 { interfaces, when }
    })
}

fn silent(service: Service) -> Service {
    with_policy(service, |policy| policy.announce = Announce::None)
}

fn arp(compiled: &Compiled) -> u64 {
    compiled.tables.image.vips[&ip("10.0.0.100")].arp
}

fn wanted(slots: u64) -> Announcing {
    let missing = Vec::new();
    Announcing::Wanted { slots, missing }
}

#[test]
fn a_vip_is_announced_while_one_of_its_services_wants_it() {
    let (one, two) = (service(NEAR, &[ONE]), service(ALSO, &[ONE]));
    let run = |services: &[Service]| World::default().run(services);
    let both = run(&[one.clone(), two.clone()]);
    assert_eq!(arp(&both), 1);
    let half = run(&[silent(one.clone()), two.clone()]);
    assert_eq!(arp(&half), 1);
    assert_eq!(half.status(NEAR).announcing, Announcing::Off);
    assert_eq!(half.status(ALSO).announcing, wanted(1));
    assert_eq!(arp(&run(&[silent(one), silent(two)])), 0);
}

#[test]
fn a_service_names_the_interfaces_and_those_that_are_not_attached_are_missing() {
    let always = AnnounceWhen::Always;
    let on = |names: &[&str]| announce(service(NEAR, &[ONE]), names, always);
    // Whether or not the VIP is in a subnet of theirs.
    let compiled = World::default().run(&[on(&["eth1"])]);
    assert_eq!(arp(&compiled), 2);
    let compiled = World::default().run(&[on(&["eth0", "eth2", "eth9"])]);
    assert_eq!(arp(&compiled), 1);
    let missing = vec!["eth2".to_owned(), "eth9".to_owned()];
    let status = compiled.status(NEAR);
    assert_eq!(status.announcing, Announcing::Wanted { slots: 1, missing });
    // What services want adds up.
    let other = announce(service(ALSO, &[ONE]), &["eth1"], always);
    assert_eq!(arp(&World::default().run(&[on(&["eth0"]), other])), 3);
}

#[test]
fn a_service_that_wants_it_while_healthy_wants_it_while_a_backend_takes_connections() {
    let healthy = announce(service(NEAR, &[ONE, TWO]), &[], AnnounceWhen::Healthy);
    let with = |down: &[&str]| {
        let mut facts = facts();
        let standing = |at: &&str| {
            let down = Standing::Down("L4 timeout".to_owned());
            ((key(NEAR), endpoint(at)), down)
        };
        facts.standings = Arc::new(down.iter().map(standing).collect::<Standings>());
        World::default().advance(&intent(std::slice::from_ref(&healthy)), &facts, &limits())
    };
    assert_eq!(arp(&with(&[ONE])), 1);
    let none = with(&[ONE, TWO]);
    assert_eq!(arp(&none), 0);
    assert_eq!(none.status(NEAR).announcing, Announcing::NoHealthyBackend);
    // Pings are the appliance's own.
    let icmp = announce(service("10.0.0.100/icmp", &[]), &[], AnnounceWhen::Healthy);
    assert_eq!(arp(&World::default().run(&[icmp])), 1);
}

#[test]
fn what_is_not_forwarded_and_what_is_the_boxs_own_is_not_announced() {
    let own = World::default().run(&[service("10.0.0.1:80/tcp", &[ONE])]);
    let status = own.status("10.0.0.1:80/tcp");
    assert_eq!(status.announcing, Announcing::OwnAddress);
    let tight = Limits {
        services: 1,
        ..limits()
    };
    let two = [service(NEAR, &[ONE]), service("10.0.0.101:80/tcp", &[ONE])];
    let compiled = World::default().advance(&intent(&two), &facts(), &tight);
    let refused = compiled.status("10.0.0.101:80/tcp");
    assert_eq!(refused.announcing, Announcing::NotProgrammed);
}

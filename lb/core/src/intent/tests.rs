#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::testing::{any_intent, any_service, any_services, key, service};

proptest! {
    #[test]
    fn a_document_gives_back_what_it_was_made_of(services in any_services()) {
        let document = Document::new(services.clone()).unwrap();
        prop_assert_eq!(document.len(), services.len());
        for service in &services {
            prop_assert_eq!(document.get(&service.key), Some(service));
        }
        let again = Document::new(document.services().cloned().collect()).unwrap();
        prop_assert_eq!(again, document);
    }

    #[test]
    fn a_service_put_in_is_there_and_taken_out_is_gone(
        services in any_services(),
        service in any_service(),
    ) {
        let apart = |other: &Service| {
            other.key == service.key || !other.key.overlaps(&service.key)
        };
        let document = Document::new(services.into_iter().filter(apart).collect()).unwrap();
        let with = document.with(service.clone()).unwrap();
        prop_assert_eq!(with.get(&service.key), Some(&service));
        let without = with.without(&service.key).unwrap();
        prop_assert_eq!(without.get(&service.key), None);
        prop_assert_eq!(without.without(&service.key), None);
        let rest = |d: &Document| d.services().filter(|s| s.key != service.key).count();
        prop_assert_eq!(without.len(), rest(&document));
    }

    #[test]
    fn each_port_is_won_by_the_first_source_and_every_other_claim_is_reported(
        intent in any_intent(),
    ) {
        let (winners, conflicts) = intent.merge();
        for (source, document) in &intent.documents {
            for service in document.services() {
                let key = service.key;
                let mut before = winners.values().filter(|winner| {
                    winner.source < source && winner.service.key.overlaps(&key)
                });
                let won = winners.get(&key).is_some_and(|winner| winner.source == source);
                prop_assert_eq!(won, before.next().is_none());
                if won {
                    prop_assert_eq!(winners[&key].service, service);
                }
                let reported = |c: &&Conflict| c.loser == *source && c.key == key;
                prop_assert_eq!(conflicts.iter().filter(reported).count(), usize::from(!won));
            }
        }
        for conflict in &conflicts {
            prop_assert_eq!(&conflict.winner, winners[&conflict.served].source);
            prop_assert!(conflict.winner < conflict.loser);
            prop_assert!(conflict.served.overlaps(&conflict.key));
        }
        let claims: usize = intent.documents.values().map(Document::len).sum();
        prop_assert_eq!(winners.len() + conflicts.len(), claims);
    }

    #[test]
    fn a_document_has_services_that_do_not_overlap(
        services in prop::collection::vec(any_service(), 0..6),
    ) {
        let overlaps = |(index, service): (usize, &Service)| {
            services[..index].iter().any(|other| other.key.overlaps(&service.key))
        };
        let apart = !services.iter().enumerate().any(overlaps);
        prop_assert_eq!(Document::new(services.clone()).is_ok(), apart);
    }

    #[test]
    fn no_text_makes_a_source_panic(text in ".{0,80}") {
        if let Ok(source) = text.parse::<Source>() {
            prop_assert_eq!(source.to_string(), text);
        }
    }
}

#[test]
fn sources_read_what_they_show_and_stand_in_order() {
    let names = ["file", "api", "kube/a", "kube/b", "0lab", "lab-1"];
    let sources = names.map(|name| name.parse::<Source>().unwrap());
    assert!(sources.is_sorted());
    assert_eq!(sources.map(|source| source.to_string()), names);
}

#[test]
fn what_is_no_source_is_refused() {
    for text in [
        "",
        "-a",
        "A",
        "a b",
        "kube/",
        "kube/A",
        "other/a",
        "kube/a/b",
        &"a".repeat(64),
    ] {
        assert!(text.parse::<Source>().is_err(), "{text}");
    }
}

fn named(at: &str, name: &str) -> Service {
    Service {
        name: Some(name.to_owned()),
        ..service(at, &[])
    }
}

#[test]
fn duplicates_within_a_document_are_errors_with_both_places() {
    let errors = Document::new(vec![
        named("20.20.20.1:80/tcp", "web"),
        named("20.20.20.2:80/tcp", "web"),
        service("20.20.20.1:80/tcp", &[]),
        service("20.20.20.1:80/udp", &[]),
    ])
    .unwrap_err();
    let told: Vec<(String, String)> = errors.iter().map(|e| (e.path(), e.to_string())).collect();
    assert_eq!(told[0].0, "services[1].name");
    assert!(
        told[0].1.contains("`web`") && told[0].1.contains("services[0]"),
        "{}",
        told[0].1
    );
    assert_eq!(told[1].0, "services[2]");
    assert!(told[1].1.contains("20.20.20.1:80/tcp"), "{}", told[1].1);
    assert_eq!(told.len(), 2);
}

#[test]
fn overlapping_ranges_within_a_document_are_errors_that_name_both() {
    let keys = [
        "20.20.20.1:80-90/tcp",
        "20.20.20.1:*/tcp",
        "20.20.20.1:90-99/tcp",
        "20.20.20.1:90-99/udp",
        "20.20.20.2:85/tcp",
        "20.20.20.1:85/tcp",
    ];
    let errors = Document::new(keys.map(|at| service(at, &[])).to_vec()).unwrap_err();
    let told: Vec<(String, String)> = errors.iter().map(|e| (e.path(), e.to_string())).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0].0, "services[2]");
    for part in [
        "20.20.20.1:90-99/tcp",
        "20.20.20.1:80-90/tcp",
        "services[0]",
    ] {
        assert!(told[0].1.contains(part), "{}", told[0].1);
    }
    assert_eq!(told[1].0, "services[5]");
}

#[test]
fn a_service_changed_by_hand_is_checked_again() {
    let mut bad = service("20.20.20.1:80/tcp", &[]);
    bad.key = key("224.0.0.1:80/tcp");
    let errors = Document::new(vec![service("20.20.20.1:80/tcp", &[]), bad]).unwrap_err();
    assert_eq!(errors[0].path(), "services[1].vip");
}

#[test]
fn a_name_of_another_service_is_refused() {
    let document = Document::new(vec![named("20.20.20.1:80/tcp", "web")]).unwrap();
    assert!(document.with(named("20.20.20.2:80/tcp", "web")).is_err());
    assert!(
        document.with(named("20.20.20.1:80/tcp", "web")).is_ok(),
        "its own"
    );
}

#[test]
fn services_of_both_families_may_share_a_name() {
    let services = [
        named("20.20.20.1:80/tcp", "web"),
        named("[2001:db8::1]:80/tcp", "web"),
    ];
    assert!(Document::new(services.to_vec()).is_ok());
}

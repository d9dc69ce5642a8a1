//! Interfaces that documents want VIPs announced on, and what becomes of those that are not there.

use lb_api::wire::{self, Condition};

use super::*;

const ETH9: &str = "services: [{vip: 10.1.0.80, port: 80, protocol: tcp, announceInterfaces: [eth0, eth9], backends: [{address: 10.2.0.2}]}]\n";

fn on_eth9() -> Document {
    let wire: wire::Document = lb_api::parse::yaml(ETH9.as_bytes()).unwrap();
    Document::try_from(&wire).unwrap()
}

impl World {
    fn put_eth9(&mut self, source: &str, dry_run: bool) -> Result<Applied, ControlError> {
        let source = source.parse().unwrap();
        self.put(source, on_eth9(), Precondition::None, dry_run)
    }

    fn announced(&self) -> Condition {
        let state = self.daemon.state();
        let mut conditions = state.services[0].conditions.iter();
        conditions
            .find(|one| one.kind == "Announced")
            .unwrap()
            .clone()
    }

    fn events(&self) -> Vec<String> {
        let (mut cursor, _) = self.log.after(None);
        let found = self.log.read(&mut cursor);
        found
            .events
            .iter()
            .map(|event| event.name.clone())
            .collect()
    }
}

#[test]
fn a_document_that_names_an_interface_that_is_not_there_changes_nothing() {
    let mut world = World::new(BOTH);
    world.put_api(&[80]).unwrap();
    for dry_run in [true, false] {
        let Err(ControlError::Invalid(invalid)) = world.put_eth9("api", dry_run) else {
            panic!("it was taken");
        };
        let text = invalid.first().to_string();
        for part in [
            "announceInterfaces",
            "`eth9`",
            "no interface of this box",
            "eth0, eth1",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    let state = world.daemon.state();
    assert_eq!(state.documents[&Source::Api].generation.0, 1);
    assert_eq!(world.announced().reason, "Probing");
}

#[test]
fn a_cluster_and_the_file_at_the_start_are_served_and_say_what_is_missing() {
    let mut of_cluster = World::new(BOTH);
    of_cluster.put_eth9("kube/lab", false).unwrap();
    let of_file = World::new(&format!("interfaces: [{{name: eth1}}]\n{ETH9}"));
    assert_eq!(of_cluster.announced().reason, "Probing", "on eth0");
    let missing = of_file.announced();
    assert_eq!(missing.reason, "InterfaceMissing");
    assert!(
        missing.message.contains("eth0, eth9"),
        "{}",
        missing.message
    );
    assert_eq!((of_cluster.served(), of_file.served()), (1, 1));
}

#[test]
fn a_file_that_names_an_interface_that_is_not_there_is_not_taken_over_by_a_reload() {
    let mut world = World::new(BOTH);
    let path = world.dir.path().join("loxid.yaml");
    std::fs::write(&path, format!("{BOTH}{ETH9}")).unwrap();
    world.daemon.options.config = Some(path.clone());
    assert_eq!(world.daemon.reload(), None);
    assert_eq!(world.served(), 0);
    assert!(world.events().contains(&"configuration_refused".to_owned()));
    std::fs::write(&path, format!("{BOTH}{}", ETH9.replace(", eth9", ""))).unwrap();
    assert!(world.daemon.reload().is_some());
    assert_eq!(world.served(), 1);
}

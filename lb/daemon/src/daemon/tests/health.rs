//! Operators' words about backends, and documents whose checks can't be.

use lb_core::health::OperatorState;
use lb_core::service::{Endpoint, ServiceKey};

use super::*;

fn endpoint() -> Endpoint {
    "10.2.0.2:8080".parse().unwrap()
}

fn key(vip: u8) -> ServiceKey {
    format!("10.1.0.{vip}:80/tcp").parse().unwrap()
}

impl World {
    fn set(
        &mut self,
        service: Option<ServiceKey>,
        state: OperatorState,
    ) -> Result<Vec<lb_api::wire::ServiceBackend>, ControlError> {
        self.ask(|reply| Command::SetOperatorState {
            service,
            endpoint: endpoint(),
            state,
            actor: actor(),
            reply,
        })
    }

    /// What is shown of the endpoint: its service's VIP, and the operator's word.
    fn shown(
        &self,
    ) -> Vec<(
        String,
        lb_api::wire::OperatorState,
        lb_api::wire::BackendState,
    )> {
        let services = self.daemon.state();
        let of = services.services.iter().flat_map(|service| {
            let at = service
                .backends
                .iter()
                .filter(|one| one.address == "10.2.0.2");
            at.map(|one| (service.key.clone(), one.operator, one.state))
        });
        of.collect()
    }
}

#[test]
fn what_an_operator_says_survives_a_restart_and_a_document_that_is_applied_again() {
    use lb_api::wire::OperatorState::{Drained, Enabled};
    let mut world = World::new("");
    world.put_api(&[100, 101]).unwrap();
    let set = world.set(None, OperatorState::Drained).unwrap();
    assert_eq!(set.len(), 2);
    world.set(Some(key(101)), OperatorState::Enabled).unwrap();
    let words = |world: &World| -> Vec<lb_api::wire::OperatorState> {
        world.shown().iter().map(|one| one.1).collect()
    };
    assert_eq!(words(&world), [Drained, Enabled]);
    let mut world = world.restarted("");
    assert_eq!(words(&world), [Drained, Enabled]);
    world.put_api(&[]).unwrap();
    world.put_api(&[100, 101, 102]).unwrap();
    assert_eq!(words(&world), [Drained, Enabled, Drained]);
    world.set(None, OperatorState::Enabled).unwrap();
    assert_eq!(words(&world.restarted("")), [Enabled, Enabled, Enabled]);
}

#[test]
fn nothing_can_be_said_of_a_backend_that_nobody_has() {
    let mut world = World::new("");
    for state in [
        OperatorState::Drained,
        OperatorState::Disabled,
        OperatorState::Enabled,
    ] {
        let refused = world.set(None, state).unwrap_err();
        assert!(
            matches!(refused, ControlError::NotFound { .. }),
            "{refused}"
        );
    }
    world.put_api(&[100]).unwrap();
    let refused = world
        .set(Some(key(101)), OperatorState::Drained)
        .unwrap_err();
    assert!(
        matches!(refused, ControlError::NotFound { .. }),
        "{refused}"
    );
    // What was said may be taken back though the backend is gone.
    world.set(None, OperatorState::Drained).unwrap();
    world.put_api(&[]).unwrap();
    assert_eq!(world.set(None, OperatorState::Enabled).unwrap(), []);
}

#[test]
fn a_document_whose_ca_file_is_none_changes_nothing() {
    let mut world = World::new("");
    world.put_api(&[100]).unwrap();
    let before = world.daemon.state().documents.clone();
    let text = "services: [{vip: 10.1.0.101, port: 80, protocol: tcp, check: {type: https, caFile: /dev/null}}]";
    let wire: lb_api::wire::Document = lb_api::parse::yaml(text.as_bytes()).unwrap();
    let document = Document::try_from(&wire).unwrap();
    for dry_run in [true, false] {
        let put = world.put(Source::Api, document.clone(), Precondition::None, dry_run);
        let refused = put.unwrap_err().to_string();
        for part in [
            "services[10.1.0.101:80/tcp].check.caFile",
            "`/dev/null`",
            "PEM",
            "put the CA's",
        ] {
            assert!(refused.contains(part), "{part}: {refused}");
        }
    }
    assert_eq!(world.daemon.state().documents, before);
}

#[test]
fn documents_together_may_not_ask_for_too_many_probes() {
    let mut world = World::new("");
    let backends = |net: u8| -> String {
        let one = |number: u32| {
            format!(
                "{{address: 10.{net}.{}.{}}}",
                number / 250,
                number % 250 + 1
            )
        };
        (0..600).map(one).collect::<Vec<_>>().join(", ")
    };
    let mut put = |source: &str, vip: u8| {
        let text = format!(
            "services: [{{vip: 10.1.0.{vip}, port: 80, protocol: tcp, check: {{type: tcp, intervalMs: 100}}, backends: [{}]}}]",
            backends(vip)
        );
        let wire: lb_api::wire::Document = lb_api::parse::yaml(text.as_bytes()).unwrap();
        let document = Document::try_from(&wire).unwrap();
        world
            .daemon
            .check_health(&source.parse().unwrap(), &document)
            .map(|()| {
                world
                    .daemon
                    .intent
                    .documents
                    .insert(source.parse().unwrap(), document);
            })
    };
    put("one", 100).unwrap();
    let refused = put("two", 101).unwrap_err().to_string();
    for part in [
        "check.intervalMs",
        "12000 probes a second",
        "10000 probes a second at most",
        "raise intervalMs",
    ] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    // The same document again is no more than before.
    put("one", 100).unwrap();
}

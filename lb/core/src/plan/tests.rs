#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::compile::{Assignments, Compiled, Previous, compile};
use crate::facts::Facts;
use crate::intent::Intent;
use crate::plane::{Limits, Plane};
use crate::testing::*;
use crate::twin::{Twin, TwinError};

fn compiled(intent: &Intent, facts: &Facts, twin: &mut Twin, told: &Assignments) -> Compiled {
    let live = twin.connections().unwrap();
    let retiring = BTreeSet::new();
    let previous = Previous {
        tables: &twin.tables,
        live: &live,
        retiring: &retiring,
        assignments: told,
    };
    compile(intent, facts, &previous, &twin.limits.clone())
}

/// One step of a history: the world as it is then, whether assignments are remembered, how far
/// the plan gets (None: to its end), and which of the services' rows have connections.
type Step = (Intent, Facts, bool, Option<usize>, Vec<bool>);

fn any_step() -> impl Strategy<Value = Step> {
    let cut = prop_oneof![3 => Just(None), 1 => (0usize..12).prop_map(Some)];
    (
        any_intent(),
        any_facts(),
        any::<bool>(),
        cut,
        prop::collection::vec(any::<bool>(), 4),
    )
}

fn history(limits: Limits, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut twin = Twin::new(limits);
    let mut told = Assignments::default();
    for (intent, facts, remembers, cut, lively) in steps {
        if !remembers {
            told = Assignments::default();
        }
        let want = compiled(&intent, &facts, &mut twin, &told);
        twin.patience = cut;
        let steps = plan(&twin.tables.clone(), &want.tables);
        let outcome = steps.iter().try_for_each(|op| twin.apply(op));
        match outcome {
            Ok(()) => {
                prop_assert_eq!(&twin.tables, &want.tables);
                prop_assert!(plan(&twin.tables, &want.tables).is_empty());
                told = want.assignments;
            }
            Err(TwinError::Patience) => {}
            Err(error) => prop_assert!(false, "{error}"),
        }
        connect(&mut twin, &lively);
    }
    Ok(())
}

fn connect(twin: &mut Twin, lively: &[bool]) {
    let mut lively = lively.iter().cycle();
    let tables = twin.tables.clone();
    for (id, row) in &tables.image.services {
        let members = row.members.and_then(|run| tables.members.get(&run.first));
        for member in members.into_iter().flat_map(|members| members.iter()) {
            let count = u64::from(*lively.next().unwrap());
            twin.connections.insert((*id, member.backend), count);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    /// The twin refuses an operation that leaves a dangling reference or writes over what is
    /// published, so that this is `apply(have, plan(have, want)) == want`, `plan(x, x)` is empty,
    /// and every prefix is safe, also when a plan is broken off and another begun.
    #[test]
    fn a_plan_leads_from_any_tables_to_any_others_by_safe_steps(
        limits in any_limits(),
        steps in prop::collection::vec(any_step(), 1..6),
    ) {
        history(limits, steps)?;
    }
}

fn applied(twin: &mut Twin, intent: &Intent) -> Vec<Op> {
    let want = compiled(intent, &facts(), twin, &Assignments::default());
    let ops = plan(&twin.tables.clone(), &want.tables);
    ops.iter().for_each(|op| twin.apply(op).unwrap());
    ops
}

#[test]
fn a_plan_between_equal_tables_is_empty() {
    let mut twin = Twin::new(limits());
    let intent = intent(&[service(
        "20.20.20.1:80/tcp",
        &["10.0.1.1:80", "10.0.1.2:80"],
    )]);
    assert!(!applied(&mut twin, &intent).is_empty());
    assert_eq!(applied(&mut twin, &intent), []);
}

#[test]
fn rows_come_before_the_image_and_go_after_it() {
    let mut twin = Twin::new(limits());
    applied(
        &mut twin,
        &intent(&[service("20.20.20.1:80/tcp", &["10.0.1.1:80"])]),
    );
    let ops = applied(
        &mut twin,
        &intent(&[service("20.20.20.2:80/tcp", &["10.0.1.2:80"])]),
    );

    let kinds: Vec<&str> = ops
        .iter()
        .map(|op| match op {
            Op::PutBackend(..) => "backend",
            Op::PutMembers { .. } => "members",
            Op::PutSlots { .. } => "slots",
            Op::Publish(_) => "publish",
            Op::FlushService(_) => "flush",
            Op::DropSlots { .. } => "-slots",
            Op::DropMembers { .. } => "-members",
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "backend", "members", "slots", "publish", "flush", "-slots", "-members"
        ]
    );
}

#[test]
fn a_mac_that_changes_is_one_operation() {
    let mut twin = Twin::new(limits());
    let intent = intent(&[service("20.20.20.1:80/tcp", &["10.0.1.1:80"])]);
    applied(&mut twin, &intent);
    let mut facts = facts();
    facts.neighbours.insert((11, ip("10.0.1.1")), mac(77));
    let want = compiled(&intent, &facts, &mut twin, &Assignments::default());
    let ops = plan(&twin.tables, &want.tables);
    assert!(matches!(ops.as_slice(), [Op::PutBackend(_, row)] if row.hop.unwrap().mac == mac(77)));
}

#[test]
fn connections_of_a_service_that_goes_are_flushed() {
    let mut twin = Twin::new(limits());
    applied(
        &mut twin,
        &intent(&[service("20.20.20.1:80/tcp", &["10.0.1.1:80"])]),
    );
    connect(&mut twin, &[true]);
    applied(&mut twin, &intent(&[]));
    assert_eq!(twin.connections, BTreeMap::new());
}

fn with_sources(allowed: &[&str]) -> Intent {
    let service = service("20.20.20.1:80/tcp", &["10.0.1.1:80"]);
    intent(&[with_policy(service, |policy| {
        policy.sources.allowed = prefixes(allowed);
    })])
}

#[test]
fn connections_of_sources_that_are_now_denied_are_flushed_after_the_publish() {
    let mut twin = Twin::new(limits());
    let ops = applied(&mut twin, &with_sources(&[]));
    assert!(
        !ops.iter().any(|op| matches!(op, Op::FlushDenied(_))),
        "a service that begins"
    );

    let ops = applied(&mut twin, &with_sources(&["10.0.0.0/8"]));
    assert!(matches!(
        ops.as_slice(),
        [
            Op::PutSources { .. },
            Op::Publish(_),
            Op::FlushDenied(ServiceId(0))
        ]
    ));
    let ops = applied(&mut twin, &with_sources(&["10.0.0.0/9"]));
    assert!(matches!(
        ops.as_slice(),
        [
            Op::PutSources { .. },
            Op::Publish(_),
            Op::FlushDenied(ServiceId(0)),
            Op::DropSources { .. }
        ]
    ));
    let ops = applied(&mut twin, &with_sources(&["0.0.0.0/0"]));
    assert!(
        matches!(ops.as_slice(), [Op::Publish(_), Op::DropSources { .. }]),
        "nobody is denied"
    );
}

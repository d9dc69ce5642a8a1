#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

const KERNEL: RangeInclusive<u16> = 32768..=60999;

fn ports(first: u16, last: u16) -> SourcePorts {
    SourcePorts::new(first, last).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_range_is_refused_exactly_if_the_box_uses_one_of_its_ports_and_the_remedy_works(
        first in 1024u16..60000,
        count in 256u16..5000,
        local_first in 1u16..60000,
        local_count in 0u16..40000,
        listeners in prop::collection::btree_set(any::<u16>(), 0..20),
    ) {
        let ports = ports(first, first.saturating_add(count));
        let local = local_first..=local_first.saturating_add(local_count);
        let used = (ports.first()..=ports.last())
            .any(|port| local.contains(&port) || listeners.contains(&port));
        let checked = ports.check(&local, &listeners);
        prop_assert_eq!(checked.is_err(), used);
        if let Err(
            SourcePortsError::Local { remedy, .. } | SourcePortsError::Listener { remedy, .. },
        ) = checked
            && let Some(free) = remedy.0 {
                prop_assert_eq!(free.check(&local, &listeners), Ok(()));
            }
    }
}

#[test]
fn the_error_names_what_is_in_the_way_and_a_range_that_is_free() {
    let listeners = BTreeSet::from([11111, 20000]);
    let kernel = ports(30000, 40000)
        .check(&KERNEL, &listeners)
        .unwrap_err()
        .to_string();
    assert!(kernel.contains("32768-60999"), "{kernel}");
    assert!(
        kernel.contains("use 20001-32767, which is free"),
        "{kernel}"
    );
    let listener = ports(10000, 12000)
        .check(&KERNEL, &listeners)
        .unwrap_err()
        .to_string();
    assert!(listener.contains("port 11111"), "{listener}");
    assert_eq!(ports(61000, 65535).check(&KERNEL, &listeners), Ok(()));
}

#[test]
fn where_no_range_is_free_the_error_says_what_to_narrow() {
    let error = ports(2000, 3000)
        .check(&(1..=65535), &BTreeSet::new())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("narrow net.ipv4.ip_local_port_range"),
        "{error}"
    );
    assert_eq!(
        SourcePorts::longest_free(&(1..=65535), &BTreeSet::new()),
        None
    );
}

#[test]
fn ranges_that_are_none_are_refused() {
    assert!(matches!(
        SourcePorts::new(2000, 1999),
        Err(SourcePortsError::Reversed { .. })
    ));
    assert!(matches!(
        SourcePorts::new(1023, 9999),
        Err(SourcePortsError::WellKnown { .. })
    ));
    assert!(matches!(
        SourcePorts::new(2000, 2254),
        Err(SourcePortsError::TooFew { .. })
    ));
    assert!(SourcePorts::new(2000, 2255).is_ok());
    assert_eq!(ports(1024, u16::MAX).count(), 64512);
}

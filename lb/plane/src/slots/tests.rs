use zerocopy::FromZeros;

use super::*;

#[test]
fn every_slot_is_one_owners() {
    let slots = CpuSlots {
        cpus: 4,
        workers: 3,
    };
    let mut owners: Vec<u32> = (0..slots.cpus).collect();
    for set in WorkerSet::ALL {
        owners.extend((0..slots.workers).map(|thread| slots.worker(set, thread).expect("a slot")));
        assert_eq!(slots.worker(set, slots.workers), None);
        assert_eq!(
            slots.set(set).collect::<Vec<_>>(),
            owners[owners.len() - 3..]
        );
    }
    owners.push(slots.daemon());
    assert_eq!(owners, (0..slots.count()).collect::<Vec<_>>());
}

#[test]
fn slots_are_found_again_in_a_configuration() {
    let slots = CpuSlots {
        cpus: 2,
        workers: 2,
    };
    let config = abi::lb_config {
        cpu_slots: slots.count(),
        worker_slots: slots.workers,
        ..abi::lb_config::new_zeroed()
    };
    assert_eq!(CpuSlots::of(&config), slots);
}

#[test]
fn sets_have_locks_of_their_own_beside_the_daemons() {
    let [first, second] = WorkerSet::ALL.map(|set| set.lock_path(Path::new("/run/loxid"), "edge"));
    assert_eq!(first, Path::new("/run/loxid/edge.worker-0.lock"));
    assert_eq!(second, Path::new("/run/loxid/edge.worker-1.lock"));
}

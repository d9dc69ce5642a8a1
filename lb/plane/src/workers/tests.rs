use std::sync::atomic::AtomicBool;

use super::*;
use crate::for_memory;
use crate::options::DEFAULT_LIMITS;

const INSTANCE: &str = "edge";
const SHORT: Duration = Duration::from_millis(10);

struct Box {
    regions: Regions,
    workers: Workers,
    run: tempfile::TempDir,
}

impl Box {
    fn new() -> Self {
        let slots = CpuSlots {
            cpus: 2,
            workers: 2,
        };
        let mut config = for_memory(&DEFAULT_LIMITS, slots.count()).expect("allowed sizes");
        config.worker_slots = slots.workers;
        let run = tempfile::tempdir().expect("a directory");
        Box {
            regions: Regions::heap(&config),
            workers: Workers::new(&config, run.path(), INSTANCE),
            run,
        }
    }

    fn epoch(&self, set: WorkerSet) -> Epoch {
        let slot = self.workers.slots.worker(set, 1).expect("a slot");
        Epoch::new(&self.regions, slot)
    }

    fn lock(&self, set: WorkerSet) -> Flock<File> {
        let file = File::create(set.lock_path(self.run.path(), INSTANCE)).expect("a file");
        Flock::lock(file, FlockArg::LockExclusiveNonblock).expect("it is free")
    }
}

const SET: WorkerSet = WorkerSet::ALL[1];

#[test]
fn nobody_at_work_is_not_waited_for() {
    let here = Box::new();
    let _held = here.lock(SET);
    let epoch = here.epoch(SET);
    epoch.enter();
    epoch.leave();
    here.workers
        .wait_for(&here.regions, SHORT)
        .expect("nothing to wait for");
}

#[test]
fn a_living_worker_that_does_not_go_on_is_named() {
    let here = Box::new();
    let _held = here.lock(SET);
    here.epoch(SET).enter();
    let stuck = here.workers.wait_for(&here.regions, SHORT);
    let stuck = stuck.expect_err("its batch never ends");
    assert_eq!(Some(stuck.slot), here.workers.slots.worker(SET, 1));
    assert!(stuck.to_string().contains("edge.worker-1.lock"), "{stuck}");
}

#[test]
fn a_dead_workers_batch_is_not_waited_for() {
    let here = Box::new();
    here.epoch(SET).enter();
    // Neither where it has left its file, nor where that is gone.
    here.workers
        .wait_for(&here.regions, BOUND)
        .expect("no lock: it is dead");
    drop(here.lock(SET));
    here.workers
        .wait_for(&here.regions, BOUND)
        .expect("free lock: it is dead");
    assert!(!is_open(here.epoch(SET).word().load(Ordering::Acquire)));
}

#[test]
fn the_next_batch_is_not_waited_for() {
    let here = Box::new();
    let _held = here.lock(SET);
    let epoch = here.epoch(SET);
    epoch.enter();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // At work whenever one looks, and always on another batch.
            while !over.load(Ordering::Acquire) {
                epoch.leave();
                epoch.enter();
            }
        });
        let waited = here.workers.wait_for(&here.regions, BOUND);
        over.store(true, Ordering::Release);
        waited.expect("each batch ends");
    });
}

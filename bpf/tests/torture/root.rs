//! Kernel and native threads at once, on the same maps.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use lb_bpf::abi;
use lb_bpf::region::{Region, elements};
use libbpf_rs::{MapCore, Object, ObjectBuilder, ProgramInput};
use zerocopy::{FromZeros, IntoBytes};

use super::{LINES, MILLISECONDS, Scratch, THREADS, compile, crate_path, figure};

/// As in torture.c: CPUs, and the native threads behind them.
const SLOTS: u32 = 72;

/// The regions that torture.c maps, in its order.
const SHARED: [Region; 10] = [
    Region::Control,
    Region::Services,
    Region::Loads,
    Region::Cpus,
    Region::ServiceStats,
    Region::ConnForward,
    Region::ConnReverse,
    Region::Conn4,
    Region::Conn6,
    Region::SourceStamps,
];

/// The config of torture.c.
fn config() -> abi::lb_config {
    let mut config = abi::lb_config::new_zeroed();
    config.conn_lines4 = LINES / 2;
    config.conn_lines6 = LINES / 2;
    config.max_backends = 8;
    config.cpu_slots = SLOTS;
    config.max_services = 1;
    config.stamp_words = 64;
    for (index, key) in config.conn_key.iter_mut().enumerate() {
        *key = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    }
    config
}

fn load(config: &abi::lb_config) -> Object {
    let mut object = ObjectBuilder::default()
        .open_file(Path::new(env!("OUT_DIR")).join("torture.bpf.o"))
        .unwrap();
    for mut map in object.maps_mut() {
        let name = map.name().to_str().unwrap().to_owned();
        if let Some(region) = Region::ALL.into_iter().find(|region| region.name() == name) {
            map.set_max_entries(elements(region, config)).unwrap();
        }
        if name.ends_with(".rodata") {
            map.set_initial_value(config.as_bytes()).unwrap();
        }
    }
    object.load().unwrap()
}

/// Starts the native threads on the object's maps.
fn start(program: &Path, object: &Object) -> Child {
    let descriptors: Vec<OwnedFd> = SHARED
        .iter()
        .map(|region| {
            let map = object
                .maps()
                .find(|map| map.name() == region.name())
                .unwrap();
            // SAFETY: dup() gives a descriptor that nobody else has; the child inherits it.
            unsafe {
                let copy = libc::dup(map.as_fd().as_raw_fd());
                assert!(copy >= 0);
                OwnedFd::from_raw_fd(copy)
            }
        })
        .collect();
    Command::new(program)
        .args([MILLISECONDS, THREADS, LINES].map(|number| number.to_string()))
        .args(descriptors.iter().map(|fd| fd.as_raw_fd().to_string()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
#[ignore = "needs root: run make test"]
fn kernel_and_native_threads_at_once_tear_double_lose_and_leak_nothing() {
    let scratch = Scratch::new("kernel");
    let program = compile(&scratch, &crate_path("core"));
    let object = load(&config());
    let mut child = start(&program, &object);
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    std::thread::scope(|scope| {
        let native = scope.spawn(|| stdout.read_line(&mut said).unwrap());
        stay_on_one_cpu();
        let torture = object
            .progs_mut()
            .find(|program| program.name() == "torture")
            .unwrap();
        while !native.is_finished() {
            let frame = [0; 64];
            let input = ProgramInput {
                data_in: Some(&frame),
                repeat: 5000,
                ..Default::default()
            };
            torture.test_run(input).unwrap();
        }
    });
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    said.clear();
    stdout.read_to_string(&mut said).unwrap();
    println!("{said}");
    assert!(child.wait().unwrap().success(), "violated: {said}");
    assert!(
        figure(&said, "inserts") > 100_000,
        "hardly anything was tried: {said}"
    );
    assert!(
        kernel_operations(&object) > 100_000,
        "the kernel did hardly anything: {said}"
    );
}

/// The kernel's runner and its flows belong to a CPU, and expire when it is left.
fn stay_on_one_cpu() {
    // SAFETY: an empty set is all zeroes, and the calls write to it alone.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(libc::sched_getcpu() as usize, &mut set);
        assert_eq!(
            libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set),
            0
        );
    }
}

fn kernel_operations(object: &Object) -> u64 {
    let map = object
        .maps()
        .find(|map| map.name() == "service_stats")
        .unwrap();
    (0..SLOTS - 8)
        .map(|slot: u32| {
            let row = map
                .lookup(&slot.to_ne_bytes(), libbpf_rs::MapFlags::ANY)
                .unwrap()
                .unwrap();
            u64::from_ne_bytes(row[..8].try_into().unwrap())
        })
        .sum()
}

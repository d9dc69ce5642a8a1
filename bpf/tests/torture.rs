//! The connection table under torture: many hosts at once on a table of a few lines, with what
//! must never be counted by the hosts themselves (`torture/flow.h`) and by a check of the whole
//! table when they rest (`torture/torture.c`). Broken on purpose, each step of the protocol
//! shows that the torture would notice its absence.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[path = "torture/broken.rs"]
mod broken;
#[path = "torture/root.rs"]
mod root;

/// Lines of the table: 64 flows, for a crowd of 256 and a few more of each thread's own.
const LINES: u32 = 8;
const THREADS: u32 = 4;
const MILLISECONDS: u32 = 3000;

/// A directory of this test process, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let base = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let path = base.join(format!("torture-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn crate_path(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Compiles the native torture with the core in `core`.
fn compile(scratch: &Scratch, core: &Path) -> PathBuf {
    let program = scratch.0.join("torture");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let output = Command::new(compiler)
        .args(["-O2", "-w", "-fno-strict-aliasing", "-pthread", "-I"])
        .arg(core)
        .arg("-I")
        .arg(crate_path("src"))
        .arg(crate_path("tests/torture/torture.c"))
        .arg("-o")
        .arg(&program)
        .output()
        .expect("a C compiler is there: build.rs uses it");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    program
}

fn torture(program: &Path) -> Output {
    Command::new(program)
        .args([MILLISECONDS, THREADS, LINES].map(|number| number.to_string()))
        .output()
        .unwrap()
}

/// The number behind a name in the last line of output.
fn figure(output: &str, name: &str) -> u64 {
    let mut words = output.lines().last().unwrap_or_default().split(' ');
    words
        .find(|word| *word == name)
        .expect("torture.c prints the name");
    words.next().unwrap().parse().unwrap()
}

#[test]
fn native_threads_at_once_tear_double_lose_and_leak_nothing() {
    let scratch = Scratch::new("sound");
    let output = torture(&compile(&scratch, &crate_path("core")));
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "violated: {said}");
    assert!(
        figure(&said, "inserts") > 10_000,
        "hardly anything was tried: {said}"
    );
}

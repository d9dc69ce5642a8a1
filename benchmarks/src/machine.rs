//! The machine, as far as a reader of results must know it: no names.

use std::fs;
use std::process::Command;

use anyhow::Context;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use serde::Serialize;

#[derive(Serialize, Clone)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub memory_gib: u64,
    pub kernel: String,
    pub commit: String,
    pub date: String,
    pub command: String,
}

impl Machine {
    pub fn describe() -> Machine {
        let cpuinfo = read("/proc/cpuinfo");
        let memory = field(&read("/proc/meminfo"), "MemTotal").unwrap_or_default();
        let kibibytes: u64 = memory
            .split(' ')
            .next()
            .and_then(|number| number.parse().ok())
            .unwrap_or(0);
        Machine {
            cpu: cpu(&cpuinfo),
            cores: cpuinfo
                .lines()
                .filter(|line| line.starts_with("processor"))
                .count(),
            memory_gib: kibibytes.div_ceil(1 << 20),
            kernel: kernel(),
            commit: commit(),
            date: output("date", &["-u", "+%Y-%m-%d"]),
            command: command(),
        }
    }
}

impl Machine {
    /// One line of Markdown.
    pub fn line(&self) -> String {
        format!(
            "{}, {} cores, {} GiB; {}; commit {}; {}. Command: `{}`.",
            self.cpu,
            self.cores,
            self.memory_gib,
            self.kernel,
            self.commit,
            self.date,
            self.command
        )
    }
}

/// Everything that this process and its children do happens on one core.
pub fn pin_to(core: usize) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    set.set(core).with_context(|| format!("--core {core}"))?;
    sched_setaffinity(Pid::from_raw(0), &set)
        .with_context(|| format!("--core {core}: no such core?"))
}

fn cpu(cpuinfo: &str) -> String {
    let part = |name| field(cpuinfo, name).unwrap_or_else(|| "?".into());
    format!(
        "{} (family {}, model {})",
        part("model name"),
        part("cpu family"),
        part("model")
    )
}

/// The release's number, without what whoever built it added.
fn kernel() -> String {
    let release = read("/proc/sys/kernel/osrelease");
    format!(
        "Linux {}",
        release.trim().split('-').next().unwrap_or_default()
    )
}

fn commit() -> String {
    let changed = !output(
        "git",
        &[
            "status",
            "--porcelain",
            "--",
            "bpf",
            "lb",
            "benchmarks/src",
            "benchmarks/reference",
        ],
    )
    .is_empty();
    let commit = output("git", &["rev-parse", "--short=12", "HEAD"]);
    if changed {
        format!("{commit} with changes")
    } else {
        commit
    }
}

fn command() -> String {
    let mut words = vec!["lb-benchmarks".to_string()];
    words.extend(std::env::args().skip(1));
    words.join(" ")
}

fn field(text: &str, name: &str) -> Option<String> {
    let line = text
        .lines()
        .find(|line| line.split(':').next().is_some_and(|key| key.trim() == name))?;
    Some(line.split_once(':')?.1.trim().to_string())
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR").trim_end_matches("/benchmarks"))
        .output();
    output
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_string())
        .unwrap_or_default()
}

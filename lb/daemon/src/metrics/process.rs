//! The daemon as a process, under the names that client libraries of Prometheus give.

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};
use nix::sys::time::TimeValLike;

use super::page::Page;

pub fn add(page: &mut Page) {
    if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
        let microseconds =
            usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
        page.counter(
            "process_cpu_seconds_total",
            "CPU time of user and system.",
            microseconds as f64 / 1e6,
        );
    }
    if let Ok(entries) = std::fs::read_dir("/proc/self/fd") {
        page.gauge(
            "process_open_fds",
            "Open file descriptors.",
            entries.count() as f64,
        );
    }
    if let Ok((soft, _)) = getrlimit(Resource::RLIMIT_NOFILE) {
        page.gauge(
            "process_max_fds",
            "File descriptors that may be open.",
            soft as f64,
        );
    }
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        return;
    };
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    };
    const KIB: f64 = 1024.0;
    if let Some(kib) = field("VmRSS:") {
        page.gauge("process_resident_memory_bytes", "Memory in RAM.", kib * KIB);
    }
    if let Some(kib) = field("VmSize:") {
        page.gauge("process_virtual_memory_bytes", "Memory mapped.", kib * KIB);
    }
    if let Some(threads) = field("Threads:") {
        page.gauge("process_threads", "Threads.", threads);
    }
}

//! How much memory may be locked: the kernel charges that of AF_XDP sockets to it.

/// CAP_IPC_LOCK, which lifts the limit.
const IPC_LOCK: u32 = 14;

/// Bytes that this process may lock. None: as many as there are, or nobody can say.
pub fn limit() -> Option<u64> {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/self/{name}"));
    limit_of(&read("status").ok()?, &read("limits").ok()?)
}

fn limit_of(status: &str, limits: &str) -> Option<u64> {
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    if effective >> IPC_LOCK & 1 == 1 {
        return None;
    }
    let soft = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max locked memory"))?;
    soft.split_whitespace().next()?.parse().ok()
}

/// # Errors
/// What is too much, and what to raise.
pub fn check(bytes: u64, limit: Option<u64>) -> Result<(), String> {
    match limit {
        Some(limit) if bytes > limit => Err(format!(
            "the packets' memory of {bytes} bytes is more than the {limit} that may be locked (RLIMIT_MEMLOCK): \
             raise that to at least {bytes} (LimitMEMLOCK={bytes} in the unit, or ulimit -l {}), or lower framesPerQueue",
            bytes.div_ceil(1024)
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;

//! What the kernel and its tools print, read.

use super::facts::Offloads;

/// `6.12.0-amd64`: 6 and 12.
pub fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|character: char| !character.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// `CapEff:\t000001ffffffffff` of /proc/PID/status.
pub fn capabilities(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

/// The soft limit `Max locked memory` of /proc/PID/limits.
pub fn memlock(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max locked memory"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        bytes => bytes.parse().ok(),
    }
}

/// Mount points of bpffs, each with its device, of /proc/PID/mountinfo (proc(5)).
pub fn bpf_mounts(mountinfo: &str) -> Vec<(String, String)> {
    let mount = |line: &str| {
        let (mount, filesystem) = line.split_once(" - ")?;
        let mut fields = mount.split(' ');
        let device = fields.nth(2)?;
        let path = fields.nth(1)?;
        let is_bpf = filesystem.split(' ').next() == Some("bpf");
        is_bpf.then(|| (unescaped(path), device.to_owned()))
    };
    mountinfo.lines().filter_map(mount).collect()
}

/// A space in a path is `\040` there.
fn unescaped(path: &str) -> String {
    path.replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\134", "\\")
}

/// The output of `ethtool -k`.
pub fn offloads(text: &str) -> Offloads {
    let is_on = |name: &str| {
        let line = text.lines().find_map(|line| {
            let (key, value) = line.trim().split_once(':')?;
            (key == name).then(|| value.trim().to_owned())
        });
        line.is_some_and(|value| value == "on" || value.starts_with("on "))
    };
    Offloads {
        lro: is_on("large-receive-offload"),
        gro_hw: is_on("rx-gro-hw"),
        gro: is_on("generic-receive-offload"),
        rx_vlan: is_on("rx-vlan-offload"),
        tx_checksum: is_on("tx-checksumming"),
    }
}

/// The output of `timedatectl show -p NTPSynchronized --value`.
pub fn synchronized(text: &str) -> Option<bool> {
    match text.trim() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

//! What is wrong, from facts: every check says what it found, and what to do if that is not good.

use lb_api::wire::{ConditionStatus, InterfaceStatus, XdpMode};

use super::facts::{Daemon, Facts, Offloads, Spoken};
use super::parse;

/// The oldest kernel that loxid's programs run on.
const KERNEL: (u32, u32) = (6, 1);

/// Locked memory that an AF_XDP buffer area may need.
const MEMLOCK: u64 = 64 << 20;

/// A table that is fuller, in percent, will be full.
const FULL: u128 = 90;

/// Capabilities that loxid needs, by their bits (capabilities(7)), and what for.
const CAPABILITIES: [(u32, &str, &str); 4] = [
    (39, "CAP_BPF", "maps and programs"),
    (12, "CAP_NET_ADMIN", "attaching programs"),
    (13, "CAP_NET_RAW", "AF_XDP and announcing VIPs"),
    (
        38,
        "CAP_PERFMON",
        "programs without the kernel's slow precautions",
    ),
];

/// Holders of this one have CAP_BPF and CAP_PERFMON, too.
const SYS_ADMIN: u32 = 21;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Good,
    /// It could not be found out.
    Unknown,
    Warning,
    Problem,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `kernel`, `eth0`, `20.20.20.1:80/tcp`.
    pub about: String,
    pub verdict: Verdict,
    pub text: String,
    /// What to do; empty: nothing.
    pub fix: String,
}

fn good(about: &str, text: impl Into<String>) -> Finding {
    found(about, Verdict::Good, text, "")
}

fn unknown(about: &str, text: impl Into<String>, fix: impl Into<String>) -> Finding {
    found(about, Verdict::Unknown, text, fix)
}

fn warning(about: &str, text: impl Into<String>, fix: impl Into<String>) -> Finding {
    found(about, Verdict::Warning, text, fix)
}

fn problem(about: &str, text: impl Into<String>, fix: impl Into<String>) -> Finding {
    found(about, Verdict::Problem, text, fix)
}

fn found(
    about: &str,
    verdict: Verdict,
    text: impl Into<String>,
    fix: impl Into<String>,
) -> Finding {
    Finding {
        about: about.to_owned(),
        verdict,
        text: text.into(),
        fix: fix.into(),
    }
}

/// Everything, in the order in which one would look.
pub fn of(facts: &Facts) -> Vec<Finding> {
    let mut all = vec![kernel(facts)];
    match &facts.daemon {
        Daemon::Silent { why } => all.push(problem(
            "loxid",
            format!("it does not answer: {why}"),
            "`systemctl status loxid` and `journalctl -u loxid` say why; `loxid check` tries the configuration",
        )),
        Daemon::Speaks(spoken) => {
            all.extend(reconciled(spoken));
            all.extend(interfaces(facts, spoken));
            all.extend(tables(spoken));
            all.extend(drops(spoken));
            all.extend(services(spoken));
            all.extend(warnings(spoken));
        }
    }
    all.extend(facts.probes.iter().map(|probe| match &probe.outcome {
        Ok(text) => good(&probe.service, format!("it answers: {text}")),
        Err(text) => problem(
            &probe.service,
            format!("no answer: {text}"),
            "`loxictl test` shows one try with its counters; `loxictl get ep` the backends",
        ),
    }));
    if !facts.is_here {
        all.push(unknown(
            "box",
            "loxid runs on another box: what is below its API can't be looked at from here",
            "run `loxictl doctor` there",
        ));
        return all;
    }
    all.extend(capabilities(facts));
    all.extend(bpffs(facts));
    all.extend(memlock(facts));
    all.push(clock(facts));
    all
}

fn kernel(facts: &Facts) -> Finding {
    let release = match &facts.daemon {
        Daemon::Speaks(spoken) => Some(&spoken.status.kernel),
        Daemon::Silent { .. } => facts.kernel.as_ref(),
    };
    let (major, minor) = KERNEL;
    match release.and_then(|release| Some((release, parse::version(release)?))) {
        None => unknown("kernel", "its release is not known", "`uname -r` says it"),
        Some((release, version)) if version >= KERNEL => good("kernel", format!("Linux {release}")),
        Some((release, _)) => problem(
            "kernel",
            format!("Linux {release} is older than {major}.{minor}"),
            format!("boot a kernel of {major}.{minor} or later: Debian 12 has one"),
        ),
    }
}

fn reconciled(spoken: &Spoken) -> Vec<Finding> {
    let failed = spoken
        .status
        .conditions
        .iter()
        .filter(|condition| condition.status != ConditionStatus::True);
    let failed: Vec<Finding> = failed
        .map(|condition| {
            problem(
                "loxid",
                format!("not {}: {}", condition.kind, condition.message),
                "the message says what the kernel refused; the journal has the whole of it",
            )
        })
        .collect();
    if failed.is_empty() {
        let version = &spoken.status.version;
        return vec![good(
            "loxid",
            format!("loxid {version} runs, and its tables follow the documents"),
        )];
    }
    failed
}

fn interfaces(facts: &Facts, spoken: &Spoken) -> Vec<Finding> {
    let carrying: Vec<&InterfaceStatus> = spoken
        .interfaces
        .iter()
        .filter(|interface| interface.mode != XdpMode::None && interface.device.is_none())
        .collect();
    if carrying.is_empty() {
        return vec![problem(
            "interfaces",
            "none is attached: no packet is seen",
            "`loxictl attach DEV`, where clients' packets arrive and where the backends are",
        )];
    }
    let mut all = Vec::new();
    for interface in &carrying {
        let name = &interface.name;
        all.push(mode(interface));
        if !interface.attached {
            all.push(problem(
                name,
                "the link is down",
                format!("`ip link set {name} up`, and look at the cable"),
            ));
        }
        if facts.is_here {
            all.push(queues(interface, facts.cpus));
            match facts.offloads.get(name) {
                Some(Some(offloads)) => all.extend(offload(interface, offloads, spoken)),
                _ => all.push(unknown(
                    name,
                    "its offloads are not known",
                    "install ethtool (and be root): LRO, hardware GRO and VLAN stripping must be off",
                )),
            }
        }
    }
    all.push(mtus(&carrying));
    all
}

fn mode(interface: &InterfaceStatus) -> Finding {
    let driver = interface.driver.as_deref().unwrap_or("unknown");
    match interface.mode {
        XdpMode::Native => good(&interface.name, format!("native XDP (driver {driver})")),
        _ => warning(
            &interface.name,
            format!("generic XDP (driver {driver}): several times slower than native"),
            format!(
                "use a card whose driver has native XDP; if {driver} has, `loxictl attach {} --mode native` says what it lacks \
                 (often: fewer queues, a smaller MTU, LRO off)",
                interface.name
            ),
        ),
    }
}

fn queues(interface: &InterfaceStatus, cpus: usize) -> Finding {
    let (name, queues) = (&interface.name, interface.queues as usize);
    match queues {
        0 => unknown(
            name,
            "its receive queues are not known",
            format!("`ethtool -l {name}`"),
        ),
        1 if cpus > 1 => warning(
            name,
            format!("one receive queue for {cpus} CPUs: one CPU does all the work"),
            format!("`ethtool -L {name} combined {cpus}`, if the card can"),
        ),
        queues => good(name, format!("{queues} receive queues for {cpus} CPUs")),
    }
}

fn offload(interface: &InterfaceStatus, offloads: &Offloads, spoken: &Spoken) -> Vec<Finding> {
    let name = &interface.name;
    let mut all = Vec::new();
    let mut off = |is_on: bool, what: &str, harm: &str, key: &str| {
        if is_on {
            let fix = format!("`ethtool -K {name} {key} off`");
            all.push(problem(name, format!("{what} is on: {harm}"), fix));
        }
    };
    let merged = "merged frames are larger than the MTU, and dropped (too_big)";
    off(offloads.lro, "LRO", merged, "lro");
    off(offloads.gro_hw, "hardware GRO", merged, "rx-gro-hw");
    off(
        offloads.gro && interface.mode == XdpMode::Generic,
        "GRO, before generic XDP,",
        merged,
        "gro",
    );
    let has_vlans = spoken
        .interfaces
        .iter()
        .any(|other| other.device.as_ref() == Some(name));
    off(
        offloads.rx_vlan && has_vlans,
        "VLAN stripping",
        "the program sees frames without their tags",
        "rxvlan",
    );
    if all.is_empty() {
        all.push(good(name, "no offload that breaks XDP is on"));
    }
    if interface.driver.as_deref() == Some("veth") {
        all.push(unknown(
            name,
            "a veth: whether its other end leaves checksums out can't be seen from here",
            format!("at the other end: `ethtool -K DEV tx off`, and an XDP program or GRO on (here tx-checksumming is {})",
                if offloads.tx_checksum { "on" } else { "off" }),
        ));
    }
    all
}

/// What comes in at the larger one doesn't fit through the smaller one.
fn mtus(carrying: &[&InterfaceStatus]) -> Finding {
    let smallest = carrying.iter().min_by_key(|interface| interface.mtu);
    let largest = carrying.iter().max_by_key(|interface| interface.mtu);
    match smallest.zip(largest) {
        Some((small, large)) if small.mtu < large.mtu => warning(
            "MTU",
            format!(
                "{} of {} and {} of {}: what is too big for the smaller is dropped or refused",
                small.mtu, small.name, large.mtu, large.name
            ),
            format!(
                "`ip link set {} mtu {}`, or `mssClamp: {}` for services",
                small.name,
                large.mtu,
                small.mtu.saturating_sub(60)
            ),
        ),
        Some((_, large)) => good("MTU", format!("{} on all attached interfaces", large.mtu)),
        None => good("MTU", "nothing is attached"),
    }
}

fn tables(spoken: &Spoken) -> Vec<Finding> {
    let full = spoken.status.tables.iter().filter(|table| {
        u128::from(table.used) * 100 >= u128::from(table.capacity) * FULL && table.capacity > 0
    });
    let full: Vec<Finding> = full
        .map(|table| {
            warning(
                "tables",
                format!(
                    "{} of {} {} are in use",
                    table.used, table.capacity, table.name
                ),
                format!(
                    "raise `limits.{}`, for which the tables are made anew",
                    table.name
                ),
            )
        })
        .collect();
    match full.is_empty() {
        true => vec![good("tables", "all have room")],
        false => full,
    }
}

fn drops(spoken: &Spoken) -> Vec<Finding> {
    let reasons = &spoken.status.data_plane.reasons;
    let growing = reasons
        .iter()
        .filter(|reason| reason.class == "drop" && reason.recent > 0);
    let growing: Vec<Finding> = growing
        .map(|reason| {
            let text = format!("{} lately: {}", reason.recent, reason.meaning);
            warning(
                &format!("drops: {}", reason.reason),
                text,
                reason.remedy.clone(),
            )
        })
        .collect();
    match growing.is_empty() {
        true => vec![good("drops", "none in the last seconds")],
        false => growing,
    }
}

fn services(spoken: &Spoken) -> Vec<Finding> {
    let mut all = Vec::new();
    for service in &spoken.services {
        for condition in &service.conditions {
            // What is bad if it is so, and what is bad if it isn't.
            let is_bad_if_true = matches!(condition.kind.as_str(), "Shadowed" | "AddressConflict");
            let is_bad = match condition.status {
                ConditionStatus::True => is_bad_if_true,
                // A routed VIP is announced by nobody, and that is as it should be.
                ConditionStatus::False if condition.kind == "Announced" => {
                    matches!(condition.reason.as_str(), "AddressInUse" | "NotListening")
                }
                ConditionStatus::False => !is_bad_if_true && !condition.message.is_empty(),
                ConditionStatus::Unknown => false,
            };
            if is_bad {
                let text = format!(
                    "{} {:?}: {}",
                    condition.kind, condition.status, condition.message
                );
                let fix = format!(
                    "`loxictl get ep --service {}` and `loxictl get lb -o wide` say more",
                    service.key
                );
                all.push(problem(&service.key, text, fix));
            }
        }
    }
    if all.is_empty() {
        all.push(good(
            "services",
            format!("{} as they should be", spoken.services.len()),
        ));
    }
    all
}

/// What loxid warns of itself. Each says what to do.
fn warnings(spoken: &Spoken) -> Vec<Finding> {
    let warnings = spoken.status.warnings.iter();
    warnings.map(|text| warning("loxid", text, "")).collect()
}

fn capabilities(facts: &Facts) -> Vec<Finding> {
    let Some(process) = &facts.process else {
        return vec![unknown(
            "capabilities",
            "loxid's process is not known",
            "run `loxictl doctor` as root on the box",
        )];
    };
    let Some(held) = process.capabilities else {
        return vec![unknown(
            "capabilities",
            "they can't be read",
            "run `loxictl doctor` as root",
        )];
    };
    let has = |bit: u32| held & (1 << bit) != 0;
    let is_implied = |bit: u32| matches!(bit, 38 | 39) && has(SYS_ADMIN);
    let missing = CAPABILITIES
        .iter()
        .filter(|(bit, _, _)| !has(*bit) && !is_implied(*bit));
    let missing: Vec<Finding> = missing
        .map(|(bit, name, what)| {
            let verdict = if *bit == 38 { Verdict::Warning } else { Verdict::Problem };
            let fix = format!("add it to AmbientCapabilities= and CapabilityBoundingSet= of the unit ({name} is for {what})");
            found("capabilities", verdict, format!("loxid lacks {name}"), fix)
        })
        .collect();
    match missing.is_empty() {
        true => vec![good("capabilities", "loxid has what it needs")],
        false => missing,
    }
}

fn bpffs(facts: &Facts) -> Vec<Finding> {
    let Some(mount) = facts
        .bpf_mounts
        .iter()
        .find(|mount| mount.has_pins)
        .or(facts.bpf_mounts.first())
    else {
        return vec![problem(
            "bpffs",
            "none is mounted: nothing outlives loxid",
            "`mount -t bpf bpf /sys/fs/bpf`, and see that it is mounted at boot",
        )];
    };
    let path = &mount.path;
    let mut all = Vec::new();
    if !mount.has_pins {
        all.push(warning(
            "bpffs",
            format!("{path} has no pins of this instance that can be seen"),
            "run `loxictl doctor` as root; `bpffs` in the configuration says where they should be",
        ));
    }
    if mount.is_hosts == Some(false) {
        all.push(problem(
            "bpffs",
            format!("{path} is of loxid's own mount namespace: it goes, and forwarding ends, with the service"),
            "mount it on the host (a .mount unit), and let the service only see it",
        ));
    }
    let others = mount.mode.filter(|mode| mode & 0o022 != 0);
    if let Some(mode) = others.filter(|mode| mode & 0o1000 != 0) {
        all.push(warning(
            "bpffs",
            format!("{path} has mode {mode:04o}: others can pin there what fills it"),
            format!("`chmod 0700 {path}`"),
        ));
    } else if let Some(mode) = others {
        all.push(problem(
            "bpffs",
            format!("{path} has mode {mode:04o}: others can remove what forwards"),
            format!("`chmod go-w {path}`"),
        ));
    }
    if all.is_empty() {
        let owner = mount.owner.map_or("?".to_owned(), |uid| uid.to_string());
        let mode = mount
            .mode
            .map_or("?".to_owned(), |mode| format!("{mode:04o}"));
        all.push(good(
            "bpffs",
            format!("{path}, owner uid {owner}, mode {mode}"),
        ));
    }
    all
}

fn memlock(facts: &Facts) -> Option<Finding> {
    let limit = facts.process.as_ref()?.memlock?;
    Some(match limit {
        u64::MAX => good("memlock", "unlimited"),
        limit if limit >= MEMLOCK => good("memlock", format!("{} MiB", limit >> 20)),
        limit => warning(
            "memlock",
            format!("{} KiB: too little for AF_XDP's buffers", limit >> 10),
            "LimitMEMLOCK=infinity in the unit",
        ),
    })
}

fn clock(facts: &Facts) -> Finding {
    match facts.clock {
        Some(true) => good("clock", "synchronized"),
        Some(false) => warning(
            "clock",
            "not synchronized: times of events, tokens and certificates may be wrong",
            "`timedatectl set-ntp true`, or see what your time daemon says",
        ),
        None => unknown(
            "clock",
            "nobody says whether it is synchronized",
            "`chronyc tracking` or `timedatectl`",
        ),
    }
}

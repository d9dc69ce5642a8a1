//! Facts, read where they are. Nothing is decided here, and what can't be read is not known.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use lb_api::client::Target;
use lb_api::wire::{InterfaceStatus, Protocol, ServiceStatus, XdpMode};
use lb_core::service::ServiceKey;
use tokio::net::UnixStream;

use super::facts::{BpfMount, Daemon, Facts, Offloads, Probe, Process, Spoken};
use super::parse;
use crate::commands::test;
use crate::failure::Result;
use crate::session::Session;

/// Services that are tried at most.
const PROBES_MAX: usize = 16;

pub async fn facts(session: &Session, probe: bool) -> Result<Facts> {
    let daemon = daemon(session).await;
    let pid = pid(session.target()).await;
    let is_here = match session.target() {
        Target::Unix(_) => true,
        Target::Http { host, .. } | Target::Https { host, .. } => is_loopback(host),
    };
    let mut facts = Facts {
        is_here,
        daemon,
        ..Facts::default()
    };
    if probe && let Daemon::Speaks(spoken) = &facts.daemon {
        facts.probes = probes(session, &spoken.services).await;
    }
    if !is_here {
        return Ok(facts);
    }
    facts.kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok();
    facts.kernel = facts.kernel.map(|release| release.trim().to_owned());
    facts.cpus = std::thread::available_parallelism().map_or(1, usize::from);
    facts.clock = run("timedatectl", &["show", "-p", "NTPSynchronized", "--value"])
        .and_then(|text| parse::synchronized(&text));
    if let Daemon::Speaks(spoken) = &facts.daemon {
        facts.bpf_mounts = bpf_mounts(pid, &spoken.status.instance);
        facts.offloads = offloads(&spoken.interfaces);
    } else {
        facts.bpf_mounts = bpf_mounts(None, "loxid");
    }
    facts.process = pid.map(process);
    Ok(facts)
}

async fn daemon(session: &Session) -> Daemon {
    let ask = async {
        Ok::<_, crate::failure::Failure>(Spoken {
            status: session.status().await?,
            interfaces: session.interfaces().await?,
            services: session.services().await?,
        })
    };
    match ask.await {
        Ok(spoken) => Daemon::Speaks(Box::new(spoken)),
        Err(failure) => Daemon::Silent {
            why: failure.to_string().replace('\n', "; "),
        },
    }
}

/// Who listens at the socket: the kernel says.
async fn pid(target: &Target) -> Option<i32> {
    let Target::Unix(path) = target else {
        return None;
    };
    let stream = UnixStream::connect(path).await.ok()?;
    // 0: it is of a PID namespace that this process doesn't see.
    stream.peer_cred().ok()?.pid().filter(|pid| *pid > 0)
}

fn process(pid: i32) -> Process {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok();
    Process {
        pid,
        capabilities: read("status").and_then(|text| parse::capabilities(&text)),
        memlock: read("limits").and_then(|text| parse::memlock(&text)),
    }
}

/// As loxid sees them, or this process if it isn't known which loxid is.
fn bpf_mounts(pid: Option<i32>, instance: &str) -> Vec<BpfMount> {
    let of = |process: &str| std::fs::read_to_string(format!("/proc/{process}/mountinfo"));
    let process = pid.map_or("self".to_owned(), |pid| pid.to_string());
    let hosts = of("1").ok().map(|text| parse::bpf_mounts(&text));
    let seen = of(&process)
        .map(|text| parse::bpf_mounts(&text))
        .unwrap_or_default();
    let mount = |(path, device): (String, String)| {
        let root = format!("/proc/{process}/root{path}");
        let metadata = std::fs::metadata(&root).ok();
        BpfMount {
            has_pins: Path::new(&root).join(instance).is_dir(),
            is_hosts: hosts
                .as_ref()
                .map(|hosts| hosts.iter().any(|(_, other)| *other == device)),
            owner: metadata.as_ref().map(MetadataExt::uid),
            mode: metadata.as_ref().map(|metadata| metadata.mode() & 0o7777),
            path,
        }
    };
    seen.into_iter().map(mount).collect()
}

fn offloads(interfaces: &[InterfaceStatus]) -> BTreeMap<String, Option<Offloads>> {
    let carrying = interfaces
        .iter()
        .filter(|interface| interface.mode != XdpMode::None && interface.device.is_none());
    carrying
        .map(|interface| {
            let text = run("ethtool", &["-k", &interface.name]);
            (
                interface.name.clone(),
                text.map(|text| parse::offloads(&text)),
            )
        })
        .collect()
}

async fn probes(session: &Session, services: &[ServiceStatus]) -> Vec<Probe> {
    let mut probes = Vec::new();
    let tcp = services
        .iter()
        .filter(|service| service.spec.protocol == Protocol::Tcp)
        .filter_map(|service| Some((service, service.key.parse::<ServiceKey>().ok()?)));
    for (service, key) in tcp.take(PROBES_MAX) {
        let outcome = test::probe(session, &key).await;
        probes.push(Probe {
            service: service.key.clone(),
            outcome: outcome.map_err(|failure| failure.to_string().replace('\n', "; ")),
        });
    }
    probes
}

/// What a program prints, if it is there and succeeds.
fn run(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then_some(text)
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<std::net::IpAddr>();
    bare == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#![allow(clippy::unwrap_used)]

use lb_api::wire::{
    Condition, ConditionStatus, DataPlane, InterfaceStatus, ReasonCount, Status, TableUsage,
    XdpMode,
};

use super::facts::{BpfMount, Daemon, Facts, Offloads, Probe, Process, Spoken};
use super::*;

fn interface(name: &str) -> InterfaceStatus {
    InterfaceStatus {
        name: name.into(),
        ifindex: 2,
        slot: Some(0),
        mode: XdpMode::Native,
        driver: Some("virtio_net".into()),
        queues: 4,
        mtu: 1500,
        mac: "02:00:00:00:00:01".into(),
        attached: true,
        ..InterfaceStatus::default()
    }
}

/// A box where nothing is wrong.
fn healthy() -> Facts {
    let ready = Condition {
        kind: "Ready".into(),
        status: ConditionStatus::True,
        reason: "Reconciled".into(),
        message: String::new(),
    };
    Facts {
        is_here: true,
        kernel: Some("6.12.0-amd64".into()),
        cpus: 4,
        daemon: Daemon::Speaks(Box::new(Spoken {
            status: Status {
                version: "0.1.0".into(),
                kernel: "6.12.0-amd64".into(),
                conditions: vec![ready],
                ..Status::default()
            },
            interfaces: vec![interface("eth0"), interface("eth1")],
            services: Vec::new(),
        })),
        process: Some(Process {
            pid: 7,
            capabilities: Some(1 << 39 | 1 << 12 | 1 << 13 | 1 << 38),
            memlock: Some(u64::MAX),
        }),
        bpf_mounts: vec![BpfMount {
            path: "/sys/fs/bpf".into(),
            has_pins: true,
            is_hosts: Some(true),
            owner: Some(0),
            mode: Some(0o700),
        }],
        offloads: ["eth0", "eth1"]
            .map(|name| (name.to_owned(), Some(Offloads::default())))
            .into(),
        clock: Some(true),
        probes: Vec::new(),
    }
}

fn spoken(facts: &mut Facts) -> &mut Spoken {
    match &mut facts.daemon {
        Daemon::Speaks(spoken) => spoken,
        Daemon::Silent { .. } => panic!("it speaks"),
    }
}

/// What is not good.
fn wrong(facts: &Facts) -> Vec<Finding> {
    let mut found = findings::of(facts);
    found.retain(|finding| finding.verdict != Verdict::Good);
    found
}

#[test]
fn of_a_healthy_box_everything_is_good() {
    assert_eq!(wrong(&healthy()), Vec::new());
}

/// Each fault alone: what it is about, how bad it is, and a word of what to do.
#[test]
fn every_fault_is_found_alone_and_says_what_to_do() {
    type Fault = (fn(&mut Facts), &'static str, Verdict, &'static str);
    let faults: &[Fault] = &[
        (
            |f| {
                f.daemon = Daemon::Silent {
                    why: "refused".into(),
                }
            },
            "loxid",
            Verdict::Problem,
            "systemctl status loxid",
        ),
        (
            |f| spoken(f).status.kernel = "5.15.0".into(),
            "kernel",
            Verdict::Problem,
            "6.1",
        ),
        (
            |f| spoken(f).status.conditions[0].status = ConditionStatus::False,
            "loxid",
            Verdict::Problem,
            "journal",
        ),
        (
            |f| spoken(f).interfaces.clear(),
            "interfaces",
            Verdict::Problem,
            "loxictl attach",
        ),
        (
            |f| spoken(f).interfaces[0].mode = XdpMode::Generic,
            "eth0",
            Verdict::Warning,
            "--mode native",
        ),
        (
            |f| spoken(f).interfaces[0].attached = false,
            "eth0",
            Verdict::Problem,
            "ip link set eth0 up",
        ),
        (
            |f| spoken(f).interfaces[0].queues = 1,
            "eth0",
            Verdict::Warning,
            "ethtool -L eth0 combined 4",
        ),
        (
            |f| spoken(f).interfaces[1].mtu = 9000,
            "MTU",
            Verdict::Warning,
            "ip link set eth0 mtu 9000",
        ),
        (
            |f| f.offloads.retain(|name, _| name != "eth1"),
            "eth1",
            Verdict::Unknown,
            "install ethtool",
        ),
        (
            |f| on(f).lro = true,
            "eth0",
            Verdict::Problem,
            "ethtool -K eth0 lro off",
        ),
        (
            |f| on(f).gro_hw = true,
            "eth0",
            Verdict::Problem,
            "ethtool -K eth0 rx-gro-hw off",
        ),
        (
            |f| spoken(f).interfaces[0].driver = Some("veth".into()),
            "eth0",
            Verdict::Unknown,
            "tx off",
        ),
        (
            |f| f.process.as_mut().unwrap().capabilities = Some(1 << 21 | 1 << 13),
            "capabilities",
            Verdict::Problem,
            "CAP_NET_ADMIN",
        ),
        (
            |f| f.process.as_mut().unwrap().memlock = Some(8 << 20),
            "memlock",
            Verdict::Warning,
            "LimitMEMLOCK",
        ),
        (
            |f| f.bpf_mounts.clear(),
            "bpffs",
            Verdict::Problem,
            "mount -t bpf",
        ),
        (
            |f| f.bpf_mounts[0].is_hosts = Some(false),
            "bpffs",
            Verdict::Problem,
            ".mount unit",
        ),
        (
            |f| f.bpf_mounts[0].mode = Some(0o777),
            "bpffs",
            Verdict::Problem,
            "chmod go-w",
        ),
        (
            |f| f.bpf_mounts[0].mode = Some(0o1777),
            "bpffs",
            Verdict::Warning,
            "chmod 0700",
        ),
        (
            |f| f.bpf_mounts[0].has_pins = false,
            "bpffs",
            Verdict::Warning,
            "bpffs",
        ),
        (
            |f| f.clock = Some(false),
            "clock",
            Verdict::Warning,
            "set-ntp",
        ),
        (|f| f.clock = None, "clock", Verdict::Unknown, "chronyc"),
        (
            |f| f.process = None,
            "capabilities",
            Verdict::Unknown,
            "root",
        ),
        (
            |f| spoken(f).status.tables = vec![usage(90)],
            "tables",
            Verdict::Warning,
            "limits.connections",
        ),
        (
            |f| spoken(f).status.data_plane = dropping(),
            "drops: no_backend",
            Verdict::Warning,
            "give it one",
        ),
        (
            |f| f.probes = vec![unanswered()],
            "20.20.20.1:80/tcp",
            Verdict::Problem,
            "loxictl test",
        ),
        (
            |f| spoken(f).status.warnings = vec!["x".into()],
            "loxid",
            Verdict::Warning,
            "",
        ),
    ];
    for (number, (fault, about, verdict, fix)) in faults.iter().enumerate() {
        let mut facts = healthy();
        fault(&mut facts);
        let wrong = wrong(&facts);
        assert_eq!(wrong.len(), 1, "fault {number}: {wrong:?}");
        assert_eq!(
            (wrong[0].about.as_str(), wrong[0].verdict),
            (*about, *verdict),
            "fault {number}"
        );
        assert!(
            wrong[0].fix.contains(fix),
            "fault {number}: {}",
            wrong[0].fix
        );
    }
}

fn on(facts: &mut Facts) -> &mut Offloads {
    facts.offloads.get_mut("eth0").unwrap().as_mut().unwrap()
}

fn usage(used: u64) -> TableUsage {
    TableUsage {
        name: "connections".into(),
        used,
        capacity: 100,
    }
}

fn dropping() -> DataPlane {
    DataPlane {
        reasons: vec![ReasonCount {
            reason: "no_backend".into(),
            class: "drop".into(),
            packets: 9,
            recent: 3,
            meaning: "no backend".into(),
            remedy: "give it one.".into(),
        }],
        ..DataPlane::default()
    }
}

fn unanswered() -> Probe {
    Probe {
        service: "20.20.20.1:80/tcp".into(),
        outcome: Err("did not answer".into()),
    }
}

#[test]
fn stripped_vlan_tags_matter_only_where_there_are_vlans() {
    let mut facts = healthy();
    on(&mut facts).rx_vlan = true;
    assert_eq!(wrong(&facts), Vec::new());
    let vlan = InterfaceStatus {
        device: Some("eth0".into()),
        ..interface("eth0.100")
    };
    spoken(&mut facts).interfaces.push(vlan);
    assert!(wrong(&facts)[0].fix.contains("rxvlan off"));
}

#[test]
fn gro_matters_only_before_generic_xdp() {
    let mut facts = healthy();
    on(&mut facts).gro = true;
    assert_eq!(wrong(&facts), Vec::new());
    spoken(&mut facts).interfaces[0].mode = XdpMode::Generic;
    assert!(
        wrong(&facts)
            .iter()
            .any(|finding| finding.fix.contains("gro off"))
    );
}

#[test]
fn of_another_box_only_the_api_is_judged() {
    let mut facts = healthy();
    facts.is_here = false;
    facts.offloads.clear();
    facts.process = None;
    let wrong = wrong(&facts);
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0].fix.contains("there"));
}

#[test]
fn what_the_kernel_and_ethtool_print_is_read() {
    assert_eq!(parse::version("6.12.0-amd64"), Some((6, 12)));
    assert_eq!(parse::version("6.1-rc3"), Some((6, 1)));
    assert_eq!(parse::version("six"), None);
    let status = "Name:\tloxid\nCapInh:\t0000000000000000\nCapEff:\t000000c000003000\n";
    assert_eq!(
        parse::capabilities(status),
        Some(1 << 39 | 1 << 38 | 1 << 13 | 1 << 12)
    );
    let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
        Max locked memory         8388608              unlimited            bytes\n";
    assert_eq!(parse::memlock(limits), Some(8 << 20));
    assert_eq!(
        parse::memlock(&limits.replace("8388608  ", "unlimited")),
        Some(u64::MAX)
    );
    let mounts = "24 1 0:22 / /sys rw,nosuid - sysfs sysfs rw\n\
        36 24 0:31 / /sys/fs/bpf rw,nosuid shared:9 - bpf bpf rw,mode=700\n\
        37 24 0:32 / /run/a\\040b rw - bpf none rw\n";
    assert_eq!(
        parse::bpf_mounts(mounts),
        [
            ("/sys/fs/bpf".to_owned(), "0:31".to_owned()),
            ("/run/a b".to_owned(), "0:32".to_owned())
        ]
    );
    let ethtool = "Features for eth0:\nrx-checksumming: on [fixed]\ntx-checksumming: off\n\
        generic-receive-offload: on\nlarge-receive-offload: off [fixed]\nrx-vlan-offload: on [fixed]\nrx-gro-hw: on\n";
    assert_eq!(
        parse::offloads(ethtool),
        Offloads {
            lro: false,
            gro_hw: true,
            gro: true,
            rx_vlan: true,
            tx_checksum: false
        }
    );
    assert_eq!(
        (parse::synchronized("yes\n"), parse::synchronized("")),
        (Some(true), None)
    );
}

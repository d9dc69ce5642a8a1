//! The plane in the kernel, and netlink, in network namespaces of the tests' own.
#![allow(clippy::unwrap_used)]

mod netlink;
mod support;

/// Pins, locks, links and maps.
mod root {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use lb_core::addr::Mac;
    use lb_core::plan::plan;
    use lb_core::plane::{Op, Plane};
    use lb_core::tables::*;
    use lb_plane::attach::{Asked, AttachError, Mode, Path, Warning};
    use lb_plane::queues::Wanted;
    use lb_plane::testing::refuse_forwarder;
    use lb_plane::{KernelPlane, Note, OpenError};

    use crate::support::{Instance, ip, namespace};

    fn open(instance: &Instance) -> KernelPlane {
        let (plane, notes) = KernelPlane::open(&instance.options()).unwrap();
        let unexpected: Vec<&Note> = notes
            .iter()
            .filter(|note| !matches!(note, Note::BpffsMounted { .. }))
            .collect();
        assert!(unexpected.is_empty(), "{unexpected:?}");
        plane
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn pins_are_opened_again_with_their_own_sizes_and_secrets() {
        let instance = Instance::new();
        let plane = open(&instance);
        let keys = plane.regions().config().conn_key;
        let limits = plane.limits();
        drop(plane);
        let mut options = instance.options();
        options.limits.services *= 2;
        options.hash_secret = Some([7; 32]);
        let (plane, notes) = KernelPlane::open(&options).unwrap();
        assert_eq!(plane.regions().config().conn_key, keys);
        assert_eq!(plane.limits(), limits);
        assert!(notes.contains(&Note::SecretKept), "{notes:?}");
        let (asked, pinned) = (options.limits.services.into(), limits.services.into());
        assert!(
            notes.contains(&Note::LimitKept {
                limit: "services",
                asked,
                pinned
            }),
            "{notes:?}"
        );
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn where_tunnels_come_from_follows_each_opening() {
        let instance = Instance::new();
        let source = |plane: &KernelPlane| plane.regions().config().tunnel_source4;
        let plane = open(&instance);
        assert_eq!(source(&plane), 0);
        drop(plane);
        let mut options = instance.options();
        options.tunnel_sources.ipv4 = Some("100.64.0.0/16".parse().unwrap());
        let (plane, notes) = KernelPlane::open(&options).unwrap();
        assert!(notes.is_empty(), "{notes:?}");
        assert_eq!(source(&plane), u32::from_ne_bytes([100, 64, 0, 0]));
        drop(plane);
        options.tunnel_sources.ipv4 = Some("2001:db8::/96".parse().unwrap());
        let refused = KernelPlane::open(&options).err();
        assert!(
            matches!(refused, Some(OpenError::TunnelSource(_))),
            "{refused:?}"
        );
        assert_eq!(source(&open(&instance)), 0);
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn a_second_daemon_of_an_instance_is_told_who_runs_the_first() {
        let instance = Instance::new();
        let _plane = open(&instance);
        match KernelPlane::open(&instance.options()).err() {
            Some(OpenError::AlreadyRunning { pid, .. }) => {
                assert_eq!(pid, Some(std::process::id()))
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn a_link_outlives_the_plane_and_gets_the_next_program() {
        namespace();
        ip("link add name a type veth peer name b");
        let instance = Instance::new();
        let mut plane = open(&instance);
        let (before, warning) = plane.attach("a", Asked::Auto, Path::Xdp).unwrap();
        assert_eq!((before.mode, warning), (Mode::Native, None));
        assert_eq!(before.driver.as_deref(), Some("veth"));
        assert_eq!((before.rx_queues, before.tx_queues), (1, 1));
        drop(plane);
        let plane = open(&instance);
        let after = plane.attachments().unwrap();
        assert_eq!(after.len(), 1);
        assert_eq!(after[0].link_id, before.link_id);
        assert_ne!(after[0].program_id, before.program_id);
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn attaching_again_keeps_the_link() {
        namespace();
        ip("link add name a type veth peer name b");
        let instance = Instance::new();
        let mut plane = open(&instance);
        let (first, _) = plane.attach("a", Asked::Auto, Path::Xdp).unwrap();
        let (second, _) = plane.attach("a", Asked::Native, Path::Xdp).unwrap();
        assert_eq!(first, second);
        plane.detach("a").unwrap();
        assert!(plane.attachments().unwrap().is_empty());
        assert!(matches!(
            plane.detach("a"),
            Err(AttachError::NotAttached { .. })
        ));
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn a_driver_without_native_mode_gets_generic_with_a_warning_or_a_refusal() {
        namespace();
        ip("link add name a type veth peer name b");
        ip("link add name m link a type macvlan mode bridge");
        let instance = Instance::new();
        let mut plane = open(&instance);
        let refused = plane.attach("m", Asked::Native, Path::Xdp);
        assert!(
            matches!(refused, Err(AttachError::NoNative { .. })),
            "{refused:?}"
        );
        let (attachment, warning) = plane.attach("m", Asked::Auto, Path::Xdp).unwrap();
        assert_eq!(attachment.mode, Mode::Generic);
        assert!(matches!(warning, Some(Warning::Generic { .. })));
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn a_mode_that_is_asked_for_replaces_the_other() {
        namespace();
        ip("link add name a type veth peer name b");
        let instance = Instance::new();
        let mut plane = open(&instance);
        for (asked, mode) in [
            (Asked::Generic, Mode::Generic),
            (Asked::Auto, Mode::Generic),
            (Asked::Native, Mode::Native),
            (Asked::Auto, Mode::Native),
        ] {
            let (attachment, _) = plane.attach("a", asked, Path::Xdp).unwrap();
            assert_eq!(attachment.mode, mode, "{asked:?}");
        }
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn a_change_of_path_keeps_the_link_and_so_does_a_restart() {
        namespace();
        ip("link add name a type veth peer name b");
        let instance = Instance::new();
        let mut plane = open(&instance);
        assert!(plane.forwarder().is_ok() && plane.redirector().is_ok());
        let (before, _) = plane.attach("a", Asked::Auto, Path::Xdp).unwrap();
        assert_eq!(before.path, Path::Xdp);
        let (changed, _) = plane.attach("a", Asked::Auto, Path::AfXdp).unwrap();
        assert_eq!(changed.path, Path::AfXdp);
        assert_eq!(changed.link_id, before.link_id);
        assert_ne!(changed.program_id, before.program_id);
        assert_eq!(plane.attachments().unwrap(), std::slice::from_ref(&changed));
        drop(plane);
        let mut plane = open(&instance);
        let kept = plane.attachments().unwrap();
        assert_eq!(
            (kept[0].path, kept[0].link_id),
            (Path::AfXdp, before.link_id)
        );
        assert_ne!(kept[0].program_id, changed.program_id);
        let (back, _) = plane.attach("a", Asked::Auto, Path::Xdp).unwrap();
        assert_eq!((back.path, back.link_id), (Path::Xdp, before.link_id));
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn where_the_forwarder_is_refused_there_is_the_redirector_and_the_reason() {
        namespace();
        ip("link add name a type veth peer name b");
        ip("link add name c type veth peer name d");
        let instance = Instance::new();
        let mut plane = open(&instance);
        let (before, _) = plane.attach("a", Asked::Auto, Path::Xdp).unwrap();
        let pins = plane.pins().to_owned();
        drop(plane);
        refuse_forwarder(&pins).unwrap();
        let mut plane = open(&instance);
        let log = plane.forwarder().unwrap_err().to_owned();
        assert!(log.contains("forbidden"), "{log}");
        assert!(plane.redirector().is_ok());
        // What forwards goes on, and can be changed to what there is.
        assert_eq!(plane.attachments().unwrap(), std::slice::from_ref(&before));
        for interface in ["a", "c"] {
            match plane.attach(interface, Asked::Auto, Path::Xdp) {
                Err(AttachError::NoProgram {
                    path: Path::Xdp,
                    log: said,
                    ..
                }) => assert_eq!(said, log),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(plane.attachments().unwrap(), std::slice::from_ref(&before));
        let (after, _) = plane.attach("a", Asked::Auto, Path::AfXdp).unwrap();
        assert_eq!((after.path, after.link_id), (Path::AfXdp, before.link_id));
        let (new, _) = plane.attach("c", Asked::Auto, Path::AfXdp).unwrap();
        assert_eq!(new.path, Path::AfXdp);
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn queues_that_are_wanted_are_still_wanted_after_a_restart() {
        let instance = Instance::new();
        let plane = open(&instance);
        let slot = InterfaceSlot(2);
        plane.queues().want(slot, 7, 3, Wanted::SERVE).unwrap();
        drop(plane);
        let plane = open(&instance);
        let rows = plane.queues().read();
        assert_eq!(rows.len(), 3);
        assert!(
            rows.iter().all(
                |row| row.wanted == Some(Wanted::SERVE) && (row.slot, row.ifindex) == (slot, 7)
            )
        );
        plane.queues().unwant(slot);
        assert!(plane.queues().read().is_empty());
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn a_dead_link_under_a_pin_is_replaced() {
        namespace();
        ip("link add name a index 1000 type veth peer name b");
        let instance = Instance::new();
        let mut plane = open(&instance);
        let (before, _) = plane.attach("a", Asked::Auto, Path::Xdp).unwrap();
        ip("link del dev a");
        ip("link add name a index 1000 type veth peer name b");
        let (after, _) = plane.attach("a", Asked::Auto, Path::Xdp).unwrap();
        assert_eq!(before.ifindex, after.ifindex);
        assert_ne!(before.link_id, after.link_id);
        drop(plane);
        ip("link del dev a");
        let (_plane, notes) = KernelPlane::open(&instance.options()).unwrap();
        assert!(
            notes
                .iter()
                .any(|note| matches!(note, Note::DeadLink { .. })),
            "{notes:?}"
        );
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn the_pin_of_an_interface_that_is_gone_goes_and_others_stay() {
        namespace();
        ip("link add name a type veth peer name b");
        ip("link add name c type veth peer name d");
        let instance = Instance::new();
        let mut plane = open(&instance);
        let pin = |plane: &KernelPlane, ifindex| plane.pins().join(format!("link_{ifindex}"));
        let (gone, _) = plane.attach("a", Asked::Auto, Path::Xdp).unwrap();
        let (stays, _) = plane.attach("c", Asked::Auto, Path::Xdp).unwrap();
        let (gone, kept) = (pin(&plane, gone.ifindex), pin(&plane, stays.ifindex));
        assert!(gone.exists() && kept.exists());
        ip("link del dev a");
        assert_eq!(plane.attachments().unwrap(), [stays]);
        assert!(!gone.exists() && kept.exists());
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn anothers_program_is_refused_and_left_alone() {
        namespace();
        ip("link add name a type veth peer name b");
        let (ours, theirs) = (Instance::new(), Instance::new());
        let (mut ours, mut theirs) = (open(&ours), open(&theirs));
        let (present, _) = theirs.attach("a", Asked::Auto, Path::Xdp).unwrap();
        match ours.attach("a", Asked::Auto, Path::Xdp) {
            Err(AttachError::Foreign { program_id, .. }) => {
                assert_eq!(program_id, present.program_id)
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(theirs.attachments().unwrap(), [present]);
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn interfaces_of_the_wrong_kind_are_refused_with_advice() {
        namespace();
        ip("link add name r type bridge");
        let instance = Instance::new();
        let mut plane = open(&instance);
        for (interface, advice) in [("lo", "itself"), ("r", "ports")] {
            let text = plane
                .attach(interface, Asked::Auto, Path::Xdp)
                .unwrap_err()
                .to_string();
            assert!(text.contains(advice), "{text}");
        }
        let unknown = plane.attach("nowhere", Asked::Auto, Path::Xdp);
        assert!(
            matches!(unknown, Err(AttachError::Unknown { .. })),
            "{unknown:?}"
        );
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn links_of_another_abi_are_taken_over() {
        namespace();
        ip("link add name a type veth peer name b");
        let instance = Instance::new();
        let mut plane = open(&instance);
        let (before, _) = plane.attach("a", Asked::Auto, Path::Xdp).unwrap();
        let dir = plane.pins().to_owned();
        drop(plane);
        let other = dir.with_file_name("0123456789abcdef");
        std::fs::rename(&dir, &other).unwrap();
        let (plane, notes) = KernelPlane::open(&instance.options()).unwrap();
        assert!(
            notes.contains(&Note::OtherAbi {
                path: other.clone()
            }),
            "{notes:?}"
        );
        let after = plane.attachments().unwrap();
        assert_eq!(
            after.iter().map(|one| one.link_id).collect::<Vec<_>>(),
            [before.link_id]
        );
        assert!(!other.exists());
    }

    fn tables(ifindex: u32) -> Tables {
        let slot = InterfaceSlot(3);
        let mac = Mac([2, 0, 0, 0, 0, 1]);
        let row = InterfaceRow {
            ifindex,
            mac,
            mtu: 1500,
            address4: None,
            address6: Some("2001:db8::1".parse().unwrap()),
            vlan: None,
        };
        let tagged = InterfaceRow {
            vlan: Some(Vlan {
                outer: None,
                inner: VlanId::new(100).unwrap(),
                protocol: VlanProtocol::Dot1Q,
            }),
            ..row.clone()
        };
        let mut tables = Tables {
            interfaces: BTreeMap::from([(slot, row), (InterfaceSlot(4), tagged)]),
            ..Tables::default()
        };
        tables.hops.insert(
            HopId(1),
            Some(Hop {
                interface: slot,
                mac,
            }),
        );
        tables
            .image
            .routes
            .insert("0.0.0.0/0".parse().unwrap(), RouteRow::Via(HopId(1)));
        tables
            .image
            .routes
            .insert("2001:db8::/32".parse().unwrap(), RouteRow::OnLink);
        tables.image.local.insert("10.0.0.1".parse().unwrap());
        tables.image.local.insert("2001:db8::1".parse().unwrap());
        tables
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn tables_are_read_back_after_a_restart_and_drift_is_seen() {
        namespace();
        ip("link add name a type veth peer name b");
        let instance = Instance::new();
        let mut plane = open(&instance);
        let (attachment, _) = plane.attach("a", Asked::Auto, Path::Xdp).unwrap();
        let want = tables(attachment.ifindex);
        for op in plan(&plane.read().unwrap(), &want) {
            plane.apply(&op).unwrap();
        }
        assert_eq!(plane.read().unwrap(), want);
        drop(plane);
        let mut plane = open(&instance);
        assert_eq!(plane.read().unwrap(), want);
        let devmap = libbpf_rs::MapHandle::from_pinned_path(plane.pins().join("devmap")).unwrap();
        libbpf_rs::MapCore::delete(&devmap, &3u32.to_ne_bytes()).unwrap();
        let ops = plan(&plane.read().unwrap(), &want);
        let row = want.interfaces[&InterfaceSlot(3)].clone();
        assert_eq!(ops, [Op::PutInterface(InterfaceSlot(3), row)]);
        for op in &ops {
            plane.apply(op).unwrap();
        }
        assert_eq!(plane.read().unwrap(), want);
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn a_publication_waits_and_returns() {
        let instance = Instance::new();
        let mut plane = open(&instance);
        for n in 1..=4u8 {
            let mut image = Image::default();
            image.local.insert(std::net::IpAddr::from([10, 0, 0, n]));
            plane.apply(&Op::Publish(Arc::new(image.clone()))).unwrap();
            assert_eq!(plane.read().unwrap().image, image);
        }
        for _ in 0..2 * lb_plane::sweep::STEPS {
            assert_eq!(plane.sweep_step(), lb_plane::sweep::Swept::default());
        }
    }
}

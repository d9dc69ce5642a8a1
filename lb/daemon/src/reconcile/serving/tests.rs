#![allow(clippy::unwrap_used)]

use super::*;
use crate::reconcile::ladder::RUNGS;
use crate::testing::Boxed;

const SLOT: InterfaceSlot = InterfaceSlot(3);

fn attachment(path: Path, mode: Mode) -> Attachment {
    Attachment {
        name: "eth0".into(),
        ifindex: 2,
        mode,
        path,
        driver: Some("ice".into()),
        rx_queues: 2,
        tx_queues: 2,
        link_id: 1,
        program_id: 1,
    }
}

fn device<'a>(
    name: &'a str,
    slot: u8,
    attachment: Option<&'a Attachment>,
    next: Option<Rung>,
) -> Device<'a> {
    Device {
        name,
        slot: InterfaceSlot(slot),
        ifindex: 2,
        queues: 2,
        driver: attachment.and_then(|one| one.driver.as_deref()),
        attachment,
        next,
    }
}

fn parts(devices: &[Device]) -> Vec<(u8, Part)> {
    let wanted = wanted(devices, &AfXdp::default());
    let part = |(slot, rows): (&InterfaceSlot, &Rows)| (slot.0, rows.wanted.part);
    wanted.iter().map(part).collect()
}

#[test]
fn while_nothing_is_served_nothing_is_wanted() {
    let xdp = attachment(Path::Xdp, Mode::Native);
    assert_eq!(parts(&[device("eth0", 0, Some(&xdp), None)]), []);
}

#[test]
fn beside_a_served_interface_the_others_send() {
    let (xdp, worker) = (
        attachment(Path::Xdp, Mode::Native),
        attachment(Path::AfXdp, Mode::Native),
    );
    let devices = [
        device("eth0", 0, Some(&xdp), None),
        device("eth1", 1, Some(&worker), None),
        device("eth2", 2, None, None),
    ];
    assert_eq!(parts(&devices), [(0, Part::Send), (1, Part::Serve)]);
}

#[test]
fn an_interface_is_served_before_it_goes_onto_af_xdp_and_until_it_is_off() {
    let (xdp, worker) = (
        attachment(Path::Xdp, Mode::Native),
        attachment(Path::AfXdp, Mode::Native),
    );
    let (to_xdp, to_worker) = (Some(RUNGS[0]), Some(RUNGS[1]));
    assert_eq!(
        parts(&[device("eth0", 0, Some(&xdp), to_worker)]),
        [(0, Part::Serve)]
    );
    assert_eq!(
        parts(&[device("eth0", 0, None, to_worker)]),
        [(0, Part::Serve)]
    );
    assert_eq!(
        parts(&[device("eth0", 0, Some(&worker), to_xdp)]),
        [(0, Part::Serve)]
    );
}

#[test]
fn copies_are_spared_where_the_list_says_so_and_never_in_generic_mode() {
    let options = AfXdp {
        zero_copy: vec!["ice".into(), "eth7".into()],
        ..AfXdp::default()
    };
    let is_spared = |name, driver: Option<&str>, mode| {
        let attachment = Attachment {
            driver: driver.map(str::to_owned),
            ..attachment(Path::AfXdp, mode)
        };
        let devices = [device(name, 0, Some(&attachment), None)];
        wanted(&devices, &options)[&InterfaceSlot(0)]
            .wanted
            .zero_copy
    };
    assert!(is_spared("eth0", Some("ice"), Mode::Native));
    assert!(is_spared("eth7", Some("veth"), Mode::Native));
    assert!(!is_spared("eth0", Some("veth"), Mode::Native));
    assert!(!is_spared("eth0", Some("ice"), Mode::Generic));
}

#[test]
fn what_cannot_be_served_says_what_to_do() {
    let options = AfXdp::default();
    assert_eq!(possible(64, &options, None), Ok(()));
    let many = possible(65, &options, None).unwrap_err();
    assert!(many.contains("65") && many.contains("ethtool -L"), "{many}");
    let bytes = options.queue_bytes();
    assert_eq!(possible(2, &options, Some(2 * bytes)), Ok(()));
    let large = possible(2, &options, Some(2 * bytes - 1)).unwrap_err();
    assert!(large.contains("RLIMIT_MEMLOCK"), "{large}");
}

/// Rows of a slot, wanted at the start.
fn serving(plane: &mut Boxed, start: Instant) -> Serving {
    let mut serving = Serving::default();
    let rows = Rows {
        ifindex: 2,
        queues: 2,
        wanted: Wanted::SERVE,
    };
    serving.keep(plane, &[(SLOT, rows)].into(), start);
    serving
}

#[test]
fn an_interface_is_bound_when_all_its_queues_are_and_that_is_no_old_news() {
    let start = Instant::now();
    let mut plane = Boxed::new();
    let serving = serving(&mut plane, start);
    let bound = |plane: &Boxed, after: Duration| {
        serving.bound(Some(SLOT), 2, &plane.queues(), start + after)
    };
    let no_worker = Bound::Waiting("no worker runs".into());
    assert_eq!(bound(&plane, NOTICE), no_worker);
    plane.worker = Some(QueueState::Copies);
    plane.serve();
    assert_eq!(bound(&plane, NOTICE), Bound::All);
    assert!(matches!(
        bound(&plane, NOTICE - Duration::from_millis(1)),
        Bound::Waiting(_)
    ));
    plane.queues.get_mut(&(SLOT, 1)).unwrap().state = QueueState::Idle;
    let one = Bound::Waiting("the worker has bound 1 of 2 queues".into());
    assert_eq!(bound(&plane, NOTICE), one);
    assert!(matches!(
        serving.bound(Some(SLOT), 9, &plane.queues(), start + NOTICE),
        Bound::Waiting(_)
    ));
}

#[test]
fn a_queue_that_is_busy_for_a_moment_has_not_failed() {
    let start = Instant::now();
    let mut plane = Boxed::new();
    let serving = serving(&mut plane, start);
    plane.worker = Some(QueueState::Failed(nix::errno::Errno::EBUSY as u32));
    plane.serve();
    let at = |after| serving.bound(Some(SLOT), 2, &plane.queues(), start + after);
    assert!(matches!(at(NOTICE), Bound::Waiting(_)));
    match at(FAILURE_LASTS) {
        Bound::Failed(why) => assert!(why.contains("another program"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_nobody_wants_any_more_is_let_go_of_also_by_the_next_daemon() {
    let mut plane = Boxed::new();
    serving(&mut plane, Instant::now());
    let mut next = Serving::default();
    assert_eq!(next.is_needed(), None, "nobody knows yet");
    next.keep(&mut plane, &BTreeMap::new(), Instant::now());
    assert_eq!(plane.queues(), []);
    assert_eq!(next.is_needed(), Some(false));
}

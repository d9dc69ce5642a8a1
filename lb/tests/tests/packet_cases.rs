//! `bpf/cases` on both hosts of the core, and on the path of AF_XDP, which takes both.
#![forbid(unsafe_code)]

use lb_tests::case::{self, Case};
use lb_tests::host::{AfXdp, Host, User, Xdp, stand_ins};
use lb_tests::run::{Sent, prefixes, run};

/// Applies a check to every case, and says all that fail.
fn each(check: &mut dyn FnMut(&Case) -> anyhow::Result<()>) {
    let cases = case::all().expect("the cases are well-formed");
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|case| check(case).err())
        .map(|error| format!("{error:#}"))
        .collect();
    let count = failures.len();
    assert!(
        count == 0,
        "{count} of {} cases fail:\n{}",
        cases.len(),
        failures.join("\n\n")
    );
}

#[test]
fn every_case_comes_out_as_written_on_the_user_host() {
    each(&mut |case| run(case, &mut User::default()).map(drop));
}

#[test]
fn every_prefix_of_every_packet_is_survived_on_the_user_host() {
    let mut count = 0;
    each(&mut |case| {
        count += prefixes(case, &mut User::default())?;
        Ok(())
    });
    assert!(count > 1000, "only {count} prefixes");
}

mod root {
    use super::*;

    use lb_bpf::abi;
    use lb_plane::TestRun;
    use lb_plane::attach::Path;

    /// `enum xdp_action`
    const DROP: u32 = 1;
    const PASS: u32 = 2;
    const TX: u32 = 3;
    const REDIRECT: u32 = 4;

    /// A host that can run a case: the one before where it fits, as a load takes its time.
    fn fitting<'a, H: Host>(
        kept: &'a mut Option<H>,
        case: &Case,
        fits: fn(&H, &Case) -> bool,
        make: fn(&Case) -> anyhow::Result<H>,
    ) -> anyhow::Result<&'a mut dyn Host> {
        if !kept.as_ref().is_some_and(|host| fits(host, case)) {
            *kept = None;
            *kept = Some(make(case)?);
        }
        Ok(kept.as_mut().expect("made above"))
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn every_case_comes_out_as_written_on_xdp() {
        let mut kept = None;
        each(&mut |case| run(case, fitting(&mut kept, case, Xdp::fits, Xdp::new)?).map(drop));
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn every_prefix_of_every_packet_is_survived_on_xdp() {
        let mut kept = None;
        each(&mut |case| prefixes(case, fitting(&mut kept, case, Xdp::fits, Xdp::new)?).map(drop));
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn every_case_comes_out_as_written_on_afxdp() {
        let mut kept = None;
        each(&mut |case| run(case, fitting(&mut kept, case, AfXdp::fits, AfXdp::new)?).map(drop));
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn every_prefix_of_every_packet_is_survived_on_afxdp() {
        let mut kept = None;
        each(&mut |case| {
            prefixes(case, fitting(&mut kept, case, AfXdp::fits, AfXdp::new)?).map(drop)
        });
    }

    /// The case of this name, and what is sent in it on the user host.
    fn sent_in(name: &str) -> (Case, Vec<Sent>) {
        let cases = case::all().expect("the cases are well-formed");
        let case = cases.into_iter().find(|case| case.name == name);
        let case = case.expect("a case of this name");
        let sent = run(&case, &mut User::default()).expect("it holds on the user host");
        (case, sent)
    }

    /// What a path's program makes of a frame, and the totals of rx and of a reason afterwards.
    fn ran(host: &Xdp, path: Path, slot: usize, frame: &[u8], reason: &str) -> (TestRun, u64, u64) {
        let ifindex = host.ifindexes[host.world.device_of(slot).expect("a device")];
        let ran = host.plane.test_run(path, frame, ifindex);
        let totals = host.plane.reader().totals();
        let counted = totals.reasons.iter().find(|known| known.name == reason);
        let counted = counted.expect("a reason of this name").count;
        (ran.expect("a test run"), totals.rx, counted)
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn without_a_worker_a_services_packets_are_dropped_and_all_else_passes() {
        let (case, sent) = sent_in("dnat-tcp");
        let mut host = Xdp::new(&case).expect("programs in a namespace");
        host.start(&case).expect("tables");
        let mut frame = sent[0].frame.clone();
        let (to_service, rx, missing) = ran(&host, Path::AfXdp, sent[0].slot, &frame, "no_worker");
        assert_eq!((to_service.action, rx, missing), (DROP, 1, 1));
        // Of the destination.
        let last_byte = 14 + 19;
        frame[last_byte] ^= 0x55;
        let (other, rx, passed) = ran(&host, Path::AfXdp, sent[0].slot, &frame, "not_service");
        assert_eq!((other.action, rx, passed), (PASS, 2, 1));
        assert_eq!(other.frame, frame);
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn user_space_is_asked_about_a_reason_that_is_marked_where_a_worker_is() {
        let (case, sent) = sent_in("ttl");
        let reason = abi::lb_reason::LB_REASON_TTL_EXPIRED;
        let mut host = Xdp::asking(&case, 1 << reason).expect("programs in a namespace");
        host.start(&case).expect("tables");
        let expires = &sent[0];
        let give =
            |host: &Xdp, sent: &Sent| ran(host, Path::Xdp, sent.slot, &sent.frame, "ttl_expired");
        let (answered, rx, counted) = give(&host, expires);
        assert_eq!((answered.action, rx, counted), (TX, 1, 1));
        let sockets = stand_ins(&host).expect("a kernel with AF_XDP");
        let (asked, rx, counted) = give(&host, expires);
        assert_eq!((asked.action, rx, counted), (REDIRECT, 1, 1));
        assert_eq!(asked.frame, expires.frame, "as it came, for the worker");
        // A packet that ends otherwise is forwarded, and changed.
        let lives = sent.last().expect("the case ends with one");
        let (forwarded, rx, _) = give(&host, lives);
        assert_eq!((forwarded.action, rx), (REDIRECT, 2));
        assert_ne!(forwarded.frame, lives.frame);
        drop(sockets);
        let (answered, rx, counted) = give(&host, expires);
        assert_eq!((answered.action, rx, counted), (TX, 3, 2));
    }
}

//! XDP and the user host agree, byte for byte, on packets at random and on all that they remember;
//! and the redirector asks about whatever they do not pass.
#![forbid(unsafe_code)]

mod root {
    use std::collections::BTreeMap;
    use std::sync::atomic::Ordering;

    use lb_bpf::abi;
    use lb_bpf::region::{Region, Regions};
    use lb_bpf::user::{Sifted, UserHost};
    use lb_plane::attach::Path;
    use lb_tests::case::{self, Case};
    use lb_tests::host::{Fate, Host, Outcome, User, Xdp, on_user, stand_ins, user_over};
    use lb_tests::random::{Random, answered, complained, mutate};
    use lb_tests::run::{run, survived};

    const PACKETS: usize = 200_000;
    /// Sent frames that are kept, to be answered, repeated and quoted.
    const POOL: usize = 1024;
    /// What must have become of some packets, lest the agreement be about nothing.
    const REACHED: [&str; 16] = [
        "forwarded",
        "arp_answered",
        "nd_answered",
        "echo_answered",
        "vlan_unknown",
        "vip_no_port",
        "truncated",
        "fragment_unknown",
        "icmp_unrelated",
        "no_backend",
        "backends_full",
        "source_denied",
        "no_flow",
        "ttl_expired",
        "too_big",
        "martian_source",
    ];

    /// Frames of all cases, which live in worlds like that of `everything`: the device, the frame.
    fn seeds(cases: &[Case]) -> Vec<(usize, Vec<u8>)> {
        let mut seeds = Vec::new();
        for case in cases {
            let sent = run(case, &mut User::default()).expect("the cases hold on the user host");
            for sent in sent {
                let device = case.world.device_of(sent.slot).expect("it has one");
                seeds.push((device, sent.frame));
            }
        }
        seeds
    }

    fn copy(from: &Regions, to: &Regions) {
        for region in Region::ALL {
            for index in 0..from.len(region) {
                for (word, value) in from.words(region, index).iter().enumerate() {
                    to.store_u64(region, index, word, value.load(Ordering::Acquire));
                }
            }
        }
    }

    /// What is left in a packet's scratch is nobody's.
    fn first_difference(a: &Regions, b: &Regions) -> Option<String> {
        let kept = Region::ALL
            .into_iter()
            .filter(|region| *region != Region::Scratch);
        for region in kept {
            for index in 0..a.len(region) {
                for word in 0..a.words(region, index).len() {
                    let (x, y) = (
                        a.load_u64(region, index, word),
                        b.load_u64(region, index, word),
                    );
                    if x != y {
                        let name = region.name();
                        return Some(format!(
                            "{name}[{index}] word {word}: {x:016x} and {y:016x}"
                        ));
                    }
                }
            }
        }
        None
    }

    /// What the redirector makes of a frame, in the kernel and in user space alike. Nothing of it
    /// is left, as the forwarder gets the frame, too.
    fn sifted(xdp: &Xdp, user: &mut UserHost, device: usize, frame: &[u8]) -> Sifted {
        let ifindex = xdp.ifindexes[device];
        let regions = xdp.plane.regions();
        let counted: abi::lb_cpu = regions.read(Region::Cpus, 0);
        let ran = xdp.plane.test_run(Path::AfXdp, frame, ifindex);
        let ran = ran.expect("a test run");
        assert_eq!(ran.frame, frame, "the redirector changed it");
        let after: abi::lb_cpu = regions.read(Region::Cpus, 0);
        regions.write(Region::Cpus, 0, &counted);
        let by_user = user.sift(frame, ifindex);
        match (ran.action, by_user) {
            (4, Sifted::Ask) => assert_eq!(after.rx, counted.rx, "counted by who is asked"),
            (2, Sifted::Pass(reason)) => {
                let code = reason.code as usize;
                assert_eq!(after.reason[code], counted.reason[code] + 1, "{reason:?}");
                assert_eq!(after.rx, counted.rx + 1);
            }
            (action, by_user) => panic!("action {action}, and {by_user:?}: {frame:02x?}"),
        }
        by_user
    }

    /// What is not asked passes, for the same reason; what is asked for nothing is counted.
    fn judge(sifted: Sifted, outcome: &Outcome, in_vain: &mut BTreeMap<&str, usize>) {
        match sifted {
            Sifted::Pass(reason) => {
                assert_eq!((outcome.fate, outcome.reason), (Fate::Pass, reason.name));
            }
            Sifted::Ask if outcome.fate == Fate::Pass => {
                *in_vain.entry(outcome.reason).or_default() += 1;
            }
            Sifted::Ask => (),
        }
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn xdp_and_the_user_host_agree_on_200000_random_packets() {
        let cases = case::all().expect("the cases are well-formed");
        let everything = cases
            .iter()
            .find(|case| case.name == "everything")
            .expect("a case");
        let mut xdp = Xdp::new(everything).expect("a program in a namespace");
        xdp.start(everything).expect("tables");
        let memory = Regions::heap(xdp.plane.regions().config());
        copy(xdp.plane.regions(), &memory);
        let mut user = user_over(&memory);
        let (world, ifindexes) = (xdp.world.clone(), xdp.ifindexes.clone());
        let seeds = seeds(&cases);
        let mut random = Random::new(0x10ad_ba1a_ce5e_ed00);
        let mut pool: Vec<(usize, Vec<u8>)> = Vec::new();
        let mut reasons = BTreeMap::<&str, usize>::new();
        let mut in_vain = BTreeMap::<&str, usize>::new();
        let _sockets = stand_ins(&xdp).expect("a kernel with AF_XDP");
        let mut compared = 0;
        while compared < PACKETS {
            let (slot, mut frame) = match random.below(3) {
                0 if !pool.is_empty() => random.pick(&pool).clone(),
                _ => random.pick(&seeds).clone(),
            };
            mutate(&mut frame, &mut random);
            if frame.len() < xdp.shortest() {
                continue;
            }
            let device = world.device_of(slot).expect("it has one");
            let sifted = sifted(&xdp, &mut user, device, &frame);
            let by_xdp = xdp.run(slot, &frame).expect("a test run");
            // The kernel reads its clock once in a while and keeps the tick: user space's is the
            // same then.
            let control: abi::lb_control = xdp.plane.regions().read(Region::Control, 0);
            memory.write(Region::Control, 0, &control);
            user.set_now(Some(u64::from(control.tick) << abi::LB_TICK_SHIFT));
            let by_user = on_user(&mut user, &world, &ifindexes, slot, &frame)
                .unwrap_or_else(|error| panic!("{frame:02x?}: {error:#}"));
            user.set_now(None);
            assert_eq!(
                by_xdp, by_user,
                "packet {compared} from slot {slot}: {frame:02x?}"
            );
            survived(&frame, &by_xdp).unwrap_or_else(|error| panic!("{frame:02x?}: {error:#}"));
            judge(sifted, &by_xdp, &mut in_vain);
            compared += 1;
            *reasons.entry(by_xdp.reason).or_default() += 1;
            if let (Fate::Tx(out), "forwarded") = (by_xdp.fate, by_xdp.reason) {
                let device = world.device_of(out).expect("it has one");
                let back = match random.below(4) {
                    0 => complained(&by_xdp.frame, &mut random).map(|back| (device, back)),
                    1 => Some((slot, frame)),
                    _ => Some((device, answered(&by_xdp.frame))),
                };
                let at = random.below(POOL);
                match (pool.get_mut(at), back) {
                    (Some(place), Some(back)) => *place = back,
                    (None, Some(back)) => pool.push(back),
                    (_, None) => (),
                }
            }
            // What both remember is the same, too. (Whole memory takes a while: not each time.)
            if compared.rem_euclid(PACKETS / 20) == 0 {
                let difference = first_difference(xdp.plane.regions(), &memory);
                assert_eq!(difference, None, "after {compared} packets");
            }
        }
        println!("{reasons:#?}\nasked for, and passed: {in_vain:#?}");
        let known = ["fragment_unknown", "no_backend_pass"];
        let unknown: Vec<&&str> = in_vain
            .keys()
            .filter(|name| !known.contains(name))
            .collect();
        assert!(unknown.is_empty(), "asked for nothing: {in_vain:?}");
        let in_vain: usize = in_vain.values().sum();
        assert!(in_vain < PACKETS / 50, "{in_vain} asked for nothing");
        let few = |reason: &&str| reasons.get(reason).copied().unwrap_or(0) < 100;
        let missing: Vec<&str> = REACHED.into_iter().filter(few).collect();
        assert!(
            missing.is_empty(),
            "hardly any packet was {missing:?}: {reasons:?}"
        );
    }
}

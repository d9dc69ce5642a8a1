//! XDP and the user host agree, byte for byte, on packets at random and on all that they remember.
#![forbid(unsafe_code)]

mod root {
    use lb_bpf::abi;
    use lb_bpf::region::{Region, Regions};
    use lb_bpf::user::{Action, UserHost};
    use lb_tests::case::{self, Case};
    use lb_tests::host::{Fate, Host, Outcome, User, Xdp};
    use lb_tests::random::{Random, mutate};
    use lb_tests::run::{run, survived};

    const PACKETS: usize = 200_000;
    /// Sent frames that are kept, to be answered, repeated and quoted.
    const POOL: usize = 512;

    /// Frames of all cases that live in the same world as `everything`.
    fn seeds(cases: &[Case]) -> Vec<(usize, Vec<u8>)> {
        let mut seeds = Vec::new();
        for case in cases {
            let sent = run(case, &mut User::default()).expect("the cases hold on the user host");
            seeds.extend(sent.into_iter().map(|sent| (sent.slot.min(1), sent.frame)));
        }
        seeds
    }

    fn copy(from: &Regions, to: &Regions) {
        for region in Region::ALL {
            for index in 0..from.len(region) {
                for (word, value) in from.words(region, index).iter().enumerate() {
                    let value = value.load(std::sync::atomic::Ordering::Acquire);
                    to.store_u64(region, index, word, value);
                }
            }
        }
    }

    fn first_difference(a: &Regions, b: &Regions) -> Option<String> {
        for region in Region::ALL {
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

    fn user_outcome(host: &mut UserHost, ifindexes: &[u32], slot: usize, frame: &[u8]) -> Outcome {
        let mut frame = frame.to_vec();
        let verdict = host.forward(&mut frame, ifindexes[slot]);
        let fate = match verdict.action {
            Action::Pass => Fate::Pass,
            Action::Drop => Fate::Drop,
            Action::Tx { .. } => Fate::Tx(slot),
            Action::Redirect { slot } => Fate::Tx(slot as usize),
        };
        Outcome {
            fate,
            reason: verdict.reason.name,
            frame,
        }
    }

    /// A frame that came out goes back in from the other side, its ends swapped.
    fn answered(frame: &[u8]) -> Vec<u8> {
        let mut frame = frame.to_vec();
        if frame.len() >= 38 && frame[14] == 0x45 {
            for (a, b) in [(0, 6), (1, 7), (2, 8), (3, 9), (4, 10), (5, 11)] {
                frame.swap(a, b);
            }
            for (a, b) in [(26, 30), (27, 31), (28, 32), (29, 33), (34, 36), (35, 37)] {
                frame.swap(a, b);
            }
        }
        frame
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
        let mut user = User::over(&memory);
        let ifindexes = xdp.ifindexes.clone();
        let seeds = seeds(&cases);
        let mut random = Random::new(0x10ad_ba1a_ce5e_ed00);
        let mut pool: Vec<(usize, Vec<u8>)> = Vec::new();
        let mut reasons = std::collections::BTreeMap::<&str, usize>::new();
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
            let by_xdp = xdp.run(slot, &frame).expect("a test run");
            // The kernel reads its clock once in a while and keeps the tick: user space's is the
            // same then.
            let control: abi::lb_control = xdp.plane.regions().read(Region::Control, 0);
            memory.write(Region::Control, 0, &control);
            user.set_now(Some(u64::from(control.tick) << 30));
            let by_user = user_outcome(&mut user, &ifindexes, slot, &frame);
            user.set_now(None);
            assert_eq!(
                by_xdp, by_user,
                "packet {compared} from slot {slot}: {frame:02x?}"
            );
            survived(&frame, &by_xdp).unwrap_or_else(|error| panic!("{frame:02x?}: {error:#}"));
            compared += 1;
            *reasons.entry(by_xdp.reason).or_default() += 1;
            if let (Fate::Tx(out), "forwarded") = (by_xdp.fate, by_xdp.reason) {
                let back = (out, answered(&by_xdp.frame));
                let at = random.below(POOL);
                match pool.get_mut(at) {
                    Some(place) => *place = back,
                    None => pool.push(back),
                }
            }
            // What both remember is the same, too. (Whole memory takes a while: not each time.)
            if compared.rem_euclid(PACKETS / 20) == 0 {
                let difference = first_difference(xdp.plane.regions(), &memory);
                assert_eq!(difference, None, "after {compared} packets");
            }
        }
        println!("{reasons:#?}");
        let missing: Vec<&str> = [
            "forwarded",
            "arp_answered",
            "echo_answered",
            "no_flow",
            "ttl_expired",
            "too_big",
        ]
        .into_iter()
        .filter(|reason| reasons.get(reason).copied().unwrap_or(0) < 100)
        .collect();
        assert!(
            missing.is_empty(),
            "hardly any packet was {missing:?}: {reasons:?}"
        );
    }
}

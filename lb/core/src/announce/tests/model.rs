//! Any order of events: what must never happen does not.

use std::collections::BTreeMap;

use super::*;

#[derive(Clone, Debug)]
enum Input {
    Want { vip: usize, bits: u64 },
    Forget { vip: usize },
    Pass { succeeds: bool },
    Heard { vip: usize, what: What },
    Link { slot: u8, attached: bool },
    Mac { slot: u8, last: u8 },
    Listen { devices: BTreeSet<u32> },
    Wait { ms: u64 },
}

const VIPS: [&str; 3] = ["10.0.0.100", "10.0.0.101", "2001:db8::100"];

fn any_input() -> impl Strategy<Value = Input> {
    let vip = 0..VIPS.len();
    let heard = prop_oneof![Just(What::Claims), Just(What::Probes)];
    prop_oneof![
        3 => (vip.clone(), 0..4u64).prop_map(|(vip, bits)| Input::Want { vip, bits }),
        1 => vip.clone().prop_map(|vip| Input::Forget { vip }),
        4 => prop::bool::weighted(0.8).prop_map(|succeeds| Input::Pass { succeeds }),
        1 => (vip, heard).prop_map(|(vip, what)| Input::Heard { vip, what }),
        1 => (0..2u8, any::<bool>()).prop_map(|(slot, attached)| Input::Link { slot, attached }),
        1 => (0..2u8, 100..104u8).prop_map(|(slot, last)| Input::Mac { slot, last }),
        1 => prop::sample::subsequence(vec![10, 11], 0..=2)
            .prop_map(|devices| Input::Listen { devices: devices.into_iter().collect() }),
        6 => (0..3000u64).prop_map(|ms| Input::Wait { ms }),
    ]
}

/// What has been seen of a place since it was not answered the last time.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    probes: u32,
}

struct Model {
    world: World,
    seen: BTreeMap<Place, Seen>,
}

impl Model {
    fn take(&mut self, input: &Input) {
        let world = &mut self.world;
        match input {
            Input::Want { vip, bits } => drop(world.wanted.insert(ip(VIPS[*vip]), *bits)),
            Input::Forget { vip } => drop(world.wanted.remove(&ip(VIPS[*vip]))),
            Input::Pass { succeeds } => self.pass(*succeeds),
            Input::Heard { vip, what } => {
                let vip = VIPS[*vip];
                let place = (ip(vip), ETH0);
                let known = world.announcer.statuses(place.0);
                let is_new = |status: &ClaimStatus| {
                    status.slot == ETH0 && matches!(status.state, State::Probing | State::InUse)
                };
                if known.iter().any(is_new) {
                    self.seen.remove(&place);
                }
                world.heard(vip, *what);
            }
            Input::Link { slot, attached } => {
                let link = world.links.get_mut(&InterfaceSlot(*slot)).unwrap();
                link.attached = *attached;
                // The kernel says so at once, whether or not tables can be written.
                self.pass(false);
            }
            Input::Mac { slot, last } => {
                world.links.get_mut(&InterfaceSlot(*slot)).unwrap().mac = mac(*last);
            }
            Input::Listen { devices } => world.announcer.listening(devices.clone(), world.now),
            Input::Wait { ms: wait } => self.wait(ms(*wait)),
        }
    }

    fn pass(&mut self, succeeds: bool) {
        let before = places(&self.world.committed);
        self.world.pass(succeeds);
        // What is claimed anew is probed for anew.
        let announcer = &self.world.announcer;
        self.seen
            .retain(|(vip, slot), _| announcer.statuses(*vip).iter().any(|one| one.slot == *slot));
        let after = places(&self.world.committed);
        let wanted = places(&self.world.tables());
        if succeeds {
            assert!(after.is_subset(&wanted), "answered where it is not wanted");
        }
        for (vip, slot) in after.difference(&before) {
            let known = self.world.announcer.statuses(*vip);
            let status = known.iter().find(|status| status.slot == *slot).unwrap();
            assert!(matches!(status.state, State::Announced | State::Conflict));
            let seen = self.seen.get(&(*vip, *slot)).copied().unwrap_or_default();
            assert!(
                seen.probes > 0,
                "answered without having been probed for: {vip}"
            );
        }
    }

    fn wait(&mut self, time: Time) {
        let until = self.world.now + time;
        let mut steps = 0;
        while let Some(at) = self.world.announcer.wake_at().filter(|at| *at <= until) {
            self.world.now = at.max(self.world.now);
            for frame in self.world.announcer.step(self.world.now) {
                self.sent(&frame);
            }
            steps += 1;
            assert!(steps < 1000, "it does not come to rest");
        }
        self.world.now = until;
    }

    fn sent(&mut self, frame: &Frame) {
        let slot = InterfaceSlot(u8::try_from(frame.device - 10).unwrap());
        let link = &self.world.links[&slot];
        let (vip, is_probe) = match frame.message {
            Message::ArpProbe(vip) => (vip.into(), true),
            Message::Solicitation(vip) => (vip.into(), true),
            Message::ArpRequest(vip) | Message::ArpReply(vip) => (vip.into(), false),
            Message::Advertisement(vip) => (IpAddr::from(vip), false),
        };
        let place = (vip, slot);
        assert!(link.attached, "sent by a link that is down");
        if is_probe {
            self.seen.entry(place).or_default().probes += 1;
            return;
        }
        assert!(
            places(&self.world.committed).contains(&place),
            "announced while tables do not answer: {frame:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_happens_only_what_was_probed_for_is_answered_and_only_what_is_answered_is_announced(
        inputs in prop::collection::vec(any_input(), 0..200),
    ) {
        let mut model = Model { world: World::new(Probe::Careful), seen: BTreeMap::new() };
        for input in &inputs {
            model.take(input);
        }
    }

    #[test]
    fn in_the_end_what_is_wanted_and_nobodys_is_announced_and_nothing_else(
        inputs in prop::collection::vec(any_input(), 0..60),
    ) {
        let mut model = Model { world: World::new(Probe::Careful), seen: BTreeMap::new() };
        for input in &inputs {
            model.take(input);
        }
        model.take(&Input::Listen { devices: [10, 11].into() });
        // Longer than a refused address is left alone, and than a conflict lasts.
        for _ in 0..60 {
            model.pass(true);
            model.wait(ms(1000));
        }
        model.pass(true);
        let world = &model.world;
        prop_assert_eq!(places(&world.committed), places(&world.tables()));
        for (vip, slot) in places(&world.committed) {
            let known = world.announcer.statuses(vip);
            let status = known.iter().find(|status| status.slot == slot).unwrap();
            prop_assert_eq!(status.state, State::Announced);
        }
    }
}

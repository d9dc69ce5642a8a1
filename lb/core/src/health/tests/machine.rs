//! The machine beside a model that is naive: it keeps everything, and decides from the beginning
//! each time.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::*;

#[derive(Clone, Debug)]
struct Step {
    /// Since the step before.
    after: Duration,
    outcome: Outcome,
}

fn timing(rise: u32, fall: u32) -> Timing {
    Timing::new(None, None, Some(rise.into()), Some(fall.into())).unwrap()
}

fn record(at: Duration, outcome: Outcome) -> ProbeRecord {
    ProbeRecord {
        at,
        took: Duration::from_millis(1),
        outcome,
        phase: Phase::Connect,
        text: format!("{outcome:?} at {at:?}"),
    }
}

/// What is said after all of these, at the time of the last: the verdict, and whether it flaps.
fn model(timing: &Timing, history: &[(Duration, Outcome)]) -> (Verdict, bool) {
    let conclusive: Vec<(Duration, bool)> = history
        .iter()
        .filter(|(_, outcome)| *outcome != Outcome::NotMade)
        .map(|(at, outcome)| (*at, *outcome == Outcome::Passed))
        .collect();
    let mut is_up: Option<bool> = None;
    let mut transitions = Vec::new();
    for (index, (at, _)) in conclusive.iter().enumerate() {
        let so_far = &conclusive[..=index];
        let ends_with = |count: u32, good: bool| {
            let run = so_far
                .iter()
                .rev()
                .take_while(|(_, passed)| *passed == good);
            run.count() >= count as usize
        };
        let before = is_up;
        is_up = match is_up {
            None => Some(so_far[0].1),
            Some(true) if ends_with(timing.fall(), false) => Some(false),
            Some(false) if ends_with(timing.rise(), true) => Some(true),
            same => same,
        };
        if before.is_some() && before != is_up {
            transitions.push(*at);
        }
    }
    let Some((now, _)) = history.last() else {
        return (Verdict::Unknown, false);
    };
    let recent = transitions
        .iter()
        .filter(|at| *now - **at < Duration::from_secs(60));
    let is_flapping = recent.count() > 4;
    let verdict = match is_up {
        _ if is_flapping => Verdict::Down,
        None => Verdict::Unknown,
        Some(true) => Verdict::Up,
        Some(false) => Verdict::Down,
    };
    (verdict, is_flapping)
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        5 => Just(Outcome::Passed),
        5 => Just(Outcome::Failed),
        1 => Just(Outcome::NotMade),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    // Most steps are short, so that a minute has many of them; some end the minute.
    let after = prop_oneof![8 => 0u64..5_000, 1 => 0u64..70_000, 1 => Just(60_000)];
    (after, outcome()).prop_map(|(after, outcome)| Step {
        after: Duration::from_millis(after),
        outcome,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_machine_says_what_the_model_says(
        steps in vec(step(), 0..40),
        (rise, fall) in (1u32..4, 1u32..4),
    ) {
        let timing = timing(rise, fall);
        let mut machine = Machine::default();
        let mut history: Vec<(Duration, Outcome)> = Vec::new();
        let mut now = Duration::ZERO;
        for Step { after, outcome } in steps {
            now += after;
            let before = (machine.verdict(), machine.is_flapping());
            let change = machine.observe(&timing, record(now, outcome));
            history.push((now, outcome));
            let after = (machine.verdict(), machine.is_flapping());
            prop_assert_eq!(after, model(&timing, &history));
            // A change is told if and only if there is one.
            prop_assert_eq!(change.is_some(), before != after);
            if let Some(change) = change {
                prop_assert_eq!((change.from, change.to), (before.0, after.0));
            }
            let kept: Vec<(Duration, Outcome)> =
                machine.probes().map(|probe| (probe.at, probe.outcome)).collect();
            prop_assert_eq!(&kept, &history[history.len().saturating_sub(PROBES_KEPT)..]);
        }
    }
}

/// A machine that got these answers a second apart, `+` good, `-` bad, `.` not made.
fn after(answers: &str, rise: u32, fall: u32) -> Machine {
    let mut machine = Machine::default();
    for (second, answer) in (0..).zip(answers.chars()) {
        let outcome = match answer {
            '+' => Outcome::Passed,
            '-' => Outcome::Failed,
            _ => Outcome::NotMade,
        };
        machine.observe(
            &timing(rise, fall),
            record(Duration::from_secs(second), outcome),
        );
    }
    machine
}

#[test]
fn rise_and_fall_count_answers_in_a_row() {
    for (answers, verdict) in [
        ("", Verdict::Unknown),
        ("...", Verdict::Unknown),
        ("+", Verdict::Up),
        ("-", Verdict::Down),
        ("+--", Verdict::Up),
        ("+---", Verdict::Down),
        ("+--+--", Verdict::Up),
        ("+--.-", Verdict::Down),
        ("-+", Verdict::Down),
        ("-++", Verdict::Up),
        ("-+-+-+", Verdict::Down),
        ("-+.+", Verdict::Up),
    ] {
        assert_eq!(after(answers, 2, 3).verdict(), verdict, "{answers}");
    }
}

#[test]
fn what_changes_five_times_a_minute_is_held_down_until_it_is_steady() {
    let steady = after("+-+-+", 1, 1);
    assert_eq!(
        (steady.verdict(), steady.is_flapping()),
        (Verdict::Up, false)
    );
    let mut machine = after("+-+-+-+", 1, 1);
    assert!(machine.is_flapping());
    assert_eq!(machine.verdict(), Verdict::Down);
    // Transitions were in the seconds 1 to 6: the one of second 2 has to be a minute old.
    let good = |second| record(Duration::from_secs(second), Outcome::Passed);
    assert_eq!(machine.observe(&timing(1, 1), good(61)), None);
    let change = machine.observe(&timing(1, 1), good(62)).unwrap();
    assert_eq!(change.flapping, Some(false));
    assert_eq!((change.from, change.to), (Verdict::Down, Verdict::Up));
}

#[test]
fn a_changed_check_goes_on_from_what_is_known() {
    let machine = after("+--", 2, 3).under_another_check();
    assert_eq!(machine.verdict(), Verdict::Up);
    assert_eq!(machine.probes().count(), 3);
    let mut machine = machine;
    let bad = |second| record(Duration::from_secs(second), Outcome::Failed);
    assert_eq!(
        machine.observe(&timing(2, 3), bad(9)),
        None,
        "the count began again"
    );
}

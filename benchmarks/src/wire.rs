//! Packets a second: scenarios, contestants, interleaved rounds.

mod conntrack;

use std::time::Instant;

use anyhow::Context;

use crate::contestant::{Contestant, Sample};
use crate::injector::{CHUNK, CHUNKS_MAX};
use crate::kind::Kind;
use crate::plan::{CAPACITY, Plan, Scenario, Traffic};
use crate::report::{Report, Row};
use conntrack::Conntrack;

/// Chunks that are sent to see how many a round takes.
const TRIAL_CHUNKS: u64 = 7;

pub fn run(plan: &Plan) -> anyhow::Result<()> {
    let wants_conntrack = plan.contestants.contains(&Kind::Nft);
    let _conntrack = wants_conntrack
        .then(|| Conntrack::widen(plan.conntrack_buckets))
        .transpose()?;
    let started = Instant::now();
    let mut report = Report::new(conntrack::buckets());
    for scenario in &plan.scenarios {
        let rows = measure(plan, scenario)?;
        report.add(rows);
        report.print_last();
    }
    eprintln!("{:.0} s", started.elapsed().as_secs_f64());
    report.finish(plan)
}

fn measure(plan: &Plan, scenario: &Scenario) -> anyhow::Result<Vec<Row>> {
    let mut entrants = build(plan, scenario)?;
    for round in 0..plan.rounds {
        eprint!(
            "\r{}: round {}/{}    ",
            scenario.name,
            round + 1,
            plan.rounds
        );
        // Each round begins with another one, so that nobody always follows the same.
        for turn in 0..entrants.len() {
            let number = (round + turn) % entrants.len();
            let Entrant {
                contestant,
                chunks,
                samples,
            } = &mut entrants[number];
            samples.push(contestant.measure(*chunks)?);
        }
    }
    eprintln!();
    let row = |entrant: &Entrant| Row::new(scenario, &entrant.contestant, &entrant.samples);
    Ok(entrants.iter().map(row).collect())
}

struct Entrant {
    contestant: Contestant,
    /// How many a round takes.
    chunks: u64,
    samples: Vec<Sample>,
}

fn build(plan: &Plan, scenario: &Scenario) -> anyhow::Result<Vec<Entrant>> {
    let mut entrants = Vec::new();
    for &kind in &plan.contestants {
        eprint!("\r{}: preparing {:12}", scenario.name, kind.name());
        let mut contestant = Contestant::new(kind, scenario.traffic)
            .with_context(|| format!("contestant {}", kind.name()))?;
        let trial = room_for(plan, scenario).min(TRIAL_CHUNKS);
        let packets = contestant.measure(trial)?.mpps * 1e6 * plan.seconds;
        let chunks = (packets as u64 / CHUNK).clamp(TRIAL_CHUNKS, CHUNKS_MAX);
        entrants.push(Entrant {
            contestant,
            chunks: chunks.min(room_for(plan, scenario)),
            samples: Vec::new(),
        });
    }
    Ok(entrants)
}

/// How many chunks a run may have, so that where there is to be room in tables, half of it is left.
fn room_for(plan: &Plan, scenario: &Scenario) -> u64 {
    match scenario.traffic {
        Traffic::NewRoom => {
            let runs = plan.rounds as u64 + 1;
            (u64::from(CAPACITY) / 2 / runs / CHUNK)
                .saturating_sub(1)
                .max(1)
        }
        Traffic::Established(_) | Traffic::NewFull => CHUNKS_MAX,
    }
}

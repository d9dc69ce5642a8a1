//! Packets a second: scenarios, contestants, interleaved rounds.

mod conntrack;

use std::time::Instant;

use anyhow::Context;

use crate::contestant::{Contestant, Sample};
use crate::kind::Kind;
use crate::plan::{Plan, Scenario};
use crate::report::{Report, Row};
use conntrack::Conntrack;

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
    let mut contestants = build(plan, scenario)?;
    let mut samples: Vec<Vec<Sample>> = vec![Vec::new(); contestants.len()];
    for round in 0..plan.rounds {
        eprint!("\r{}: round {}/{} ", scenario.name, round + 1, plan.rounds);
        // Each round begins with another one, so that nobody always follows the same.
        for turn in 0..contestants.len() {
            let number = (round + turn) % contestants.len();
            let estimate = samples[number].last().map(|sample| sample.mpps);
            let sample = contestants[number].measure(plan.seconds, estimate)?;
            samples[number].push(sample);
        }
    }
    eprintln!();
    let rows = contestants.iter().zip(samples);
    Ok(rows
        .map(|(contestant, samples)| Row::new(scenario, contestant.kind, &samples))
        .collect())
}

fn build(plan: &Plan, scenario: &Scenario) -> anyhow::Result<Vec<Contestant>> {
    let mut contestants = Vec::new();
    for &kind in &plan.contestants {
        eprint!("\r{}: preparing {:12}", scenario.name, kind.name());
        let mut contestant = Contestant::new(kind, scenario.traffic)
            .with_context(|| format!("contestant {}", kind.name()))?;
        // Says how many packets a round takes.
        contestant.measure(plan.seconds.min(0.1), None)?;
        contestants.push(contestant);
    }
    Ok(contestants)
}

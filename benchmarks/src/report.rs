//! Rows, their ratios and targets; a table for people and JSON for programs.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;

use crate::contestant::{Contestant, Sample};
use crate::frame::FRAME_BYTES;
use crate::kind::Kind;
use crate::machine::Machine;
use crate::median::{median, median_ratio};
use crate::plan::{CAPACITY, Plan, Scenario, Traffic};

#[derive(Serialize, Clone)]
pub struct Row {
    pub scenario: String,
    pub contestant: &'static str,
    /// None: each packet is a flow's first.
    pub flows: Option<u64>,
    pub bytes: usize,
    pub median_mpps: f64,
    /// The median of ratios within a round.
    pub ratio_to_limit: Option<f64>,
    /// Of the packets sent, how many arrived: the worst round.
    pub delivered: f64,
    pub rounds: Vec<f64>,
    /// What ours counted, warming included.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub counters: BTreeMap<&'static str, u64>,
}

impl Row {
    pub fn new(scenario: &Scenario, contestant: &Contestant, samples: &[Sample]) -> Row {
        let rounds: Vec<f64> = samples.iter().map(|sample| sample.mpps).collect();
        Row {
            scenario: scenario.name.clone(),
            contestant: contestant.kind.name(),
            flows: match scenario.traffic {
                Traffic::Established(flows) => Some(flows),
                Traffic::NewFull | Traffic::NewRoom => None,
            },
            bytes: FRAME_BYTES,
            median_mpps: median(&rounds),
            ratio_to_limit: None,
            delivered: samples
                .iter()
                .map(|sample| sample.delivered)
                .fold(f64::INFINITY, f64::min),
            rounds,
            counters: contestant.counters(),
        }
    }
}

#[derive(Serialize)]
struct Document<'a> {
    machine: Machine,
    rows: &'a [Row],
}

/// A figure to reach: a contestant's median ratio to another.
struct Target {
    scenario: &'static str,
    ours: Kind,
    to: Kind,
    least: f64,
}

const fn target(scenario: &'static str, ours: Kind, to: Kind, least: f64) -> Target {
    Target {
        scenario,
        ours,
        to,
        least,
    }
}

const FEW: &str = "1k flows";
const MANY: &str = "1M flows";
const FULL: &str = "new flows, table full";
const ROOM: &str = "new flows, table with room";

const TARGETS: [Target; 15] = [
    target(FEW, Kind::Dnat, Kind::Limit, 0.75),
    target(MANY, Kind::Dnat, Kind::Limit, 0.32),
    target(FULL, Kind::Dnat, Kind::Limit, 0.18),
    target(ROOM, Kind::Dnat, Kind::Limit, 0.18),
    target(FEW, Kind::Dnat, Kind::Nft, 5.5),
    target(MANY, Kind::Dnat, Kind::Nft, 6.0),
    target(FULL, Kind::Dnat, Kind::Nft, 3.5),
    target(ROOM, Kind::Dnat, Kind::Nft, 3.5),
    target(MANY, Kind::Dnat, Kind::ColdChain, 0.85),
    target(FEW, Kind::Dnat6, Kind::Dnat, 0.85),
    target(MANY, Kind::Dnat6, Kind::Dnat, 0.85),
    target(FEW, Kind::Dsr, Kind::Limit, 0.80),
    target(FEW, Kind::Ipip, Kind::Limit, 0.70),
    target(FEW, Kind::Ipip, Kind::LruIpip, 1.05),
    target(MANY, Kind::Ipip, Kind::LruIpip, 1.4),
];
/// As good as all packets.
const ALL: f64 = 0.999;

pub struct Report {
    rows: Vec<Row>,
    last: usize,
    conntrack_buckets: String,
}

impl Report {
    pub fn new(conntrack_buckets: String) -> Report {
        Report {
            rows: Vec::new(),
            last: 0,
            conntrack_buckets,
        }
    }

    /// Adds a scenario's rows, and their ratios.
    pub fn add(&mut self, mut rows: Vec<Row>) {
        let limit = rows
            .iter()
            .find(|row| row.contestant == Kind::Limit.name())
            .map(|row| row.rounds.clone());
        for row in &mut rows {
            row.ratio_to_limit = limit
                .as_deref()
                .map(|limit| median_ratio(&row.rounds, limit));
        }
        self.last = self.rows.len();
        self.rows.extend(rows);
    }

    pub fn print_last(&self) {
        print!("{}", table(&self.rows[self.last..]));
    }

    /// Prints what was to be reached, and writes the results where they are to be kept.
    pub fn finish(&self, plan: &Plan) -> anyhow::Result<()> {
        let machine = Machine::describe();
        let targets = self.targets();
        println!("{targets}");
        let Some(directory) = plan.results(&machine) else {
            return Ok(());
        };
        fs::create_dir_all(&directory)
            .with_context(|| format!("making {}", directory.display()))?;
        let text = self.markdown(&machine, plan);
        write(&directory.join("wire.md"), &text)?;
        let json = serde_json::to_string_pretty(&Document {
            machine,
            rows: &self.rows,
        })
        .context("writing JSON")?;
        write(&directory.join("wire.json"), &(json + "\n"))
    }

    fn targets(&self) -> String {
        let mut text = String::new();
        for target in &TARGETS {
            let find = |kind: Kind| {
                self.rows
                    .iter()
                    .find(|row| row.scenario == target.scenario && row.contestant == kind.name())
            };
            let (Some(ours), Some(other)) = (find(target.ours), find(target.to)) else {
                continue;
            };
            let ratio = median_ratio(&ours.rounds, &other.rounds);
            let verdict = if ratio >= target.least {
                "reached"
            } else {
                "NOT reached"
            };
            let _infallible = writeln!(
                text,
                "- {}: {} / {} = {ratio:.3}, to reach {:.2}: {verdict}",
                target.scenario,
                target.ours.name(),
                target.to.name(),
                target.least
            );
        }
        text
    }

    fn markdown(&self, machine: &Machine, plan: &Plan) -> String {
        let contestants: String = plan
            .contestants
            .iter()
            .map(|kind| format!("- `{}`: {}\n", kind.name(), kind.meaning()))
            .collect();
        format!(
            "# Packets a second\n\n{machine}\n\n\
             UDP frames of {FRAME_BYTES} bytes (as they arrive: tunnels add to them), as live frames (BPF_PROG_TEST_RUN) that arrive on the client-side veth of \
             the balancer's namespace; what arrives at the far side of the backend-side veth counts. Everything runs on one \
             core. {rounds} rounds, interleaved; a ratio is the median of the ratios within a round. Established flows have \
             seen a reply each (with direct return: packets enough to be confirmed), and come in another order than when they were established. New flows are unanswered, \
             and meet a table of {CAPACITY} connections that is full of such, or one that is empty at first and never more \
             than about half full. That of nft always has room ({buckets} buckets). 1k is 1024, and so on.\n\n\
             {contestants}\n{table}\n{targets}",
            machine = machine.line(),
            rounds = plan.rounds,
            buckets = self.conntrack_buckets,
            table = table(&self.rows),
            targets = self.targets(),
        )
    }
}

fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| scenario | contestant | Mpps (median) | of the limit | least to most | arrived |\n|---|---|---:|---:|---:|---:|\n",
    );
    for row in rows {
        let ratio = row
            .ratio_to_limit
            .map_or("-".into(), |ratio| format!("{ratio:.3}"));
        let least = row.rounds.iter().copied().fold(f64::INFINITY, f64::min);
        let most = row.rounds.iter().copied().fold(0.0, f64::max);
        let _infallible = writeln!(
            text,
            "| {} | {} | {:.3} | {ratio} | {least:.3} to {most:.3} | {:.2} % |",
            row.scenario,
            row.contestant,
            row.median_mpps,
            row.delivered * 100.0
        );
    }
    for row in rows
        .iter()
        .filter(|row| row.delivered < ALL && !row.counters.is_empty())
    {
        let _infallible = writeln!(
            text,
            "\n{}, {}, counted: {:?}",
            row.scenario, row.contestant, row.counters
        );
    }
    text
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}

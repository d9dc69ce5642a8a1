//! What is measured, and for how long.

use std::path::PathBuf;

use anyhow::{Context, ensure};

use crate::Options;
use crate::kind::Kind;
use crate::machine::Machine;

/// Connections that each contestant's table has room for.
pub const CAPACITY: u32 = 1 << 21;

/// What the packets of a run have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    pub name: String,
    pub traffic: Traffic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// This many flows, a power of two, each of which has seen a reply.
    Established(u64),
    /// Each packet starts a flow; the table is full of unanswered ones.
    NewFull,
    /// Each packet starts a flow; the table was empty at first, and half of it stays so.
    NewRoom,
}

impl Traffic {
    /// Flows that packets rotate through.
    pub fn flows(self) -> u64 {
        match self {
            Traffic::Established(flows) => flows,
            Traffic::NewFull | Traffic::NewRoom => 1 << 32,
        }
    }
}

pub struct Plan {
    pub contestants: Vec<Kind>,
    pub scenarios: Vec<Scenario>,
    pub rounds: usize,
    pub seconds: f64,
    pub core: usize,
    pub conntrack_buckets: Option<u64>,
    output: Option<PathBuf>,
    /// Nothing was left out: the results are worth keeping.
    complete: bool,
}

impl Plan {
    pub fn new(options: &Options) -> anyhow::Result<Plan> {
        let contestants = if options.only.is_empty() {
            Kind::FORWARDERS.to_vec()
        } else {
            options
                .only
                .iter()
                .map(|name| Kind::parse(name))
                .collect::<Result<_, _>>()?
        };
        let flows: Vec<&str> = if options.flows.is_empty() {
            match options.quick {
                true => vec!["1k", "1M", "room"],
                false => vec!["1k", "64k", "1M", "new", "room"],
            }
        } else {
            options.flows.iter().map(String::as_str).collect()
        };
        let scenarios = flows.into_iter().map(scenario).collect::<Result<_, _>>()?;
        let (rounds, seconds) = if options.quick { (3, 0.1) } else { (9, 0.4) };
        let rounds = options.rounds.unwrap_or(rounds);
        ensure!((1..=100).contains(&rounds), "--rounds {rounds}: 1 to 100");
        let seconds = options.seconds.unwrap_or(seconds);
        ensure!(
            (0.01..=4.0).contains(&seconds),
            "--seconds {seconds}: 0.01 to 4"
        );
        Ok(Plan {
            contestants,
            scenarios,
            rounds,
            seconds,
            core: options.core,
            conntrack_buckets: options.conntrack_buckets,
            output: options.output.clone(),
            complete: options.only.is_empty()
                && options.flows.is_empty()
                && options.conntrack_buckets.is_none()
                && !options.quick
                && rounds >= 7,
        })
    }
}

impl Plan {
    /// Where results are kept, if they are.
    pub fn results(&self, machine: &Machine) -> Option<PathBuf> {
        let results = || {
            PathBuf::from(env!("CARGO_MANIFEST_DIR"))
                .join("results")
                .join(&machine.date)
        };
        self.output.clone().or_else(|| self.complete.then(results))
    }
}

fn scenario(text: &str) -> anyhow::Result<Scenario> {
    let named = |name: &str, traffic| {
        Ok(Scenario {
            name: name.into(),
            traffic,
        })
    };
    match text {
        "new" => return named("new flows, table full", Traffic::NewFull),
        "room" => return named("new flows, table with room", Traffic::NewRoom),
        _ => {}
    }
    let (number, unit) = match text.strip_suffix(['k', 'M']) {
        Some(number) if text.ends_with('k') => (number, 1 << 10),
        Some(number) => (number, 1 << 20),
        None => (text, 1),
    };
    let flows: u64 = number
        .parse()
        .with_context(|| format!("--flows {text}: a number, `new` or `room`"))?;
    // 1000 is taken for 1k.
    let flows = (flows.clamp(1, 1 << 20) * unit).next_power_of_two();
    ensure!(flows <= 1 << 20, "--flows {text}: at most 1M");
    Ok(Scenario {
        name: format!("{text} flows"),
        traffic: Traffic::Established(flows),
    })
}

pub fn require_root() -> anyhow::Result<()> {
    ensure!(
        nix::unistd::Uid::effective().is_root(),
        "benchmarks make network namespaces and load BPF programs: run them as root (`make bench` asks for it)"
    );
    Ok(())
}

//! Nanoseconds a packet, of programs alone: no frame is received or sent.
//!
//! Each case runs the same driver, which tail-calls the case's program, so that the difference
//! to a program that does nothing is what a case costs. (An established packet's figure ends at
//! the decision to redirect: sending is in `wire`. So is `ipip`: without live frames nobody takes
//! the outer header off again.)

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;

use crate::contestant::Contestant;
use crate::kind::Kind;
use crate::machine::Machine;
use crate::median::median;
use crate::plan::{Plan, Traffic};

const CHUNKS: u64 = 31;
const OF_NO_SERVICE: &str = "for no service";
/// What a packet for no service may cost more than an empty program, ns.
const OF_NO_SERVICE_MOST: f64 = 25.0;

struct Case {
    name: &'static str,
    kind: Kind,
    packets: Packets,
}

enum Packets {
    Service(Traffic),
    NoService,
}

const fn case(name: &'static str, kind: Kind, traffic: Traffic) -> Case {
    Case {
        name,
        kind,
        packets: Packets::Service(traffic),
    }
}

const FEW: Traffic = Traffic::Established(1 << 10);
const MANY: Traffic = Traffic::Established(1 << 20);

const EMPTY: Case = case("empty program", Kind::Empty, FEW);
const CASES: [Case; 16] = [
    case("limit", Kind::Limit, FEW),
    Case {
        name: OF_NO_SERVICE,
        kind: Kind::Dnat,
        packets: Packets::NoService,
    },
    case("dnat, 1k flows", Kind::Dnat, FEW),
    case("dnat, 1M flows", Kind::Dnat, MANY),
    case("dnat, new flows", Kind::Dnat, Traffic::NewFull),
    case("dnat of IPv6, 1k flows", Kind::Dnat6, FEW),
    case("dnat of IPv6, 1M flows", Kind::Dnat6, MANY),
    case("fullnat, 1k flows", Kind::Fullnat, FEW),
    case("fullnat, 1M flows", Kind::Fullnat, MANY),
    case("fullnat, new flows", Kind::Fullnat, Traffic::NewFull),
    case("dsr, 1k flows", Kind::Dsr, FEW),
    case("dsr, 1M flows", Kind::Dsr, MANY),
    case("cold lines, 1M flows", Kind::ColdChain, MANY),
    case("LRU_HASH, 1k flows", Kind::Lru, FEW),
    case("LRU_HASH, 1M flows", Kind::Lru, MANY),
    case("LRU_HASH, new flows", Kind::Lru, Traffic::NewFull),
];

#[derive(Serialize)]
struct Row {
    case: &'static str,
    /// More than the empty program, the median of differences within a round.
    net_ns: f64,
    median_ns: f64,
    rounds: Vec<f64>,
}

#[derive(Serialize)]
struct Document {
    machine: Machine,
    rows: Vec<Row>,
}

pub fn run(plan: &Plan) -> anyhow::Result<()> {
    let mut empty = build(&EMPTY)?;
    let mut rows = Vec::new();
    for case in CASES
        .iter()
        .filter(|case| plan.contestants.contains(&case.kind))
    {
        eprint!("\rns a packet: {:24}", case.name);
        rows.push(measure(plan, case, &mut empty)?);
    }
    eprintln!();
    let table = table(&rows);
    println!("{table}");
    if let Some(directory) = plan.results(&Machine::describe()) {
        keep(&directory, &table, rows)?;
    }
    Ok(())
}

/// Each case stands beside the empty program, round by round.
fn measure(plan: &Plan, case: &Case, empty: &mut Contestant) -> anyhow::Result<Row> {
    let mut contestant = build(case)?;
    let (mut rounds, mut net) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        let floor = empty.measure_program(CHUNKS)?;
        let nanoseconds = contestant.measure_program(CHUNKS)?;
        rounds.push(nanoseconds);
        net.push(nanoseconds - floor);
    }
    Ok(Row {
        case: case.name,
        net_ns: median(&net),
        median_ns: median(&rounds),
        rounds,
    })
}

fn build(case: &Case) -> anyhow::Result<Contestant> {
    let contestant = match case.packets {
        Packets::Service(traffic) => Contestant::new(case.kind, traffic),
        Packets::NoService => Contestant::of_no_service(case.kind, FEW.flows()),
    };
    contestant.with_context(|| format!("case {}", case.name))
}

fn table(rows: &[Row]) -> String {
    let mut text =
        String::from("| packet | ns more than an empty program | ns |\n|---|---:|---:|\n");
    for row in rows {
        let _infallible = writeln!(
            text,
            "| {} | {:.1} | {:.1} |",
            row.case, row.net_ns, row.median_ns
        );
    }
    if let Some(row) = rows.iter().find(|row| row.case == OF_NO_SERVICE) {
        let verdict = if row.net_ns <= OF_NO_SERVICE_MOST {
            "reached"
        } else {
            "NOT reached"
        };
        let _infallible = writeln!(
            text,
            "\n- {OF_NO_SERVICE}: {:.1} ns more than an empty program, to reach {OF_NO_SERVICE_MOST:.0} at most: {verdict}",
            row.net_ns
        );
    }
    text
}

fn keep(directory: &Path, table: &str, rows: Vec<Row>) -> anyhow::Result<()> {
    let machine = Machine::describe();
    let text = format!(
        "# Nanoseconds a packet\n\n{}\n\nBPF_PROG_TEST_RUN without live frames: a driver program writes the next flow's headers and \
         tail-calls the case's program; the clock is read every 16384 packets. Medians; the empty program is measured \
         beside each case, round by round.\n\n{table}",
        machine.line()
    );
    fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
    fs::write(directory.join("packet.md"), text).context("writing packet.md")?;
    let json = serde_json::to_string_pretty(&Document { machine, rows }).context("writing JSON")?;
    fs::write(directory.join("packet.json"), json + "\n").context("writing packet.json")
}

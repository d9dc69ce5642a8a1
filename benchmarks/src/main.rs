//! Benchmarks of loxid: packets a second beside other forwarders (`wire`), nanoseconds a packet
//! (`packet`), and the cost of health checks (`health`). Without a command both run (`wire` alone if quick).
#![forbid(unsafe_code)]

mod contestant;
mod frame;
mod health;
mod injector;
mod kind;
mod loxid;
mod machine;
mod median;
mod nft;
mod object;
mod packet;
mod plan;
mod reference;
mod report;
mod sink;
mod topology;
mod user_space;
mod wire;

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Benchmarks of loxid. Needs root; all traffic stays in network namespaces of its own.
#[derive(Parser)]
#[command(name = "lb-benchmarks")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
}

#[derive(Subcommand)]
enum Command {
    /// Packets a second, beside other forwarders, in interleaved rounds.
    Wire,
    /// Nanoseconds a packet, of programs alone.
    Packet,
    /// The paths that an interface may be on, over real links: AF_XDP beside the limit of that
    /// path, XDP in both modes, and the kernel.
    Paths,
    /// What health checks cost, and how late they are.
    Health(health::Options),
}

#[derive(Args, Clone)]
pub struct Options {
    /// Contestants, by name; all unless given.
    #[arg(long, value_delimiter = ',', global = true)]
    only: Vec<String>,
    /// Numbers of established flows (powers of two, or 1k, 64k, 1M); `new`: each packet's
    /// flow is new, and the table is full; `room`: the same with room in the table.
    #[arg(long, value_delimiter = ',', global = true)]
    flows: Vec<String>,
    /// Interleaved rounds.
    #[arg(long, global = true)]
    rounds: Option<usize>,
    /// About how long one contestant is measured in one round.
    #[arg(long, global = true)]
    seconds: Option<f64>,
    /// Three short rounds of three scenarios: ratios are rough.
    #[arg(long, env = "QUICK", global = true, value_parser = clap::builder::FalseyValueParser::new())]
    quick: bool,
    /// The core that everything runs on.
    #[arg(long, default_value_t = 1, global = true)]
    core: usize,
    /// Lines of nft's connection table, of the whole machine while it runs; the kernel's choice
    /// unless given.
    #[arg(long, global = true)]
    conntrack_buckets: Option<u64>,
    /// Where the table and the rows go; unless given, a complete run writes benchmarks/results/DATE.
    #[arg(long, global = true)]
    output: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    plan::require_root()?;
    let measure = match arguments.command {
        // Its processes find cores as they would.
        Some(Command::Health(options)) => return health::run(&options),
        Some(Command::Wire) => wire::run,
        Some(Command::Packet) => packet::run,
        Some(Command::Paths) => user_space::run,
        None if arguments.options.quick => wire::run,
        None => all,
    };
    let plan = plan::Plan::new(&arguments.options)?;
    loxid::hide_mounts()?;
    machine::pin_to(plan.core)?;
    measure(&plan)
}

fn all(plan: &plan::Plan) -> anyhow::Result<()> {
    wire::run(plan)?;
    packet::run(plan)?;
    user_space::run(plan)
}

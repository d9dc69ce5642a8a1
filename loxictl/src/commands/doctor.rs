//! `loxictl doctor`: what is wrong with the box, and what to do about each of it.
//!
//! ```text
//!   gather    reads files, runs ethtool and timedatectl, asks loxid: decides nothing
//!   findings  facts in, findings out: reads nothing
//! ```

use clap::Args;
use serde_json::{Value, json};

use crate::failure::{Failure, Result};
use crate::output::Format;
use crate::session::Session;
use crate::table::{Cell, Column, Table, Tone, column};

pub mod facts;
mod findings;
mod gather;
mod parse;
#[cfg(test)]
mod tests;

use findings::{Finding, Verdict};

/// Look for what is wrong with the box, and say what to do about it
#[derive(Args, Debug)]
#[command(after_help = "\
Looks at the kernel, loxid's capabilities, interfaces with their driver, queues, offloads and
MTU, the bpffs, limits, the clock, tables, drops and VIPs. Changes nothing, unless --probe is
given: then every TCP service is tried as `loxictl test` does it, which needs root. Exit code 1
if anything is a problem.

Examples:
  loxictl doctor
  loxictl doctor --all                       also what is as it should be
  loxictl doctor --probe                     are VIPs really answered?
  loxictl doctor -o json")]
pub struct Doctor {
    /// Also what is as it should be
    #[arg(short, long)]
    all: bool,

    /// Make a real connection to every TCP service (to 16 of them at most)
    #[arg(long)]
    probe: bool,
}

impl Doctor {
    pub async fn run(self, session: &Session) -> Result<()> {
        let facts = gather::facts(session, self.probe).await?;
        let found = findings::of(&facts);
        let shown: Vec<&Finding> = found
            .iter()
            .filter(|finding| self.all || finding.verdict != Verdict::Good)
            .collect();
        match session.output.format {
            Format::Json | Format::Yaml => {
                let values: Vec<Value> = shown.iter().map(|finding| value(finding)).collect();
                session.output.value(&values)?;
            }
            Format::Name => {
                let names = shown.iter().map(|finding| format!("{}\n", finding.about));
                session.output.text(&names.collect::<String>())?;
            }
            Format::Table | Format::Wide => {
                session.output.text(&page(&shown, session.output.colour))?;
                eprintln!("{}", summary(&found));
            }
        }
        let problems = count(&found, Verdict::Problem);
        match problems {
            0 => Ok(()),
            1 => Err(Failure::runtime("1 problem was found")),
            more => Err(Failure::runtime(format!("{more} problems were found"))),
        }
    }
}

/// The same as text, for the support archive.
pub async fn report(session: &Session) -> Result<String> {
    let found = findings::of(&gather::facts(session, false).await?);
    let all: Vec<&Finding> = found.iter().collect();
    Ok(format!("{}\n{}\n", page(&all, false), summary(&found)))
}

const COLUMNS: &[Column] = &[column("ABOUT"), column("VERDICT"), column("FINDING")];

/// A line for each finding, and what to do under those that have something.
fn page(found: &[&Finding], colour: bool) -> String {
    if found.is_empty() {
        return String::new();
    }
    let tone = |verdict| match verdict {
        Verdict::Good => Tone::Good,
        Verdict::Unknown => Tone::Plain,
        Verdict::Warning => Tone::Warning,
        Verdict::Problem => Tone::Bad,
    };
    let row = |finding: &&Finding| {
        vec![
            Cell::from(&finding.about),
            Cell::toned(finding.verdict.as_str(), tone(finding.verdict)),
            Cell::from(&finding.text),
        ]
    };
    let mut text = Table::new(COLUMNS, false, colour).block(found.iter().map(row));
    let with_fix = found.iter().filter(|finding| !finding.fix.is_empty());
    let fixes: String = with_fix
        .map(|finding| format!("  {}: {}\n", finding.about, finding.fix))
        .collect();
    if !fixes.is_empty() {
        text += &format!("\nWhat to do:\n{fixes}");
    }
    text
}

fn count(found: &[Finding], verdict: Verdict) -> usize {
    found
        .iter()
        .filter(|finding| finding.verdict == verdict)
        .count()
}

fn summary(found: &[Finding]) -> String {
    format!(
        "{} checks: {} good, {} unknown, {} warnings, {} problems",
        found.len(),
        count(found, Verdict::Good),
        count(found, Verdict::Unknown),
        count(found, Verdict::Warning),
        count(found, Verdict::Problem)
    )
}

fn value(finding: &Finding) -> Value {
    json!({
        "about": finding.about,
        "verdict": finding.verdict.as_str(),
        "finding": finding.text,
        "fix": finding.fix,
    })
}

//! `loxictl drops`: which packets are not forwarded, why, and what to do about it.

use clap::Args;
use lb_api::wire::{DataPlane, ReasonCount};
use serde_json::json;

use crate::failure::Result;
use crate::output::Format;
use crate::session::Session;
use crate::table::{Cell, Column, Table, Tone, column};
use crate::watch::Watch;

#[cfg(test)]
mod tests;

/// Show which packets are dropped, why, and what to do about it
#[derive(Args, Debug)]
#[command(after_help = "\
Counts are of all time; the rate is of the last seconds, and those that grow come first. With
--all also packets that went to the box's own stack. Every frame ends in one reason: the
README has them all.

Examples:
  loxictl drops
  loxictl drops --watch
  loxictl drops --all -o json")]
pub struct Drops {
    /// Also what was passed to the box's own stack
    #[arg(short, long)]
    all: bool,

    #[command(flatten)]
    watch: Watch,
}

const COLUMNS: &[Column] = &[
    column("REASON"),
    column("CLASS"),
    column("PACKETS"),
    column("PER SECOND"),
    column("MEANING"),
];

impl Drops {
    pub async fn run(self, session: &Session) -> Result<()> {
        let all = self.all;
        self.watch
            .run(session, async || show(session, all).await)
            .await
    }
}

async fn show(session: &Session, all: bool) -> Result<()> {
    let plane = session.status().await?.data_plane;
    let reasons = wanted(&plane, all);
    match session.output.format {
        Format::Json | Format::Yaml => {
            let values: Vec<_> = reasons.iter().map(|reason| value(reason, &plane)).collect();
            session.output.value(&values)
        }
        Format::Name => {
            let names = reasons.iter().map(|reason| format!("{}\n", reason.reason));
            session.output.text(&names.collect::<String>())
        }
        Format::Table | Format::Wide if reasons.is_empty() => {
            eprintln!("nothing was dropped, of {} frames", plane.rx);
            Ok(())
        }
        Format::Table | Format::Wide => {
            let text = page(&reasons, &plane, session.output.colour);
            session.output.text(&text)
        }
    }
}

/// Those that grow most first, then those that counted most.
fn wanted(plane: &DataPlane, all: bool) -> Vec<&ReasonCount> {
    let is_wanted = |reason: &&ReasonCount| all || reason.class == "drop";
    let mut reasons: Vec<_> = plane.reasons.iter().filter(is_wanted).collect();
    reasons.sort_by_key(|reason| std::cmp::Reverse((reason.recent, reason.packets)));
    reasons
}

/// The table, and what to do: about what grows, if anything does.
fn page(reasons: &[&ReasonCount], plane: &DataPlane, colour: bool) -> String {
    let row = |reason: &&ReasonCount| {
        let tone = match (reason.class.as_str(), reason.recent) {
            ("drop", 1..) => Tone::Bad,
            ("drop", _) => Tone::Warning,
            _ => Tone::Plain,
        };
        vec![
            Cell::toned(&reason.reason, tone),
            Cell::from(&reason.class),
            reason.packets.into(),
            rate(reason, plane).into(),
            Cell::from(&reason.meaning),
        ]
    };
    let mut text = Table::new(COLUMNS, false, colour).block(reasons.iter().map(row));
    let grows = reasons.iter().any(|reason| reason.recent > 0);
    let concerned = reasons
        .iter()
        .filter(|reason| !reason.remedy.is_empty() && (!grows || reason.recent > 0));
    let remedies: String = concerned
        .map(|reason| format!("  {}: {}\n", reason.reason, reason.remedy))
        .collect();
    if !remedies.is_empty() {
        let title = if grows {
            "What to do about those that grow"
        } else {
            "What to do (nothing grows)"
        };
        text += &format!("\n{title}:\n{remedies}");
    }
    text
}

/// `12`, `0.4`, or `-` as long as it is not known.
fn rate(reason: &ReasonCount, plane: &DataPlane) -> String {
    match (plane.window, reason.recent) {
        (0, _) => "-".into(),
        (_, 0) => "0".into(),
        (window, recent) => {
            let rate = recent as f64 * 1000.0 / window as f64;
            if rate < 10.0 {
                format!("{rate:.1}")
            } else {
                format!("{rate:.0}")
            }
        }
    }
}

fn value(reason: &ReasonCount, plane: &DataPlane) -> serde_json::Value {
    let rate = match plane.window {
        0 => None,
        window => Some(reason.recent as f64 * 1000.0 / window as f64),
    };
    json!({
        "reason": reason.reason,
        "class": reason.class,
        "packets": reason.packets,
        "perSecond": rate,
        "meaning": reason.meaning,
        "remedy": reason.remedy,
    })
}

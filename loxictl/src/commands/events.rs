//! `loxictl events`: what happened, and what happens.

use std::ops::ControlFlow;
use std::time::Duration;

use clap::Args;
use lb_api::client::Heard;
use lb_api::wire::{Event, EventGap, EventId, EventKind, Severity, Timestamp};

use crate::failure::{Kind, Result};
use crate::output::{Format, Listed};
use crate::session::Session;
use crate::table::{Cell, Column, Tone, column, wide};

#[cfg(test)]
mod tests;

/// How long a daemon that went away is waited for before it is asked again.
const AGAIN: Duration = Duration::from_millis(500);

/// Show what happened; with --watch, what happens
#[derive(Args, Debug)]
#[command(after_help = "\
Kinds: config (documents, and what was repaired), health (services and backends up and down),
interface, neighbour (next hops), limits (something is full), announce (VIPs). loxid keeps the
last 2048; the journal keeps all, with the same MESSAGE_IDs:
`journalctl -u loxid MESSAGE_ID=4c11e27d37ab410a8e184c93a8bd225a` (service_down).

Examples:
  loxictl events
  loxictl events --watch                     those that are kept, then each as it happens
  loxictl events -w --kind health,interface
  loxictl events -w -o json                  one event a line, for programs")]
pub struct Events {
    /// Go on with each event as it happens, until Ctrl-C
    #[arg(short, long)]
    watch: bool,

    /// Only these kinds: config, health, interface, neighbour, limits, announce
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = kind)]
    kind: Vec<EventKind>,

    /// With --watch: stop after N events
    #[arg(long, value_name = "N", requires = "watch")]
    watch_count: Option<u64>,
}

fn kind(word: &str) -> std::result::Result<EventKind, String> {
    EventKind::parse(word).ok_or_else(|| {
        let words = EventKind::ALL.map(EventKind::as_str).join(", ");
        format!("`{word}` is no kind of event: {words}")
    })
}

impl Events {
    pub async fn run(self, session: &Session) -> Result<()> {
        if self.watch {
            return self.follow(session).await;
        }
        let events = session.events(&self.kind).await?;
        if events.is_empty() && matches!(session.output.format, Format::Table | Format::Wide) {
            eprintln!("nothing happened since loxid was started: `--watch` waits for what does");
        }
        session.output.list(&events)
    }

    /// A daemon that restarts meanwhile, and a connection that is cut, are taken up again where
    /// they were left.
    async fn follow(self, session: &Session) -> Result<()> {
        let mut since: Option<EventId> = None;
        let mut left = self.watch_count;
        let mut was_heard = false;
        let mut printed = Ok(());
        while left != Some(0) {
            let result = session
                .listen(&self.kind, since, |heard| {
                    was_heard = true;
                    printed = match heard {
                        Heard::Gap(gap) => tell(session, &gap),
                        Heard::Event(event) => {
                            since = Some(event.id);
                            left = left.map(|left| left.saturating_sub(1));
                            session.output.text(&line(&event, session))
                        }
                    };
                    match printed.is_err() || left == Some(0) {
                        true => ControlFlow::Break(()),
                        false => ControlFlow::Continue(()),
                    }
                })
                .await;
            std::mem::replace(&mut printed, Ok(()))?;
            match result {
                Err(failure) if failure.kind == Kind::Unreachable && was_heard => {
                    tokio::time::sleep(AGAIN).await;
                }
                result => result?,
            }
        }
        Ok(())
    }
}

/// Programs get the gap where the events would be; people beside them.
fn tell(session: &Session, gap: &EventGap) -> Result<()> {
    match session.output.format {
        Format::Json => {
            let text = serde_json::json!({ "gap": gap });
            session.output.text(&format!("{text}\n"))
        }
        _ => {
            eprintln!("{}", gap.message);
            Ok(())
        }
    }
}

/// One event of many, as it comes: in columns that don't know the widths of what will follow.
fn line(event: &Event, session: &Session) -> String {
    match session.output.format {
        Format::Json => format!("{}\n", serde_json::json!(event)),
        Format::Yaml => format!("---\n{}", crate::output::yaml(event)),
        Format::Name => format!("{}\n", event.id),
        Format::Table | Format::Wide => {
            let text = format!(
                "{}   {:<9}   {:<7}   {}",
                event.time.to_second(),
                event.kind.as_str(),
                event.severity.as_str(),
                event.message
            );
            let colour = match event.severity {
                _ if !session.output.colour => None,
                Severity::Info => None,
                Severity::Warning => Some(33),
                Severity::Error => Some(31),
            };
            match colour {
                Some(colour) => format!("\x1b[{colour}m{text}\x1b[0m\n"),
                None => text + "\n",
            }
        }
    }
}

impl Listed for Event {
    const COLUMNS: &'static [Column] = &[
        column("TIME"),
        column("KIND"),
        column("SEVERITY"),
        wide("EVENT"),
        column("MESSAGE"),
        wide("ID"),
        wide("MESSAGE_ID"),
    ];

    fn cells(&self) -> Vec<Cell> {
        let tone = match self.severity {
            Severity::Info => Tone::Plain,
            Severity::Warning => Tone::Warning,
            Severity::Error => Tone::Bad,
        };
        vec![
            Timestamp::to_second(self.time).into(),
            self.kind.as_str().into(),
            Cell::toned(self.severity.as_str(), tone),
            Cell::from(&self.name),
            Cell::from(&self.message),
            self.id.into(),
            Cell::from(&self.message_id),
        ]
    }

    fn key(&self) -> String {
        self.id.to_string()
    }
}

//! `loxictl describe`: one thing, with all that is known of it.

use clap::{Args, Subcommand};
use lb_api::wire::{BackendDescription, OperatorState, ProbeResult, ProbeStatus};

use crate::failure::Result;
use crate::listing::end;
use crate::output::{Format, Listed, yaml};
use crate::place::Place;
use crate::session::Session;
use crate::table::{Cell, Column, Table, Tone, column};

/// Show a backend with its check and its last probes
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  loxictl describe ep 31.31.31.1:8080               in every service that leads to it
  loxictl describe ep web/31.31.31.1:8080 -o yaml")]
pub struct Describe {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    Ep(DescribeEp),
}

/// Describe a backend: how it is, what it is asked, and its last 20 answers
#[derive(Args, Debug)]
#[command(visible_aliases = ["endpoint", "backend"])]
#[command(after_help = "\
RESULT is passed, failed, or not-made: the box could not ask, which says nothing of the
backend. PHASE is how far the probe came: where it failed, or what was good last.

Examples:
  loxictl describe ep 31.31.31.1:8080
  loxictl describe ep '[2001:db8::1]:8080' -o json")]
struct DescribeEp {
    /// The backend, as `loxictl get ep` shows it; with a service's key or name before a slash: in
    /// that one only
    #[arg(value_name = "[SERVICE/]IP:PORT")]
    place: Place,
}

impl Describe {
    pub async fn run(self, session: &Session) -> Result<()> {
        let What::Ep(DescribeEp { place }) = self.what;
        let key = place.key(session).await?;
        let described = session
            .describe_backend(key.as_ref(), &place.endpoint)
            .await?;
        if matches!(session.output.format, Format::Json | Format::Yaml) {
            return session.output.value(&described);
        }
        let parts: Vec<String> = described
            .iter()
            .map(|one| text(one, session.output.colour))
            .collect();
        session.output.text(&parts.join("\n"))
    }
}

fn text(one: &BackendDescription, colour: bool) -> String {
    let backend = &one.backend;
    let mut lines = vec![
        ("Backend", end(backend)),
        (
            "Service",
            format!("{} (document {})", one.service, one.source),
        ),
        ("Weight", backend.weight.to_string()),
        ("State", state(one)),
    ];
    if backend.operator != OperatorState::Enabled {
        lines.push(("By hand", backend.operator.as_str().to_owned()));
    }
    lines.push((
        "Connections",
        backend.traffic.active_connections.to_string(),
    ));
    match &backend.health {
        None => lines.push(("Health", "not checked".to_owned())),
        Some(health) => {
            let flapping = if health.flapping { " (flapping)" } else { "" };
            lines.push(("Health", format!("{}{flapping}", health.verdict.as_str())));
        }
    }
    let mut text: String = lines
        .iter()
        .map(|(name, value)| format!("{:<13}{value}\n", format!("{name}:")))
        .collect();
    if let Some(check) = &one.check {
        text += "Check:\n";
        for line in yaml(check).lines() {
            text += &format!("  {line}\n");
        }
    }
    if !one.probes.is_empty() {
        text += "Last probes:\n";
        let mut table = Table::new(ProbeStatus::COLUMNS, false, colour);
        let block = table.block(one.probes.iter().map(Listed::cells));
        for line in block.lines() {
            text += &format!("  {line}\n");
        }
    }
    text
}

fn state(one: &BackendDescription) -> String {
    let backend = &one.backend;
    let state = crate::listing::state(backend).text;
    match backend.message.is_empty() {
        true => state,
        false => format!("{state}: {}", backend.message),
    }
}

impl Listed for ProbeStatus {
    const COLUMNS: &'static [Column] = &[
        column("TIME"),
        column("RESULT"),
        column("PHASE"),
        column("MS"),
        column("TEXT"),
    ];

    fn cells(&self) -> Vec<Cell> {
        vec![
            self.time.to_string().into(),
            match self.result {
                ProbeResult::Passed => Cell::toned("passed", Tone::Good),
                ProbeResult::Failed => Cell::toned("failed", Tone::Bad),
                ProbeResult::NotMade => Cell::toned("not-made", Tone::Warning),
            },
            Cell::from(&self.phase),
            self.ms.into(),
            Cell::from(&self.text),
        ]
    }

    fn key(&self) -> String {
        self.time.to_string()
    }
}

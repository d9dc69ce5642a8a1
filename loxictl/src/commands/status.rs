//! `loxictl status`: does it forward, and if not, why?

use clap::Args;
use lb_api::wire::{
    Condition, ConditionStatus, DataPlane, InterfaceStatus, ReasonCount, ServiceStatus,
    Status as Wire, TableUsage, WorkerStatus,
};

use crate::failure::Result;
use crate::listing::trouble;
use crate::output::{Format, Listed};
use crate::session::Session;
use crate::table::{Cell, Column, Table, Tone, column};
use crate::watch::Watch;

#[cfg(test)]
mod tests;

/// Whether it forwards, and if not, why
#[derive(Args, Debug)]
#[command(after_help = "\
Interfaces and how the program runs on them, services that aren't forwarded and why, packets
by what became of them, and how full the tables are. Packets that the box itself sends to a
VIP don't pass the program, so trying a VIP from the box proves nothing: `loxictl test` does.

Examples:
  loxictl status
  loxictl status --watch
  loxictl status -o json | jq .dataPlane")]
pub struct Status {
    #[command(flatten)]
    watch: Watch,
}

impl Status {
    pub async fn run(self, session: &Session) -> Result<()> {
        self.watch.run(session, async || show(session).await).await
    }
}

async fn show(session: &Session) -> Result<()> {
    let status = session.status().await?;
    match session.output.format {
        Format::Json | Format::Yaml => session.output.value(&status),
        Format::Name => session.output.text(&format!("{}\n", status.instance)),
        Format::Table | Format::Wide => {
            let interfaces = session.interfaces().await?;
            let services = session.services().await?;
            let wide = session.output.format == Format::Wide;
            session.output.text(&text(
                &status,
                &interfaces,
                &services,
                wide,
                session.output.colour,
            ))
        }
    }
}

/// The status as a page for people.
fn text(
    status: &Wire,
    links: &[InterfaceStatus],
    services: &[ServiceStatus],
    wide: bool,
    colour: bool,
) -> String {
    let mut page = heading(status);
    let rows = status.conditions.iter().map(condition).collect();
    section(&mut page, CONDITIONS, rows, colour);
    list(&mut page, "Warnings:", &status.warnings);
    interfaces(&mut page, links, wide, colour);
    worker(&mut page, status.worker.as_ref());
    page += &format!("\nServices: {}\n", summary(services));
    for line in troubles(services) {
        page += &format!("  {line}\n");
    }
    packets(&mut page, &status.data_plane, colour);
    section(
        &mut page,
        TABLES,
        status.tables.iter().map(usage).collect(),
        colour,
    );
    list(&mut page, "Notes:", &status.notes);
    page
}

fn heading(status: &Wire) -> String {
    format!(
        "loxid {}, instance {}, kernel {}, up {}, generation {}\n",
        status.version,
        status.instance,
        status.kernel,
        duration(status.uptime),
        status.generation
    )
}

const CONDITIONS: &[Column] = &[
    column("CONDITION"),
    column("STATUS"),
    column("REASON"),
    column("MESSAGE"),
];
const REASONS: &[Column] = &[
    column("REASON"),
    column("CLASS"),
    column("PACKETS"),
    column("MEANING"),
];
const TABLES: &[Column] = &[
    column("TABLE"),
    column("USED"),
    column("CAPACITY"),
    column("FULL"),
];

fn section(page: &mut String, columns: &'static [Column], rows: Vec<Vec<Cell>>, colour: bool) {
    if !rows.is_empty() {
        *page += "\n";
        *page += &Table::new(columns, false, colour).block(rows);
    }
}

fn list(page: &mut String, title: &str, lines: &[String]) {
    if !lines.is_empty() {
        *page += &format!("\n{title}\n");
        for line in lines {
            *page += &format!("  {line}\n");
        }
    }
}

fn interfaces(page: &mut String, interfaces: &[InterfaceStatus], wide: bool, colour: bool) {
    let held = interfaces
        .iter()
        .filter(|interface| interface.attached || interface.slot.is_some());
    let rows: Vec<_> = held.map(Listed::cells).collect();
    if rows.is_empty() {
        *page += "\nNothing is attached, so nothing is balanced: `loxictl attach INTERFACE`.\n";
        return;
    }
    *page += "\n";
    *page += &Table::new(InterfaceStatus::COLUMNS, wide, colour).block(rows);
}

fn worker(page: &mut String, worker: Option<&WorkerStatus>) {
    let Some(worker) = worker else { return };
    let process = worker.pid.map(|pid| format!(", process {pid}"));
    let restarts =
        (worker.restarts > 0).then(|| format!(", started again {} times", worker.restarts));
    let message = Some(&worker.message).filter(|message| !message.is_empty());
    *page += &format!(
        "\nWorker of AF_XDP: {}{}{}{}\n",
        worker.state,
        process.unwrap_or_default(),
        restarts.unwrap_or_default(),
        message
            .map(|message| format!(": {message}"))
            .unwrap_or_default()
    );
}

fn condition(condition: &Condition) -> Vec<Cell> {
    let status = match condition.status {
        ConditionStatus::True => Cell::toned("True", Tone::Good),
        ConditionStatus::False => Cell::toned("False", Tone::Bad),
        ConditionStatus::Unknown => Cell::toned("Unknown", Tone::Warning),
    };
    let or_dash = |text: &String| Cell::maybe(Some(text).filter(|text| !text.is_empty()));
    vec![
        Cell::from(&condition.kind),
        status,
        or_dash(&condition.reason),
        or_dash(&condition.message),
    ]
}

fn summary(services: &[ServiceStatus]) -> String {
    let programmed = services
        .iter()
        .filter(|service| is_programmed(service))
        .count();
    match services.len() {
        0 => "none; `loxictl create lb --help` shows how to make one".into(),
        all if all == programmed => format!("{all}, all programmed"),
        all => format!("{all}, {programmed} programmed; not as meant:"),
    }
}

/// A line for each service that isn't as it was meant.
fn troubles(services: &[ServiceStatus]) -> Vec<String> {
    let line = |service: &ServiceStatus| match trouble(&service.conditions) {
        Some(message) => Some(format!(
            "{} (document {}): {message}",
            service.key, service.source
        )),
        None if is_programmed(service) => None,
        None => Some(format!(
            "{} (document {}): not programmed",
            service.key, service.source
        )),
    };
    services.iter().filter_map(line).collect()
}

fn is_programmed(service: &ServiceStatus) -> bool {
    service
        .conditions
        .iter()
        .any(|one| one.kind == "Programmed" && one.status == ConditionStatus::True)
}

fn packets(page: &mut String, plane: &DataPlane, colour: bool) {
    let DataPlane {
        rx,
        tx,
        passed,
        dropped,
        ..
    } = plane;
    *page += &format!(
        "\nFrames on attached interfaces: {rx} received = {tx} sent + {passed} passed + {dropped} dropped\n"
    );
    section(
        page,
        REASONS,
        plane.reasons.iter().map(reason).collect(),
        colour,
    );
}

fn reason(count: &ReasonCount) -> Vec<Cell> {
    let class = if count.class == "drop" {
        Tone::Warning
    } else {
        Tone::Plain
    };
    vec![
        Cell::from(&count.reason),
        Cell::toned(&count.class, class),
        count.packets.into(),
        Cell::maybe(Some(&count.meaning).filter(|text| !text.is_empty())),
    ]
}

fn usage(table: &TableUsage) -> Vec<Cell> {
    let percent = u128::from(table.used) * 100 / u128::from(table.capacity.max(1));
    let tone = match percent {
        0..80 => Tone::Plain,
        80..95 => Tone::Warning,
        _ => Tone::Bad,
    };
    vec![
        Cell::from(&table.name),
        table.used.into(),
        table.capacity.into(),
        Cell::toned(format!("{percent}%"), tone),
    ]
}

/// The two largest units: `3d 4h`, `2m 5s`.
fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h {}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d {}h", seconds / 86400, seconds % 86400 / 3600),
    }
}

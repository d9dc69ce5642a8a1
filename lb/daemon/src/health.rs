//! Health checks: a thin shell of sockets and timers around `lb_core::health`.
//!
//! ```text
//!   the daemon's loop                  Board (behind a lock)              Prober (a task)
//!     documents ---- watch() ------->  who is asked, and what  ------->   Schedule: due, jitter
//!     compile   <--- standings() ----  a Machine for each      <-------   probe(): one question
//!        ^                                   |                            each, many at once
//!        `---------- changed() <-------------'  only when a verdict changes
//! ```
//! The loop hears of changes, not of answers: 2,000 answers a second cost it nothing. All times
//! are monotonic, and counted from the board's beginning.

mod board;
mod certificates;
mod probe;
mod prober;
mod schedule;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use lb_api::wire;
use lb_core::health::{
    Change, Demand, OperatorStates, Standing, Standings, Target, Verdict, probe_targets,
};
use lb_core::intent::Intent;
use lb_core::service::{Endpoint, ServiceKey};
use tokio::sync::Notify;

pub use board::Figures;
use board::{Board, Entry};
use certificates::Certificates;
pub use certificates::check_files;
pub use prober::run;

#[cfg(test)]
mod tests;

/// The backend of a service.
pub type Place = (ServiceKey, Endpoint);

/// The daemon's end, and the prober's: clones are of one board.
#[derive(Clone)]
pub struct Monitor {
    board: Arc<Mutex<Board>>,
    certificates: Arc<Certificates>,
    /// A verdict changed.
    changed: Arc<Notify>,
    /// Somebody else is to be asked.
    wake: Arc<Notify>,
    /// Times of the machines are counted from here.
    epoch: Instant,
}

impl Monitor {
    pub fn new() -> Self {
        Self {
            board: Arc::default(),
            certificates: Arc::default(),
            changed: Arc::default(),
            wake: Arc::default(),
            epoch: Instant::now(),
        }
    }

    /// Asks those whom the services that are served want asked, and nobody else. What is known of
    /// a backend stays known, though it is asked something else.
    pub fn watch(&self, intent: &Intent) {
        let (winners, _) = intent.merge();
        let services = winners.values().map(|winner| winner.service);
        let places: BTreeMap<Place, Target> = services
            .flat_map(|service| {
                probe_targets(service).map(|(endpoint, target)| ((service.key, endpoint), target))
            })
            .collect();
        self.certificates.forget();
        self.board().watch(places);
        self.wake.notify_one();
    }

    /// Waits until a verdict changes.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What changed since this was asked last.
    pub fn changes(&self) -> Vec<(Place, Change)> {
        self.board().take_changes()
    }

    /// Who stands aside, by operators' words and by checks.
    pub fn standings(&self, intent: &Intent, operators: &OperatorStates) -> Standings {
        use lb_core::health::OperatorState::{Disabled, Drained, Enabled};
        let board = self.board();
        let failing = board.places().filter_map(|(place, entry)| {
            let is_down = entry.machine.verdict() == Verdict::Down;
            is_down.then(|| (*place, Standing::Down(entry.reason.clone())))
        });
        let by_hand = by_hand(intent, operators).filter_map(|(place, state)| match state {
            Enabled => None,
            Drained => Some((place, Standing::Drained)),
            Disabled => Some((place, Standing::Disabled)),
        });
        // What operators say comes last, and stays.
        failing.chain(by_hand).collect()
    }

    /// How the checks of all backends go.
    pub fn healths(&self) -> BTreeMap<Place, wire::Health> {
        let board = self.board();
        let all = board.places().map(|(place, entry)| (*place, health(entry)));
        all.collect()
    }

    /// The last probes of a backend, the newest first.
    pub fn probes(&self, place: &Place) -> Vec<wire::ProbeStatus> {
        let (now, now_on_the_wall) = (self.epoch.elapsed(), SystemTime::now());
        let board = self.board();
        let Some(entry) = board.at(place) else {
            return Vec::new();
        };
        let mut probes: Vec<wire::ProbeStatus> = entry
            .machine
            .probes()
            .map(|probe| wire::ProbeStatus {
                time: wire::Timestamp::of(now_on_the_wall - now.saturating_sub(probe.at)),
                result: probe.outcome.into(),
                phase: probe.phase.as_str().to_owned(),
                text: probe.text.clone(),
                ms: milliseconds(probe.took),
            })
            .collect();
        probes.reverse();
        probes
    }

    pub fn figures(&self) -> Figures {
        self.board().figures.clone()
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        // Nobody panics with it half changed: what was noted is whole.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whole milliseconds, 1 at least.
fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1)
}

fn health(entry: &Entry) -> wire::Health {
    wire::Health {
        verdict: entry.machine.verdict().into(),
        flapping: entry.machine.is_flapping(),
        last: entry
            .machine
            .probes()
            .last()
            .map(|probe| probe.text.clone())
            .unwrap_or_default(),
    }
}

fn by_hand<'a>(
    intent: &'a Intent,
    operators: &'a OperatorStates,
) -> impl Iterator<Item = (Place, lb_core::health::OperatorState)> + 'a {
    let documents = intent.documents.values().filter(|_| !operators.is_empty());
    let services = documents.flat_map(|document| document.services());
    services.flat_map(|service| {
        service.backends.keys().map(|endpoint| {
            let state = operators.of(&service.key, endpoint);
            ((service.key, *endpoint), state)
        })
    })
}

/// What the checks of all documents ask for together.
pub fn demand(intent: &Intent) -> Demand {
    let mut demand = Demand::default();
    for document in intent.documents.values() {
        demand.extend(
            document
                .probe_targets()
                .map(|(key, _, target)| (key, target)),
        );
    }
    demand
}

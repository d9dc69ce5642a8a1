//! What happened between two passes, found by comparing how things are after each.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use lb_core::intent::Source;
use lb_core::service::ServiceKey;
use lb_core::status::{BackendState, Limit};
use lb_plane::stats::Totals;

use super::catalogue::Type;
use super::event::Event;
use crate::reconcile::{Counters, Outcome};

/// Events of one type after one pass; what is more is counted.
const EACH_MAX: usize = 20;

/// Reasons that say that something is full.
const FULL: [&str; 4] = [
    "table_full",
    "table_contended",
    "source_ports_exhausted",
    "backends_full",
];

/// Packets of one reason are told at most so often.
const PACKETS_REST: Duration = Duration::from_secs(60);

/// Remembers how things were.
#[derive(Default)]
pub struct Watch {
    seen: Option<View>,
    refused: BTreeMap<&'static str, Refused>,
}

/// Of one reason.
struct Refused {
    counted: u64,
    /// When it was told last.
    told: Option<Instant>,
}

/// How things are, as far as changes of it are events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Services, and why those are not forwarded that aren't.
    pub services: BTreeMap<(Source, ServiceKey), Option<String>>,
    /// Addresses of backends, and why there is no next hop.
    pub unresolved: BTreeMap<IpAddr, String>,
    /// Addresses of backends with one.
    pub ready: BTreeSet<IpAddr>,
    pub limits: BTreeMap<Limit, String>,
    pub interfaces: BTreeMap<String, Presence>,
    pub corrections: BTreeMap<&'static str, u64>,
    pub failure: Option<String>,
}

/// How an interface is that is attached or should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// In this mode.
    Attached(String),
    /// Why not.
    Missing(String),
}

impl Watch {
    /// After a pass. Of the first one only what is wrong is news.
    pub fn passed(&mut self, outcome: &Outcome, counters: &Counters) -> Vec<Event> {
        let after = View::of(outcome, counters);
        let before = self
            .seen
            .take()
            .unwrap_or_else(|| after.as_if_nothing_were_wrong());
        let events = limited(differences(&before, &after));
        self.seen = Some(after);
        events
    }

    /// Somebody attached or detached an interface, and said so himself.
    pub fn told(&mut self, interface: &str, presence: Option<Presence>) {
        if let Some(seen) = &mut self.seen {
            match presence {
                Some(presence) => drop(seen.interfaces.insert(interface.to_owned(), presence)),
                None => drop(seen.interfaces.remove(interface)),
            }
        }
    }

    /// After counters were read. The first reading only shows how they are.
    pub fn counted(&mut self, totals: &Totals, now: Instant) -> Vec<Event> {
        let mut events = Vec::new();
        for reason in totals
            .reasons
            .iter()
            .filter(|reason| FULL.contains(&reason.name))
        {
            let refused = self.refused.entry(reason.name).or_insert(Refused {
                counted: reason.count,
                told: None,
            });
            let rests = refused.told.is_some_and(|told| now < told + PACKETS_REST);
            if reason.count > refused.counted && !rests {
                events.push(Event::PacketsRefused {
                    reason: reason.name,
                    meaning: reason.meaning,
                    packets: reason.count - refused.counted,
                });
                *refused = Refused {
                    counted: reason.count,
                    told: Some(now),
                };
            }
        }
        events
    }
}

impl View {
    fn of(outcome: &Outcome, counters: &Counters) -> Self {
        let mut view = View {
            corrections: counters.corrections.clone(),
            failure: outcome.failure.clone(),
            ..View::default()
        };
        for ((source, key), status) in &outcome.conditions {
            let programmed = &status.programmed;
            let why = (!programmed.status).then(|| programmed.message.clone());
            view.services.insert((source.clone(), *key), why);
            for (endpoint, backend) in &status.backends {
                match backend.state {
                    BackendState::Unresolved => {
                        let why = backend.message.clone();
                        view.unresolved.insert(endpoint.addr, why);
                    }
                    BackendState::Ready => {
                        view.ready.insert(endpoint.addr);
                    }
                    _ => {}
                }
            }
        }
        let limits = outcome.notices.iter();
        view.limits = limits
            .map(|notice| (notice.limit, notice.message.clone()))
            .collect();
        let devices = outcome
            .interfaces
            .iter()
            .filter(|(_, state)| state.vlan.is_none());
        view.interfaces = devices
            .map(|(name, state)| {
                let presence = match &state.attachment {
                    Some(attachment) => Presence::Attached(attachment.mode.to_string()),
                    None => Presence::Missing(state.message.clone()),
                };
                (name.clone(), presence)
            })
            .collect();
        view
    }
}

impl View {
    fn as_if_nothing_were_wrong(&self) -> Self {
        let mut view = View {
            limits: BTreeMap::new(),
            failure: None,
            ..self.clone()
        };
        for presence in view.interfaces.values_mut() {
            if let Presence::Missing(why) = presence {
                why.clear();
            }
        }
        view
    }
}

/// What turned `before` into `after`. Services that come and go with a document are the
/// document's event.
pub fn differences(before: &View, after: &View) -> Vec<Event> {
    let mut events = Vec::new();
    match (&before.failure, &after.failure) {
        (Some(_), None) => events.push(Event::Following),
        (before, Some(failure)) if before.as_ref() != Some(failure) => {
            events.push(Event::Behind {
                failure: failure.clone(),
            });
        }
        _ => {}
    }
    for (kind, rows) in &after.corrections {
        let known = before.corrections.get(kind).copied().unwrap_or(0);
        if *rows > known {
            let rows = rows - known;
            events.push(Event::Repaired { kind, rows });
        }
    }
    interfaces(before, after, &mut events);
    limits(before, after, &mut events);
    for (address, why) in &after.unresolved {
        if !before.unresolved.contains_key(address) {
            let (address, why) = (*address, why.clone());
            events.push(Event::Unresolved { address, why });
        }
    }
    let resolved = before.unresolved.keys().copied();
    let resolved = resolved.filter(|address| after.ready.contains(address));
    events.extend(resolved.map(|address| Event::Resolved { address }));
    for ((source, service), now) in &after.services {
        let (source, service) = (source.clone(), *service);
        match (before.services.get(&(source.clone(), service)), now) {
            (Some(None), Some(why)) => events.push(Event::ServiceDown {
                source,
                service,
                why: why.clone(),
            }),
            (Some(Some(_)), None) => events.push(Event::ServiceUp { source, service }),
            _ => {}
        }
    }
    events
}

fn interfaces(before: &View, after: &View, events: &mut Vec<Event>) {
    for (name, now) in &after.interfaces {
        let interface = name.clone();
        match (before.interfaces.get(name), now) {
            (None, Presence::Attached(mode)) => events.push(Event::Attached {
                interface,
                mode: mode.clone(),
                actor: None,
            }),
            (Some(Presence::Missing(_)), Presence::Attached(mode)) => events.push(Event::Back {
                interface,
                mode: mode.clone(),
            }),
            (Some(Presence::Attached(_)), Presence::Missing(why)) => events.push(Event::Gone {
                interface,
                why: why.clone(),
            }),
            (Some(Presence::Missing(before)), Presence::Missing(why)) if before != why => {
                let why = why.clone();
                events.push(Event::Refused { interface, why });
            }
            _ => {}
        }
    }
    for name in before.interfaces.keys() {
        if !after.interfaces.contains_key(name) {
            events.push(Event::Detached {
                interface: name.clone(),
                actor: None,
            });
        }
    }
}

fn limits(before: &View, after: &View, events: &mut Vec<Event>) {
    for (limit, message) in &after.limits {
        if !before.limits.contains_key(limit) {
            events.push(Event::LimitReached {
                limit: *limit,
                message: message.clone(),
            });
        }
    }
    let (before, after): (BTreeSet<_>, BTreeSet<_>) = (
        before.limits.keys().collect(),
        after.limits.keys().collect(),
    );
    let cleared = before.difference(&after);
    events.extend(cleared.map(|limit| Event::LimitCleared { limit: **limit }));
}

/// The first ones of each type, and how many more there are: ten thousand services that go down
/// at once must not push everything else out of the ring.
pub fn limited(events: Vec<Event>) -> Vec<Event> {
    let mut counts: Vec<(&'static Type, usize)> = Vec::new();
    let mut kept = Vec::new();
    for event in events {
        let what = event.told().what;
        let count = match counts.iter_mut().find(|(other, _)| *other == what) {
            Some((_, count)) => count,
            None => {
                counts.push((what, 0));
                &mut counts.last_mut().expect("it was pushed").1
            }
        };
        *count += 1;
        if *count <= EACH_MAX {
            kept.push(event);
        }
    }
    let more = counts.into_iter().filter(|(_, count)| *count > EACH_MAX);
    kept.extend(more.map(|(what, count)| Event::More {
        what,
        count: count - EACH_MAX,
    }));
    kept
}

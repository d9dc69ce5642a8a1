//! A plane in memory, for tests: it holds tables as told, counts connections as set, and refuses
//! whatever would let a packet reach a row that is not there.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use crate::plane::{Limits, Op, Plane};
use crate::tables::*;

#[cfg(test)]
mod tests;

/// The plane in memory.
#[derive(Clone, Debug)]
pub struct Twin {
    pub tables: Tables,
    pub limits: Limits,
    /// Live connections; a service's go with `Op::FlushService`.
    pub connections: BTreeMap<(ServiceId, BackendId), u64>,
    /// Operations that still succeed; None: all.
    pub patience: Option<usize>,
    /// Every operation that succeeded, in order.
    pub done: Vec<Op>,
}

/// What the twin refuses.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TwinError {
    #[error("told to fail here")]
    Patience,
    #[error("a row refers to another that is not there: {0:?}")]
    Dangling(Vec<String>),
    #[error("{op} writes arena space that the published image refers to")]
    Overwrite { op: String },
    #[error("{op} is beyond the capacity of the plane")]
    Capacity { op: String },
}

impl Twin {
    /// An empty plane.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            tables: Tables::default(),
            limits,
            connections: BTreeMap::new(),
            patience: None,
            done: Vec::new(),
        }
    }
}

impl Plane for Twin {
    type Error = TwinError;

    fn limits(&self) -> Limits {
        self.limits
    }

    fn read(&mut self) -> Result<Tables, TwinError> {
        Ok(self.tables.clone())
    }

    fn apply(&mut self, op: &Op) -> Result<(), TwinError> {
        match &mut self.patience {
            Some(0) => return Err(TwinError::Patience),
            Some(left) => *left -= 1,
            None => {}
        }
        if overwrites(&self.tables.image, op) {
            return Err(TwinError::Overwrite {
                op: format!("{op:?}"),
            });
        }
        if !fits(op, &self.limits) {
            return Err(TwinError::Capacity {
                op: format!("{op:?}"),
            });
        }
        apply(&mut self.tables, op);
        if let Op::FlushService(id) = op {
            self.connections.retain(|(service, _), _| service != id);
        }
        self.done.push(op.clone());
        match dangling(&self.tables) {
            found if found.is_empty() => Ok(()),
            found => Err(TwinError::Dangling(found)),
        }
    }

    fn connections(&mut self) -> Result<BTreeMap<BackendId, u64>, TwinError> {
        let mut live = BTreeMap::new();
        for ((_, backend), count) in &self.connections {
            *live.entry(*backend).or_insert(0) += count;
        }
        Ok(live)
    }
}

/// What an operation does to tables.
pub fn apply(tables: &mut Tables, op: &Op) {
    match op {
        Op::PutInterface(slot, row) => drop(tables.interfaces.insert(*slot, row.clone())),
        Op::PutHop(id, hop) => drop(tables.hops.insert(*id, *hop)),
        Op::PutBackend(id, row) => drop(tables.backends.insert(*id, row.clone())),
        Op::PutMembers { first, members } => {
            drop(tables.members.insert(*first, members.clone()));
        }
        Op::PutSlots { first_word, slots } => {
            drop(tables.slots.insert(*first_word, slots.clone()));
        }
        Op::PutSources { first, boundaries } => {
            drop(tables.sources.insert(*first, boundaries.clone()));
        }
        Op::Publish(image) => tables.image = Image::clone(image),
        Op::FlushService(_) | Op::FlushDenied(_) => {}
        Op::DropMembers { first } => drop(tables.members.remove(first)),
        Op::DropSlots { first_word } => drop(tables.slots.remove(first_word)),
        Op::DropSources { first } => drop(tables.sources.remove(first)),
        Op::DropBackend(id) => drop(tables.backends.remove(id)),
        Op::DropHop(id) => drop(tables.hops.remove(id)),
        Op::DropInterface(slot) => drop(tables.interfaces.remove(slot)),
    }
}

/// Whether an operation writes into a run that the published image refers to.
fn overwrites(image: &Image, op: &Op) -> bool {
    let meets = |a: (u32, u32), b: (u32, u32)| a.0 < b.0 + b.1 && b.0 < a.0 + a.1;
    let services = || image.services.values();
    match op {
        Op::PutMembers { first, members } => services()
            .filter_map(|row| row.members)
            .any(|run| meets((run.first, run.count), (*first, members.len() as u32))),
        Op::PutSlots { first_word, slots } => services()
            .filter_map(|row| row.slots)
            .map(|run| (run.first_word, run.count.div_ceil(4)))
            .any(|run| meets(run, (*first_word, slots.len().div_ceil(4) as u32))),
        Op::PutSources { first, boundaries } => services()
            .filter_map(|row| row.sources)
            .any(|run| meets((run.first, run.count), (*first, boundaries.len() as u32))),
        _ => false,
    }
}

fn fits(op: &Op, limits: &Limits) -> bool {
    match op {
        Op::PutInterface(slot, _) => slot.0 < 64,
        Op::PutHop(id, _) => id.0 < limits.hops,
        Op::PutBackend(id, _) => id.0 < limits.backends,
        Op::PutMembers { first, members } => {
            u64::from(*first) + members.len() as u64 <= u64::from(limits.members)
        }
        Op::PutSlots { first_word, slots } => {
            u64::from(*first_word) + slots.len().div_ceil(4) as u64 <= u64::from(limits.slot_words)
        }
        Op::PutSources { first, boundaries } => {
            u64::from(*first) + boundaries.len() as u64 <= u64::from(limits.sources)
        }
        Op::Publish(image) => {
            let addresses: BTreeSet<_> = image.vips.keys().chain(&image.local).collect();
            image
                .services
                .keys()
                .all(|id| u32::from(id.0) < limits.services)
                && addresses.len() as u64 <= u64::from(limits.vips)
                && crate::routes::nodes(&image.routes) <= limits.route_nodes
        }
        _ => true,
    }
}

/// References to rows that are not there, in words; empty if tables are sound.
#[must_use]
pub fn dangling(tables: &Tables) -> Vec<String> {
    let mut found = Vec::new();
    let has =
        |hop: &Option<Hop>| hop.is_none_or(|hop| tables.interfaces.contains_key(&hop.interface));
    for (id, hop) in tables.hops.iter().filter(|(_, hop)| !has(hop)) {
        found.push(format!(
            "hop {} leads out of an absent interface: {hop:?}",
            id.0
        ));
    }
    for (id, row) in tables.backends.iter().filter(|(_, row)| !has(&row.hop)) {
        found.push(format!(
            "backend {} leads out of an absent interface: {row:?}",
            id.0
        ));
    }
    for (first, members) in &tables.members {
        for member in members.iter() {
            let id = member.backend;
            if !tables.backends.contains_key(&id) {
                found.push(format!("members at {first} name absent backend {}", id.0));
            }
        }
    }
    for (id, row) in &tables.image.services {
        found.extend(dangling_service(tables, row).map(|what| format!("service {}: {what}", id.0)));
    }
    let absent = |row: &RouteRow| match row {
        RouteRow::Via(id) => (!tables.hops.contains_key(id)).then_some(id.0),
        RouteRow::OnLink => None,
    };
    for (prefix, row) in &tables.image.routes {
        found.extend(absent(row).map(|id| format!("route {prefix} goes by absent hop {id}")));
    }
    let keys: BTreeSet<BackendKey> = tables.backends.values().map(|row| row.key).collect();
    for key in tables.image.repliers.difference(&keys) {
        found.push(format!("replier {} is no backend", key.endpoint));
    }
    for (vip, row) in &tables.image.vips {
        let known = tables
            .interfaces
            .keys()
            .fold(0, |bits, slot| bits | 1u64 << slot.0);
        if row.arp & !known != 0 {
            found.push(format!("VIP {vip} answers ARP on an absent interface"));
        }
    }
    found
}

fn dangling_service(tables: &Tables, row: &ServiceRow) -> Option<String> {
    if !tables.image.vips.contains_key(&row.key.vip) {
        return Some(format!("VIP {} is absent", row.key.vip));
    }
    if let Some(range) = row.sources.filter(|range| range.count > 0) {
        let boundaries = tables.sources.get(&range.first);
        if boundaries.is_none_or(|boundaries| boundaries.len() != range.count as usize) {
            let first = range.first;
            return Some(format!("boundaries at {first} are absent or not as many"));
        }
    }
    let Some(members) = row.members else {
        return row
            .slots
            .map(|slots| format!("slots at {} without members", slots.first_word));
    };
    let list = tables.members.get(&members.first);
    let Some(list) = list.filter(|list| list.len() == members.count as usize) else {
        let first = members.first;
        return Some(format!("members at {first} are absent or not as many"));
    };
    if list.iter().all(|member| member.weight == 0) {
        return Some(format!(
            "none of the members at {} is usable",
            members.first
        ));
    }
    let slots = match (row.selection, row.slots) {
        (SelectionKind::Least, None) => return None,
        (SelectionKind::Least, Some(_)) => return Some("slots that nothing reads".to_owned()),
        (_, None) => return Some("members without slots".to_owned()),
        (_, Some(slots)) => slots,
    };
    let table = tables.slots.get(&slots.first_word);
    if table.is_none_or(|table| table.len() != slots.count as usize) {
        let first = slots.first_word;
        return Some(format!("slots at {first} are absent or not as many"));
    }
    let beyond = |slot: &&u16| u32::from(**slot) >= members.count;
    let beyond = table.and_then(|table| table.iter().find(beyond));
    beyond.map(|slot| format!("slot value {slot} is beyond its {} members", members.count))
}

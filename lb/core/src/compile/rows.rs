//! Services, members, slots and backends: ids and places, service by service.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::{Previous, Recipe};
use crate::addr::check_family;
use crate::arena::Arena;
use crate::facts::Facts;
use crate::paths::{Path, Paths};
use crate::plane::Limits;
use crate::service::{Endpoint, IdleTimeout, Mode, Selection, Service, ServiceKey};
use crate::status::Limit;
use crate::tables::*;
use crate::{maglev, round_robin};

/// The rows so far, and what is left to give.
pub(super) struct Rows<'a> {
    previous: &'a Previous<'a>,
    pub limits: &'a Limits,
    incumbents: BTreeMap<ServiceKey, ServiceId>,
    known_backends: BTreeMap<BackendKey, BackendId>,
    free_services: Vec<ServiceId>,
    free_backends: Vec<BackendId>,
    slot_space: Arena,
    member_space: Arena,
    /// VIPs and own addresses: what takes room among the VIPs.
    addresses: BTreeSet<IpAddr>,
    pub vips: BTreeSet<IpAddr>,
    pub services: BTreeMap<ServiceId, ServiceRow>,
    pub members: BTreeMap<u32, Arc<[BackendId]>>,
    pub slots: BTreeMap<u32, Arc<[u16]>>,
    pub built: BTreeMap<Recipe, Arc<[u16]>>,
    wanted_backends: BTreeMap<BackendKey, BackendId>,
}

/// What became of a service.
pub(super) enum Outcome {
    Programmed(ServiceId),
    /// There is no room for its changed tables: it goes by those it had.
    Kept(ServiceId, Limit),
    Refused(Limit),
}

/// A table's contents and the space taken for it.
struct Placed {
    slots: SlotRange,
    members: MemberRange,
    table: Arc<[u16]>,
    list: Arc<[BackendId]>,
}

impl<'a> Rows<'a> {
    pub fn new(facts: &Facts, previous: &'a Previous<'a>, limits: &'a Limits) -> Self {
        let tables = previous.tables;
        let services = &tables.image.services;
        let slot_runs = tables
            .slots
            .iter()
            .map(|(first, table)| (*first, words(table.len())));
        let member_runs = tables
            .members
            .iter()
            .map(|(first, list)| (*first, count(list.len())));
        // Of ids that have one key (the plane was tampered with) the lowest counts.
        let incumbents = services.iter().rev().map(|(id, row)| (row.key, *id));
        let backends = tables.backends.iter().rev().map(|(id, row)| (row.key, *id));
        let free_services = (0..limits.services.min(u32::from(u16::MAX)))
            .map(|id| ServiceId(id as u16))
            .filter(|id| !services.contains_key(id) && !previous.retiring.contains(id));
        let free_backends = (0..limits.backends)
            .map(BackendId)
            .filter(|id| !tables.backends.contains_key(id) && !previous.live.contains_key(id));
        Self {
            previous,
            limits,
            incumbents: incumbents
                .filter(|(_, id)| u32::from(id.0) < limits.services)
                .collect(),
            known_backends: backends.filter(|(_, id)| id.0 < limits.backends).collect(),
            free_services: free_services.rev().collect(),
            free_backends: free_backends.rev().collect(),
            slot_space: Arena::new(limits.slot_words, slot_runs),
            member_space: Arena::new(limits.members, member_runs),
            addresses: facts
                .own
                .iter()
                .filter(|a| check_family(**a).is_ok())
                .copied()
                .collect(),
            vips: BTreeSet::new(),
            services: BTreeMap::new(),
            members: BTreeMap::new(),
            slots: BTreeMap::new(),
            built: BTreeMap::new(),
            wanted_backends: BTreeMap::new(),
        }
    }

    pub fn is_incumbent(&self, key: &ServiceKey) -> bool {
        self.incumbents.contains_key(key)
    }

    pub fn backend_id(&self, key: &BackendKey) -> Option<BackendId> {
        self.wanted_backends.get(key).copied()
    }

    /// Gives a service its rows, or nothing at all.
    pub fn admit(&mut self, service: &Service, paths: &BTreeMap<IpAddr, Path>) -> Outcome {
        let (id, retained) = match self.incumbents.get(&service.key) {
            Some(&id) => (Some(id), self.intact(id)),
            None => (self.free_services.last().copied(), None),
        };
        let Some(id) = id else {
            return Outcome::Refused(Limit::Services);
        };
        let placed = self.place(service, paths, retained);
        match (placed, retained) {
            (Ok(placed), _) => {
                self.enter(id, row(service, placed.as_ref()), placed);
                Outcome::Programmed(id)
            }
            (Err(limit), Some(old)) => {
                let placed = self.held(old);
                self.enter(id, old.clone(), placed);
                Outcome::Kept(id, limit)
            }
            (Err(limit), None) => Outcome::Refused(limit),
        }
    }

    fn enter(&mut self, id: ServiceId, row: ServiceRow, placed: Option<Placed>) {
        if self.free_services.last() == Some(&id) {
            self.free_services.pop();
        }
        self.vips.insert(row.key.vip);
        self.addresses.insert(row.key.vip);
        self.services.insert(id, row);
        if let Some(placed) = placed {
            self.slots.insert(placed.slots.first_word, placed.table);
            self.members.insert(placed.members.first, placed.list);
        }
    }

    fn has_vip_room(&self, vip: IpAddr) -> bool {
        self.addresses.contains(&vip) || count(self.addresses.len()) < self.limits.vips
    }

    /// Ids for a service's backends, not entered: those they have, else the next that are free.
    fn draft(&self, service: &Service) -> Result<BTreeMap<BackendKey, BackendId>, Limit> {
        let mut free = self.free_backends.iter().rev();
        backend_keys(service)
            .map(|key| {
                let known = self
                    .wanted_backends
                    .get(&key)
                    .or(self.known_backends.get(&key));
                let id = known.or_else(|| free.next()).ok_or(Limit::Backends)?;
                Ok((key, *id))
            })
            .collect()
    }

    fn enter_backends(&mut self, ids: BTreeMap<BackendKey, BackendId>) {
        let drawn = ids.keys().filter(|key| {
            !self.wanted_backends.contains_key(key) && !self.known_backends.contains_key(key)
        });
        let left = self.free_backends.len() - drawn.count();
        self.free_backends.truncate(left);
        self.wanted_backends.extend(ids);
    }

    /// The service's table and members, where they are if they did not change. None: it has no
    /// usable backend. After an error nothing is taken.
    fn place(
        &mut self,
        service: &Service,
        paths: &BTreeMap<IpAddr, Path>,
        retained: Option<&ServiceRow>,
    ) -> Result<Option<Placed>, Limit> {
        if !self.has_vip_room(service.key.vip) {
            return Err(Limit::Vips);
        }
        let ids = self.draft(service)?;
        let table = self.build(recipe(service, paths));
        if table.is_empty() {
            self.enter_backends(ids);
            return Ok(None);
        }
        let list: Arc<[BackendId]> = ids.values().copied().collect();
        let held = retained.and_then(|row| self.held(row));
        let same_slots = held
            .as_ref()
            .filter(|held| held.table == table)
            .map(|held| held.slots);
        let same_list = held
            .as_ref()
            .filter(|held| held.list == list)
            .map(|held| held.members);
        let slots = match same_slots {
            Some(slots) => slots,
            None => self.take_slots(count(table.len()))?,
        };
        let members = match same_list {
            Some(members) => Ok(members),
            None => self.take_members(count(list.len())),
        };
        if members.is_err() && same_slots.is_none() {
            self.slot_space.give(slots.first_word, words(table.len()));
        }
        let members = members?;
        self.enter_backends(ids);
        Ok(Some(Placed {
            slots,
            members,
            table,
            list,
        }))
    }

    fn take_slots(&mut self, count: u32) -> Result<SlotRange, Limit> {
        let first_word = self
            .slot_space
            .take(words(count as usize))
            .ok_or(Limit::Slots)?;
        Ok(SlotRange { first_word, count })
    }

    fn take_members(&mut self, count: u32) -> Result<MemberRange, Limit> {
        let first = self.member_space.take(count).ok_or(Limit::Members)?;
        Ok(MemberRange { first, count })
    }

    fn build(&mut self, recipe: Recipe) -> Arc<[u16]> {
        if let Some(table) = self.built.get(&recipe) {
            return Arc::clone(table);
        }
        let table = match self.previous.assignments.built.get(&recipe) {
            Some(table) => Arc::clone(table),
            None => match recipe.selection {
                Selection::Maglev(size) => maglev::table(size, &recipe.members).into(),
                Selection::RoundRobin => {
                    let weights: Vec<u16> = recipe.members.iter().map(|(_, w)| *w).collect();
                    round_robin::table(&weights).into()
                }
            },
        };
        self.built.insert(recipe, Arc::clone(&table));
        table
    }

    /// The row that the plane has for an incumbent, if all that it refers to is there, too.
    fn intact(&self, id: ServiceId) -> Option<&'a ServiceRow> {
        let row = self.previous.tables.image.services.get(&id)?;
        match (row.slots, row.members) {
            (None, None) => Some(row),
            _ => self.held(row).map(|_| row),
        }
    }

    /// What the plane has where a row says.
    fn held(&self, row: &ServiceRow) -> Option<Placed> {
        let tables = self.previous.tables;
        let (slots, members) = (row.slots?, row.members?);
        let table = tables.slots.get(&slots.first_word)?;
        let list = tables.members.get(&members.first)?;
        let whole = count(table.len()) == slots.count && count(list.len()) == members.count;
        let sound = table.iter().all(|slot| u32::from(*slot) < members.count)
            && list.iter().all(|id| tables.backends.contains_key(id));
        (whole && sound).then(|| Placed {
            slots,
            members,
            table: Arc::clone(table),
            list: Arc::clone(list),
        })
    }

    /// Rows of all backends, and which of them are retired.
    pub fn backends(
        &self,
        paths: &Paths,
    ) -> (BTreeMap<BackendId, BackendRow>, BTreeSet<BackendId>) {
        let mut wanted: BTreeMap<BackendId, BackendKey> = self
            .wanted_backends
            .iter()
            .map(|(key, id)| (*id, *key))
            .collect();
        let tables = self.previous.tables;
        let referred: BTreeSet<BackendId> = tables
            .members
            .values()
            .flat_map(|l| l.iter())
            .copied()
            .collect();
        let kept: BTreeSet<BackendId> = self
            .members
            .values()
            .flat_map(|l| l.iter())
            .copied()
            .collect();
        let mut retired = BTreeSet::new();
        for (id, row) in &tables.backends {
            if wanted.contains_key(id) {
                continue;
            }
            let live = self
                .previous
                .live
                .get(id)
                .is_some_and(|connections| *connections > 0);
            if live || referred.contains(id) || kept.contains(id) {
                wanted.insert(*id, row.key);
                retired.insert(*id);
            }
        }
        let rows = wanted
            .into_iter()
            .map(|(id, key)| (id, backend_row(key, paths)))
            .collect();
        (rows, retired)
    }
}

fn backend_row(key: BackendKey, paths: &Paths) -> BackendRow {
    match paths.find(key.endpoint.addr) {
        Path::Out { hop, source, .. } => BackendRow { key, hop, source },
        _ => BackendRow {
            key,
            hop: None,
            source: None,
        },
    }
}

fn backend_keys(service: &Service) -> impl Iterator<Item = BackendKey> {
    let protocol = service.key.protocol;
    service.backends.keys().map(move |endpoint| BackendKey {
        endpoint: *endpoint,
        protocol,
    })
}

fn recipe(service: &Service, paths: &BTreeMap<IpAddr, Path>) -> Recipe {
    let usable = |endpoint: &Endpoint| match paths.get(&endpoint.addr) {
        Some(Path::Out { source, .. }) => service.policy.mode != Mode::Onearm || source.is_some(),
        _ => false,
    };
    let weight = |endpoint: &Endpoint, weight: u16| if usable(endpoint) { weight } else { 0 };
    let members = service
        .backends
        .iter()
        .map(|(e, w)| (*e, weight(e, w.get())))
        .collect();
    Recipe {
        selection: service.policy.selection,
        members,
    }
}

fn row(service: &Service, placed: Option<&Placed>) -> ServiceRow {
    let policy = &service.policy;
    let round_robin = policy.selection == Selection::RoundRobin;
    let idle = policy
        .idle
        .unwrap_or(IdleTimeout::default_of(service.key.protocol));
    ServiceRow {
        key: service.key,
        mode: policy.mode,
        round_robin,
        pick_up: policy.mode == Mode::Dnat && !round_robin,
        no_backend: policy.no_backend,
        last_hop: policy.last_hop,
        idle: idle.get(),
        slots: placed.map(|placed| placed.slots),
        members: placed.map(|placed| placed.members),
    }
}

/// 64-bit words that this many slots take.
fn words(slots: usize) -> u32 {
    count(slots.div_ceil(4))
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

//! Services, members, slots and backends: ids and places, service by service.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::members::{Ways, backend_keys, members, recipe};
use super::places::{NoRoom, Placed, Run, count, give_up, run, settle, words};
use super::{Previous, Recipe};
use crate::arena::Arena;
use crate::facts::Facts;
use crate::health::Standings;
use crate::paths::{Path, Paths};
use crate::plane::Limits;
use crate::service::{IdleTimeout, Mode, MssClamp, Persist, Selection, Service, ServiceKey};
use crate::sources::Stretches;
use crate::status::Limit;
use crate::tables::*;
use crate::{maglev, round_robin};

/// The rows so far, and what is left to give.
pub(super) struct Rows<'a> {
    previous: &'a Previous<'a>,
    pub standings: &'a Standings,
    pub limits: &'a Limits,
    incumbents: BTreeMap<ServiceKey, ServiceId>,
    known_backends: BTreeMap<BackendKey, BackendId>,
    free_services: Vec<ServiceId>,
    free_backends: Vec<BackendId>,
    slot_space: Arena,
    member_space: Arena,
    source_space: Arena,
    /// VIPs and own addresses: what takes room among the VIPs.
    addresses: BTreeSet<IpAddr>,
    pub vips: BTreeSet<IpAddr>,
    /// Taken by the services so far.
    port_blocks: u32,
    pub services: BTreeMap<ServiceId, ServiceRow>,
    pub members: BTreeMap<u32, Arc<[MemberRow]>>,
    pub slots: BTreeMap<u32, Arc<[u16]>>,
    pub sources: BTreeMap<u32, Arc<[u128]>>,
    pub built: BTreeMap<Recipe, Arc<[u16]>>,
    wanted_backends: BTreeMap<BackendKey, BackendId>,
    /// Those of them whose replies pass the appliance.
    answering: BTreeSet<BackendId>,
}

/// What became of a service.
pub(super) enum Outcome {
    Programmed(ServiceId),
    /// There is no room for its changed tables: it goes by those it had.
    Kept(ServiceId, Limit),
    Refused(Limit),
}

impl<'a> Rows<'a> {
    pub fn new(facts: &'a Facts, previous: &'a Previous<'a>, limits: &'a Limits) -> Self {
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
        let source_runs = tables
            .sources
            .iter()
            .map(|(first, boundaries)| (*first, count(boundaries.len())));
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
            standings: &facts.standings,
            limits,
            incumbents: incumbents
                .filter(|(_, id)| u32::from(id.0) < limits.services)
                .collect(),
            known_backends: backends.filter(|(_, id)| id.0 < limits.backends).collect(),
            free_services: free_services.rev().collect(),
            free_backends: free_backends.rev().collect(),
            slot_space: Arena::new(limits.slot_words, slot_runs),
            member_space: Arena::new(limits.members, member_runs),
            source_space: Arena::new(limits.sources, source_runs),
            addresses: facts.own.clone(),
            vips: BTreeSet::new(),
            port_blocks: 0,
            services: BTreeMap::new(),
            members: BTreeMap::new(),
            slots: BTreeMap::new(),
            sources: BTreeMap::new(),
            built: BTreeMap::new(),
            wanted_backends: BTreeMap::new(),
            answering: BTreeSet::new(),
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
        let stretches = Stretches::of(&service.policy.sources);
        let placed = self.place(service, paths, &stretches, retained);
        match (placed, retained) {
            (Ok(placed), _) => {
                let row = row(service, &placed, stretches.deny_first);
                self.enter(id, row, placed);
                Outcome::Programmed(id)
            }
            (Err(limit), Some(old)) => {
                let placed = self.held(old).unwrap_or_default();
                self.enter(id, old.clone(), placed);
                Outcome::Kept(id, limit)
            }
            (Err(limit), None) => Outcome::Refused(limit),
        }
    }

    fn enter(&mut self, id: ServiceId, row: ServiceRow, placed: Placed) {
        if self.free_services.last() == Some(&id) {
            self.free_services.pop();
        }
        self.port_blocks += row.key.ports.blocks();
        self.vips.insert(row.key.vip);
        self.addresses.insert(row.key.vip);
        self.services.insert(id, row);
        let Placed {
            slots,
            members,
            sources,
        } = placed;
        self.slots.extend(slots.map(Run::into_pair));
        self.members.extend(members.map(Run::into_pair));
        self.sources.extend(sources.map(Run::into_pair));
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

    fn enter_backends(&mut self, service: &Service, ids: BTreeMap<BackendKey, BackendId>) {
        let drawn = ids.keys().filter(|key| {
            !self.wanted_backends.contains_key(key) && !self.known_backends.contains_key(key)
        });
        let left = self.free_backends.len() - drawn.count();
        self.free_backends.truncate(left);
        if service.policy.mode.is_two_sided() {
            self.answering.extend(ids.values());
        }
        self.wanted_backends.extend(ids);
    }

    /// The service's slots, members and boundaries, where they are if they did not change. After
    /// an error nothing is taken.
    fn place(
        &mut self,
        service: &Service,
        paths: &BTreeMap<IpAddr, Path>,
        stretches: &Stretches,
        retained: Option<&ServiceRow>,
    ) -> Result<Placed, Limit> {
        if !self.has_vip_room(service.key.vip) {
            return Err(Limit::Vips);
        }
        if self.port_blocks + service.key.ports.blocks() > self.limits.port_blocks() {
            return Err(Limit::PortBlocks);
        }
        let ids = self.draft(service)?;
        let held = retained.and_then(|row| self.held(row)).unwrap_or_default();
        let ways = Ways {
            paths,
            standings: self.standings,
        };
        let list = members(service, &ids, ways);
        let table = match service.policy.selection {
            Selection::Maglev(_) | Selection::RoundRobin if !list.is_empty() => {
                self.build(recipe(service, ways))
            }
            _ => Arc::default(),
        };
        let boundaries = Arc::from(stretches.boundaries.as_slice());

        let Self {
            slot_space,
            member_space,
            source_space,
            ..
        } = self;
        let slots = settle(slot_space, words, table, held.slots.as_ref());
        let members = settle(member_space, count, list, held.members.as_ref());
        let sources = settle(source_space, count, boundaries, held.sources.as_ref());
        let limit = match (&slots, &members, &sources) {
            (Ok(slots), Ok(members), Ok(sources)) => {
                let placed = Placed {
                    slots: slots.clone(),
                    members: members.clone(),
                    sources: sources.clone(),
                };
                self.enter_backends(service, ids);
                return Ok(placed);
            }
            (Err(NoRoom), _, _) => Limit::Slots,
            (_, Err(NoRoom), _) => Limit::Members,
            (_, _, Err(NoRoom)) => Limit::Sources,
        };
        give_up(slot_space, words, &slots, held.slots.as_ref());
        give_up(member_space, count, &members, held.members.as_ref());
        give_up(source_space, count, &sources, held.sources.as_ref());
        Err(limit)
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
                Selection::LeastConnections => Arc::default(),
            },
        };
        self.built.insert(recipe, Arc::clone(&table));
        table
    }

    /// The row that the plane has for an incumbent, if all that it refers to is there, too.
    fn intact(&self, id: ServiceId) -> Option<&'a ServiceRow> {
        let row = self.previous.tables.image.services.get(&id)?;
        self.held(row).map(|_| row)
    }

    /// What the plane has where a row says; None if that is not what the row needs.
    fn held(&self, row: &ServiceRow) -> Option<Placed> {
        let tables = self.previous.tables;
        let slots = match row.slots {
            Some(range) => Some(run(&tables.slots, range.first_word, range.count)?),
            None => None,
        };
        let members = match row.members {
            Some(range) => Some(run(&tables.members, range.first, range.count)?),
            None => None,
        };
        let sources = match row.sources.filter(|range| range.count > 0) {
            Some(range) => Some(run(&tables.sources, range.first, range.count)?),
            None => None,
        };
        let list = members.as_ref().map_or(&[][..], |run| &*run.elements);
        let table = slots.as_ref().map_or(&[][..], |run| &*run.elements);
        let sound = table.iter().all(|slot| usize::from(*slot) < list.len())
            && list
                .iter()
                .all(|member| tables.backends.contains_key(&member.backend));
        sound.then_some(Placed {
            slots,
            members,
            sources,
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
        let held = referred(&tables.members);
        let kept = referred(&self.members);
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
            if live || held.contains(id) || kept.contains(id) {
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

    /// Backends whose packets may be replies: of two-sided services, as they are and as packets
    /// still find them, and those that have connections of such a one.
    pub fn repliers(&self, backends: &BTreeMap<BackendId, BackendRow>) -> BTreeSet<BackendKey> {
        let Previous { tables, live, .. } = self.previous;
        let image = &tables.image;
        let two_sided = image
            .services
            .values()
            .filter(|row| row.mode.is_two_sided());
        let lists = two_sided.filter_map(|row| tables.members.get(&row.members?.first));
        let read: BTreeSet<BackendId> = lists
            .flat_map(|list| list.iter())
            .map(|member| member.backend)
            .collect();
        let answers = |id: &BackendId, key: &BackendKey| {
            let is_live = live.get(id).is_some_and(|connections| *connections > 0);
            self.answering.contains(id)
                || read.contains(id)
                || is_live && image.repliers.contains(key)
        };
        let answering = backends.iter().filter(|(id, row)| answers(id, &row.key));
        answering.map(|(_, row)| row.key).collect()
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

fn row(service: &Service, placed: &Placed, deny_first: bool) -> ServiceRow {
    let policy = &service.policy;
    let idle = policy
        .idle
        .unwrap_or(IdleTimeout::default_of(service.key.protocol));
    let selection = match policy.selection {
        Selection::Maglev(_) => SelectionKind::Maglev,
        Selection::RoundRobin => SelectionKind::RoundRobin,
        Selection::LeastConnections => SelectionKind::Least,
    };
    let source_translated = matches!(policy.mode, Mode::Fullnat | Mode::Onearm);
    let boundaries = placed.sources.as_ref();
    ServiceRow {
        key: service.key,
        mode: policy.mode,
        selection,
        pick_up: selection == SelectionKind::Maglev && !source_translated,
        no_backend: policy.no_backend,
        last_hop: policy.last_hop,
        idle: idle.get(),
        persist: policy.persist.map_or(0, Persist::get),
        mss: policy.mss_clamp.map_or(0, MssClamp::get),
        slots: placed.slots.as_ref().map(|run| SlotRange {
            first_word: run.first,
            count: count(run.elements.len()),
        }),
        members: placed.members.as_ref().map(|run| MemberRange {
            first: run.first,
            count: count(run.elements.len()),
        }),
        sources: (deny_first || boundaries.is_some()).then(|| SourceRange {
            first: boundaries.map_or(0, |run| run.first),
            count: boundaries.map_or(0, |run| count(run.elements.len())),
            deny_first,
        }),
    }
}

/// The backends that member lists name.
fn referred(members: &BTreeMap<u32, Arc<[MemberRow]>>) -> BTreeSet<BackendId> {
    let all = members.values().flat_map(|list| list.iter());
    all.map(|member| member.backend).collect()
}

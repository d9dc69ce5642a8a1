//! A service's backends as members: who gets connections, and how many.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::Recipe;
use crate::health::Standings;
use crate::paths::Path;
use crate::service::{Endpoint, Mode, Service, Share};
use crate::tables::{BackendId, BackendKey, MemberRow};

pub(super) fn backend_keys(service: &Service) -> impl Iterator<Item = BackendKey> {
    let protocol = service.key.protocol;
    service.backends.keys().map(move |endpoint| BackendKey {
        endpoint: *endpoint,
        protocol,
    })
}

/// Members in the order of endpoints, those that take no connection included; empty if none does.
pub(super) fn members(
    service: &Service,
    ids: &BTreeMap<BackendKey, BackendId>,
    ways: Ways,
) -> Arc<[MemberRow]> {
    let member = |(key, share): (BackendKey, &Share)| {
        Some(MemberRow {
            backend: *ids.get(&key)?,
            weight: ways.weight(service, &key.endpoint, share),
            limit: share.max_connections,
        })
    };
    let list: Vec<MemberRow> = backend_keys(service)
        .zip(service.backends.values())
        .filter_map(member)
        .collect();
    match list.iter().any(|member| member.weight > 0) {
        true => list.into(),
        false => Arc::default(),
    }
}

pub(super) fn recipe(service: &Service, ways: Ways) -> Recipe {
    Recipe {
        selection: service.policy.selection,
        members: service
            .backends
            .iter()
            .map(|(endpoint, share)| (*endpoint, ways.weight(service, endpoint, share)))
            .collect(),
    }
}

/// What decides whether backends get connections.
#[derive(Clone, Copy)]
pub(super) struct Ways<'a> {
    pub paths: &'a BTreeMap<IpAddr, Path>,
    pub standings: &'a Standings,
}

impl Ways<'_> {
    /// Weight of a backend for new connections: 0 where it stands aside, or cannot be reached as
    /// the mode wants.
    fn weight(self, service: &Service, endpoint: &Endpoint, share: &Share) -> u16 {
        let mode = service.policy.mode;
        let path = self.paths.get(&endpoint.addr);
        let is_reached = path.is_some_and(|path| is_way(path, mode, endpoint.addr));
        match is_reached && !self.standings.is_aside(&service.key, endpoint) {
            true => share.weight.get(),
            false => 0,
        }
    }
}

fn is_way(path: &Path, mode: Mode, addr: IpAddr) -> bool {
    let Path::Out {
        neighbour, source, ..
    } = path
    else {
        return false;
    };
    match mode {
        Mode::Dnat | Mode::Fullnat => true,
        Mode::Onearm | Mode::Ipip | Mode::Gue { .. } => source.is_some(),
        Mode::Dsr => neighbour.1 == addr,
    }
}

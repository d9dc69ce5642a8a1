//! Listing connections.

use lb_api::control::{ConnectionsFound, ConnectionsQuery, ControlError};
use lb_api::wire::{Connection, ConnectionState, Mode};
use lb_core::service::{Ports, ServiceKey};
use lb_plane::stats::{self, ConnState, Filter};

use super::Daemon;
use crate::reconcile::DataPlane;
use crate::state;

/// Pages that are looked through for one answer, when the filter is finer than the plane's.
const PAGES_MAX: usize = 64;

impl<P: DataPlane> Daemon<P> {
    pub(super) fn connections(
        &self,
        query: &ConnectionsQuery,
    ) -> Result<ConnectionsFound, ControlError> {
        let reconciler = self.reconciler.as_ref();
        let reconciler = reconciler.map_err(|message| ControlError::Unavailable {
            message: message.clone(),
        })?;
        let filter = &query.filter;
        let for_plane = Filter {
            client: filter.client.map(|end| end.addr),
            vip: filter.service.map(|key| key.vip),
            vip_port: filter.service.and_then(|key| match key.ports {
                Ports::One(port) => Some(port.get()),
                Ports::Range { .. } | Ports::Any | Ports::None => None,
            }),
            backend: filter.backend.map(|end| end.addr),
            backend_port: filter
                .backend
                .and_then(|end| end.port)
                .map(|port| port.get()),
            protocol: filter.service.map(|key| key.protocol).or(filter.protocol),
            service: None,
            backend_id: None,
            state: filter.state.map(plane_state),
        };
        let client_port = filter
            .client
            .and_then(|end| end.port)
            .map(|port| port.get());
        let services = state::rows(&reconciler.outcome);
        // Of any port are those that no other service of the VIP has: the row tells.
        let is_of_service = |conn: &stats::Connection| match filter.service {
            Some(key) if key.ports == Ports::Any => services.get(&conn.service) == Some(&key),
            Some(key) => key.ports.contains(conn.vip.port()),
            None => true,
        };
        let is_wanted = |conn: &stats::Connection| {
            client_port.is_none_or(|port| port == conn.client.port())
                && filter
                    .protocol
                    .is_none_or(|protocol| protocol == conn.protocol)
                && is_of_service(conn)
        };
        let reader = reconciler.plane().reader();
        let limit = usize::from(query.limit);
        let mut found = ConnectionsFound::default();
        // Beyond the last position there is nothing.
        let mut from = u32::try_from(query.from).ok();
        for _ in 0..PAGES_MAX {
            let Some(position) = from else { break };
            let page = reader.connections(&for_plane, position, limit - found.items.len());
            let wanted = page.connections.iter().filter(|conn| is_wanted(conn));
            found.items.extend(wanted.map(|conn| {
                let key = services
                    .get(&conn.service)
                    .filter(|key| key.vip == conn.vip.ip());
                let mode = key.and_then(|key| self.mode(key));
                connection(conn, key.map(ToString::to_string), mode)
            }));
            from = page.next;
            if found.items.len() == limit {
                break;
            }
        }
        found.next = from.map(u64::from);
        Ok(found)
    }

    /// Of the first document, in order, that has the service.
    fn mode(&self, key: &ServiceKey) -> Option<Mode> {
        let service = self
            .documents
            .values()
            .find_map(|stored| stored.document.get(key))?;
        Some(service.policy.mode.into())
    }
}

fn connection(conn: &stats::Connection, service: Option<String>, mode: Option<Mode>) -> Connection {
    Connection {
        protocol: conn.protocol.into(),
        client: conn.client.to_string(),
        vip: conn.vip.to_string(),
        backend: conn.backend.to_string(),
        source: conn.source.to_string(),
        mode,
        one_sided: conn.one_sided,
        state: wire_state(conn.state),
        idle: conn.idle_seconds,
        timeout: conn.timeout_seconds,
        packets: conn.packets.into(),
        bytes: conn.bytes,
        service,
    }
}

const STATES: [(ConnState, ConnectionState); 7] = [
    (ConnState::New, ConnectionState::New),
    (ConnState::Answered, ConnectionState::Answered),
    (ConnState::Established, ConnectionState::Established),
    (ConnState::FinClient, ConnectionState::FinClient),
    (ConnState::FinBackend, ConnectionState::FinBackend),
    (ConnState::Closed, ConnectionState::Closed),
    (ConnState::Reset, ConnectionState::Reset),
];

fn plane_state(state: ConnectionState) -> ConnState {
    let pair = STATES.iter().find(|(_, wire)| *wire == state);
    pair.map(|(plane, _)| *plane)
        .expect("every state is in the table")
}

fn wire_state(state: ConnState) -> ConnectionState {
    let pair = STATES.iter().find(|(plane, _)| *plane == state);
    pair.map(|(_, wire)| *wire)
        .expect("every state is in the table")
}

//! Capacities of the tables.

use lb_core::plane;
use serde_saphyr::{Location, Spanned};

use super::{Check, raw};

/// Capacities of the tables. They are fixed while the pinned maps live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub services: u32,
    pub backends: u32,
    /// Of IPv4.
    pub connections: u32,
    /// Of IPv6.
    pub connections6: u32,
    /// Clients that keep their backend.
    pub affinities: u32,
    /// Boundaries between allowed and denied sources: at most two for each prefix.
    pub sources: u32,
    pub vips: u32,
    pub hops: u32,
    /// Slots of all slot tables, those being replaced included.
    pub slots: u32,
    /// Backends of all services, counted for each service.
    pub members: u32,
    /// Nodes of the trie of routes: about one for each /16 and one for each /24 in use.
    pub route_nodes: u32,
}

impl Default for Limits {
    /// 1024 Maglev tables of 16381 slots, and room to replace each.
    fn default() -> Self {
        Limits {
            services: 1024,
            backends: 16_384,
            connections: 1 << 20,
            connections6: 1 << 18,
            affinities: 1 << 17,
            sources: 1 << 17,
            vips: 1024,
            hops: 1024,
            slots: 1 << 25,
            members: 65_536,
            route_nodes: 1024,
        }
    }
}

impl Limits {
    /// As planes count: slots in words of four.
    pub fn for_plane(&self) -> plane::Limits {
        plane::Limits {
            services: self.services,
            backends: self.backends,
            hops: self.hops,
            vips: self.vips,
            slot_words: self.slots.div_ceil(4),
            members: self.members,
            route_nodes: self.route_nodes,
            connections: self.connections,
            connections6: self.connections6,
            affinities: self.affinities,
            sources: self.sources,
        }
    }
}

/// Of both families together: the tables have 2^26 places, a quarter of them to spare.
const CONNECTIONS_MOST: u32 = 48_000_000;

impl Check {
    pub(super) fn limits(&mut self, raw: raw::Limits) -> Limits {
        let at = [&raw.connections6, &raw.connections]
            .into_iter()
            .flatten()
            .next();
        let at = at.map_or(Location::UNKNOWN, |value| value.referenced);
        let limits = self.each_limit(raw);
        let sum = u64::from(limits.connections) + u64::from(limits.connections6);
        if sum > u64::from(CONNECTIONS_MOST) {
            self.wrong(
                at,
                format!(
                    "limits.connections6: {} beside {} connections is more than {CONNECTIONS_MOST} together: lower one",
                    limits.connections6, limits.connections
                ),
            );
        }
        limits
    }

    fn each_limit(&mut self, raw: raw::Limits) -> Limits {
        let default = Limits::default();
        let mut limit = |key, value: Option<Spanned<u64>>, default: u32, least: u32, most: u32| {
            let Some(Spanned {
                value,
                referenced: at,
                ..
            }) = value
            else {
                return default;
            };
            match u32::try_from(value) {
                Ok(value) if (least..=most).contains(&value) => value,
                _ => {
                    self.wrong(
                        at,
                        format!("limits.{key}: {value} is out of range: use {least} to {most}"),
                    );
                    default
                }
            }
        };
        Limits {
            services: limit("services", raw.services, default.services, 1, 65_535),
            backends: limit("backends", raw.backends, default.backends, 1, 1 << 20),
            connections: limit(
                "connections",
                raw.connections,
                default.connections,
                1 << 10,
                CONNECTIONS_MOST,
            ),
            connections6: limit(
                "connections6",
                raw.connections6,
                default.connections6,
                1 << 10,
                CONNECTIONS_MOST,
            ),
            affinities: limit("affinities", raw.affinities, default.affinities, 2, 1 << 26),
            sources: limit("sources", raw.sources, default.sources, 1, 1 << 26),
            vips: limit("vips", raw.vips, default.vips, 1, 65_535),
            hops: limit("hops", raw.hops, default.hops, 16, 65_535),
            slots: limit("slots", raw.slots, default.slots, 1 << 10, 1 << 30),
            members: limit("members", raw.members, default.members, 1, 1 << 24),
            route_nodes: limit(
                "routeNodes",
                raw.route_nodes,
                default.route_nodes,
                16,
                1 << 20,
            ),
        }
    }
}

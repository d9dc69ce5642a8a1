//! Where a service wants its VIP announced, and why not elsewhere.

use crate::facts::Facts;
use crate::paths::Paths;
use crate::service::{Announce, AnnounceWhen, Protocol, Service};
use crate::status::{Announcing, BackendState, ServiceStatus};

/// What a service that has (or has not) a row wants.
pub(super) fn of(
    service: &Service,
    status: &ServiceStatus,
    paths: &Paths,
    facts: &Facts,
) -> Announcing {
    let vip = service.key.vip;
    let Announce::L2 { interfaces, when } = &service.policy.announce else {
        return Announcing::Off;
    };
    if status.id.is_none() {
        return Announcing::NotProgrammed;
    }
    if facts.own.contains(&vip) {
        return Announcing::OwnAddress;
    }
    if *when == AnnounceWhen::Healthy && !is_healthy(service, status) {
        return Announcing::NoHealthyBackend;
    }
    let slots = match interfaces.is_empty() {
        true => paths.connected(vip),
        false => {
            let named = |name: &str| interfaces.iter().any(|one| one.as_str() == name);
            let links = paths.attached().filter(|(_, link)| named(&link.name));
            links.fold(0, |bits, (slot, _)| bits | bit(slot.0))
        }
    };
    let is_attached = |name: &str| paths.attached().any(|(_, link)| link.name == name);
    let names = interfaces.iter().map(|name| name.as_str());
    Announcing::Wanted {
        slots,
        missing: names
            .filter(|name| !is_attached(name))
            .map(str::to_owned)
            .collect(),
    }
}

/// Of pings the appliance is the server itself.
fn is_healthy(service: &Service, status: &ServiceStatus) -> bool {
    service.key.protocol == Protocol::Icmp
        || status
            .backends
            .values()
            .any(|backend| backend.state == BackendState::Ready)
}

/// Slots that all services of a VIP want together.
pub(super) fn slots(announcing: &Announcing) -> u64 {
    match announcing {
        Announcing::Wanted { slots, .. } => *slots,
        _ => 0,
    }
}

fn bit(slot: u8) -> u64 {
    1u64.checked_shl(slot.into()).unwrap_or(0)
}
